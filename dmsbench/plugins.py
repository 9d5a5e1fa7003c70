"""What other installed packages offer, by their entry points; nothing of theirs is loaded to list it.

Corruptions are found by ``corruptions`` itself, which stands alone; how packages are looked through is the
same for all, and in ``corruptions.plugins``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from corruptions import plugins as found_by_entry_points
from corruptions.errors import PluginError
from dmsbench.errors import DataError, DmsbenchError

#: A model's factory: ``(spec, *, device, task) -> VisionLanguageModel`` (``models.base``).
MODELS = "dmsbench.models"
#: A data set's: ``(config, *, task) -> Dataset`` (``data.foreign``).
DATASETS = "dmsbench.datasets"
#: A task, or a function that makes one (``tasks.base.Task``).
TASKS = "dmsbench.tasks"
#: A score's: ``(task) -> Scorer`` (``tasks.scorers``).
SCORES = "dmsbench.scores"
#: Every group, by what it offers.
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "models": MODELS,
        "datasets": DATASETS,
        "tasks": TASKS,
        "scores": SCORES,
        "corruptions": found_by_entry_points.GROUP,
    }
)

_Made = TypeVar("_Made")


class Plugin(found_by_entry_points.Plugin):
    """One thing that a package offers; its errors are ``DmsbenchError``."""

    __slots__ = ()

    @property
    def origin(self) -> dict[str, str]:
        """What identifies the code behind it: records of another version are other records."""
        return {"package": self.package, "version": self.version, "object": self.entry.value}

    def load(self) -> Any:
        """What it offers, imported; raises DmsbenchError, naming the package, where that fails."""
        try:
            return super().load()
        except PluginError as error:
            raise DmsbenchError(str(error)) from error

    def function(self) -> Callable[..., Any]:
        """``load``, where it has to be called; raises DmsbenchError for what cannot be."""
        found = self.load()
        if not callable(found):
            raise DmsbenchError(f"plug-in '{self.name}' of {self.title}: {self.entry.value} is no function")
        made: Callable[..., Any] = found
        return made

    def called(self, action: str, function: Callable[..., _Made], *given: Any, **options: Any) -> _Made:
        """What a function of the package gives.

        Raises DmsbenchError where it raises, naming the package; a DmsbenchError of its own stays what it is.
        """
        try:
            return function(*given, **options)
        except DmsbenchError:
            raise
        except Exception as error:
            raise DmsbenchError(
                f"'{self.name}' of {self.title} failed {action} ({type(error).__name__}: {error})"
            ) from error

    def asked(self, action: str, *given: Any, **options: Any) -> Any:
        """What the function makes that the package offers; errors as those of ``function`` and ``called``.

        A ValueError is how a package says that it was given what it cannot use: it is a DataError of the same
        words.
        """
        function = self.function()

        def made() -> Any:
            try:
                return function(*given, **options)
            except ValueError as error:
                raise DataError(f"{self.name}: {error}") from error

        return self.called(action, made)

    def unusable(self, reason: str) -> DmsbenchError:
        """The error for what a package gives that cannot be used."""
        return DmsbenchError(f"'{self.name}' of {self.title}: {reason}")


@functools.cache
def offered(group: str) -> Mapping[str, Plugin]:
    """What is offered in a group, by name; raises DmsbenchError where two packages offer one name."""
    try:
        found = found_by_entry_points.find(group)
    except PluginError as error:
        raise DmsbenchError(str(error)) from None
    return MappingProxyType(
        {
            name: Plugin(one.group, one.name, one.package, one.version, one.entry)
            for name, one in found.items()
        }
    )
