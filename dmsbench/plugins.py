"""What other installed packages offer, by their entry points; nothing of theirs is loaded to list it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from types import MappingProxyType
from typing import Any

from dmsbench.errors import DmsbenchError

#: A model's factory: ``(spec, *, device, task) -> VisionLanguageModel`` (``models.base``).
MODELS = "dmsbench.models"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One thing that a package offers."""

    group: str
    name: str
    package: str
    version: str
    entry: metadata.EntryPoint

    @property
    def origin(self) -> dict[str, str]:
        """What identifies the code behind it: records of another version are other records."""
        return {"package": self.package, "version": self.version, "object": self.entry.value}

    def load(self) -> Callable[..., Any]:
        """What it offers, imported; raises DmsbenchError, naming the package, where that fails."""
        try:
            found = self.entry.load()
        except Exception as error:
            raise DmsbenchError(
                f"plug-in '{self.name}' of {self.package} {self.version} cannot be loaded "
                f"({type(error).__name__}: {error}); repair or uninstall that package"
            ) from error
        if not callable(found):
            raise DmsbenchError(
                f"plug-in '{self.name}' of {self.package} {self.version}: {self.entry.value} is no function"
            )
        made: Callable[..., Any] = found
        return made


@functools.cache
def offered(group: str) -> Mapping[str, Plugin]:
    """What is offered in a group, by name; raises DmsbenchError where two packages offer one name."""
    found: dict[str, Plugin] = {}
    for entry in metadata.entry_points(group=group):
        package = "an unknown package" if entry.dist is None else entry.dist.name
        version = "" if entry.dist is None else entry.dist.version
        plugin = Plugin(group, entry.name, package, version, entry)
        other = found.setdefault(entry.name, plugin)
        if other.entry.value != entry.value:
            raise DmsbenchError(
                f"plug-in '{entry.name}' is offered by {other.package} and by {package}: uninstall one"
            )
    return MappingProxyType(found)
