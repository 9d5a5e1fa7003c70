"""What other packages offer, as ``dmsbench list`` shows it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from corruptions import CorruptionError
from dmsbench.errors import DmsbenchError
from dmsbench.plugins import GROUPS, Plugin, offered

if TYPE_CHECKING:
    from dmsbench.tasks.base import Task

PLUGIN = "plug-in"


def entries(topic: str, *, load: bool) -> list[dict[str, Any]]:
    """What is offered of a topic, with its package; with ``load`` all that it says of itself.

    One that cannot be loaded has the reason in place of that, so that the others are listed. Names that
    dmsbench has itself are left out: nothing replaces them.
    """
    own = _own(topic)
    found = []
    for name, plugin in offered(GROUPS[topic]).items():
        if name in own:
            continue
        said: dict[str, Any] = {}
        if load:
            try:
                said = _SAID[topic](plugin)
            except (DmsbenchError, CorruptionError) as error:
                said = {"error": str(error)}
        found.append({**_BEFORE[topic](plugin), **said, "plugin": plugin.title})
    return found


def _own(topic: str) -> frozenset[str]:
    if topic == "datasets":
        from dmsbench.data import DATASETS

        return frozenset(DATASETS)
    if topic == "tasks":
        from dmsbench.tasks.catalogue import DESCRIPTIONS

        return frozenset(DESCRIPTIONS)
    if topic == "scores":
        from dmsbench.tasks.scorers import scorers

        return frozenset(one.name for one in scorers())
    import corruptions

    return frozenset(corruptions.names())


def _unloaded(plugin: Plugin) -> dict[str, Any]:
    return {"name": plugin.name, "description": PLUGIN}


def _unloaded_corruption(plugin: Plugin) -> dict[str, Any]:
    """With the keys of any corruption; what only the package knows is empty."""
    return {
        "name": plugin.name,
        "kind": PLUGIN,
        "family": "",
        "parameter": "",
        "falsifies": [],
        "parameters": {},
        "source": plugin.title,
        "notes": "",
        "distances": {},
        "flags": {},
    }


def _corruption(plugin: Plugin) -> dict[str, Any]:
    import corruptions

    said = corruptions.get(plugin.name).to_dict()
    return {key: said[key] for key in _unloaded_corruption(plugin) if key in said}


def _dataset(plugin: Plugin) -> dict[str, Any]:
    return {"description": _first_line(plugin.function())}


def _task(plugin: Plugin) -> dict[str, Any]:
    from dmsbench.tasks.catalogue import task_of

    task: Task = task_of(plugin.name)
    return {
        "scores": [one if isinstance(one, str) else one.name for one in task.scores],
        "description": task.description,
    }


def _score(plugin: Plugin) -> dict[str, Any]:
    return {"description": _first_line(plugin.function())}


def _first_line(function: Any) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


_BEFORE: Mapping[str, Callable[[Plugin], dict[str, Any]]] = {
    "datasets": _unloaded,
    "tasks": lambda plugin: {"name": plugin.name, "scores": [], **_unloaded(plugin)},
    "scores": lambda plugin: {"name": plugin.name, "task": "", "signature": "", **_unloaded(plugin)},
    "corruptions": _unloaded_corruption,
}
_SAID: Mapping[str, Callable[[Plugin], dict[str, Any]]] = {
    "datasets": _dataset,
    "tasks": _task,
    "scores": _score,
    "corruptions": _corruption,
}
