"""Tasks by name: the builtin ones, and what other packages offer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from dmsbench.errors import UnknownNameError
from dmsbench.plugins import TASKS, Plugin, offered
from dmsbench.safe_names import why_unsafe
from dmsbench.score_names import RETRIEVAL, SCORES
from dmsbench.tasks.base import MOST_TOKENS, Task, as_it_is

VQA = Task("vqa", "questions about a picture are answered in a word or a few", SCORES["vqa"])
CAPTIONING = Task(
    "captioning",
    "a picture is described in a sentence or two",
    SCORES["captioning"],
    longest=64,
    samples="captioning",
    steps="each",
)
#: Builtin tasks in which a prompt is answered.
BUILTIN: Mapping[str, Task] = MappingProxyType({task.name: task for task in (VQA, CAPTIONING)})
#: Of every builtin task, what it is.
DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        **{task.name: task.description for task in BUILTIN.values()},
        RETRIEVAL: "pictures are searched by texts, and texts by pictures",
    }
)


def names() -> tuple[str, ...]:
    """Every task that a suite may name, those of other packages last; nothing of theirs is imported."""
    return tuple(dict.fromkeys((*DESCRIPTIONS, *offered(TASKS))))


def is_foreign(name: str) -> bool:
    """Whether a task is not builtin."""
    return name not in DESCRIPTIONS


def form(name: str) -> str:
    """What builtin data sets give for a task: ``vqa``, ``captioning`` or ``retrieval``."""
    return RETRIEVAL if name == RETRIEVAL else task_of(name).samples


def task_of(name: str) -> Task:
    """A task in which a prompt is answered, by name; that of another package is loaded.

    Raises UnknownNameError where there is none, DmsbenchError for one that cannot be loaded or used.
    """
    if name in BUILTIN:
        return BUILTIN[name]
    plugin = offered(TASKS).get(name)
    if plugin is None or not is_foreign(name):
        raise UnknownNameError("task", name, names())
    return _loaded(plugin)


@functools.cache
def _loaded(plugin: Plugin) -> Task:
    found = plugin.load()
    if not isinstance(found, Task) and callable(found):
        found = plugin.called("to make the task", found)
    if not isinstance(found, Task):
        raise plugin.unusable(f"{plugin.entry.value} gives a {type(found).__name__}, not a Task")
    _check(plugin, found)
    from dmsbench.tasks.foreign_scores import signed

    return replace(
        found,
        origin=plugin.title,
        scores=tuple(
            one if isinstance(one, str) else signed(plugin, replace(one, task=found.name))
            for one in found.scores
        ),
        prompt=_text_of(plugin, "at a prompt", found.prompt),
        parse=_text_of(plugin, "to read an answer", found.parse),
    )


def _check(plugin: Plugin, task: Task) -> None:
    # Imported here: scorers know tasks.
    from dmsbench.tasks.scorers import Scorer, is_builtin

    if task.name != plugin.name or why_unsafe(task.name) is not None:
        raise plugin.unusable(f"its entry point is named '{plugin.name}' and the task '{task.name}'")
    if not isinstance(task.longest, int) or not 1 <= task.longest <= MOST_TOKENS:
        raise plugin.unusable(f"longest must be from 1 to {MOST_TOKENS:,} tokens, not {task.longest!r}")
    if task.samples not in BUILTIN or task.steps not in ("first", "each"):
        raise plugin.unusable("samples must be vqa or captioning, and steps first or each")
    if not task.scores:
        raise plugin.unusable("it has no scores")
    for score in task.scores:
        if isinstance(score, str) and not is_builtin(score):
            raise plugin.unusable(f"its score '{score}' is none of dmsbench: give a Scorer")
        if isinstance(score, str) and score in SCORES[RETRIEVAL]:
            raise plugin.unusable(f"its score '{score}' is one of retrieval")
        if not isinstance(score, str | Scorer):
            raise plugin.unusable(f"its score {score!r} is neither a name nor a Scorer")
        if isinstance(score, Scorer) and is_builtin(score.name):
            raise plugin.unusable(f"its score '{score.name}' has the name of a builtin one")


def _text_of(plugin: Plugin, action: str, function: Callable[[str], Any]) -> Callable[[str], str]:
    """The function of a package with what it gives checked."""
    if function is as_it_is:
        return function

    def checked(text: str) -> str:
        made = plugin.called(action, function, text)
        if not isinstance(made, str):
            raise plugin.unusable(f"{action}: it must give a text, not a {type(made).__name__}")
        return made

    return checked
