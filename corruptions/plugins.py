"""What other installed packages offer, by their entry points, and the corruptions among it.

Nothing of a package is imported to list what it offers: that takes its metadata alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import DEFAULT_PROFILE, Corruption, Value
from corruptions.errors import InvalidInputError, PluginError
from corruptions.image.profiles import CALIBRATED64, CALIBRATED224, IMAGENET224, TINY64

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "Definition", "Plugin", "definition", "find", "offered"]

GROUP = "dmsbench.corruptions"
"""The group of entry points of corruptions."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What stands for an image or a text as it is.
_CLEAN = "clean"
_TABLES = (
    {DEFAULT_PROFILE},
    {IMAGENET224, TINY64},
    {IMAGENET224, TINY64, CALIBRATED224, CALIBRATED64},
)

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One thing that a package offers, by the name of its entry point."""

    group: str
    name: str
    package: str
    version: str
    entry: EntryPoint

    @property
    def title(self) -> str:
        """Package and version: ``dmsbench-extras 1.0``."""
        return f"{self.package} {self.version}".strip()

    def load(self) -> Any:
        """What the entry point names, imported. PluginError, naming the package, where that fails."""
        try:
            return self.entry.load()
        except Exception as error:
            raise PluginError(
                f"plug-in '{self.name}' of {self.title} cannot be loaded "
                f"({type(error).__name__}: {error}); repair or uninstall that package"
            ) from error

    def called(self, action: str, function: Callable[..., _Made], *given: Any, **options: Any) -> _Made:
        """What a function of the package gives. PluginError, naming the package, where it raises."""
        try:
            return function(*given, **options)
        except Exception as error:
            raise PluginError(
                f"'{self.name}' of {self.title} failed {action} ({type(error).__name__}: {error})"
            ) from error

    def wrong(self, reason: str) -> PluginError:
        """The error for what a package gives that cannot be used."""
        return PluginError(f"'{self.name}' of {self.title}: {reason}")


def find(group: str) -> Mapping[str, Plugin]:
    """What is offered in a group of entry points, by name. PluginError where two packages offer one name."""
    # It takes longer to import than the catalogue.
    from importlib import metadata

    found: dict[str, Plugin] = {}
    for entry in metadata.entry_points(group=group):
        package = "an unknown package" if entry.dist is None else entry.dist.name
        version = "" if entry.dist is None else entry.dist.version
        plugin = Plugin(group, entry.name, package, version, entry)
        other = found.setdefault(entry.name, plugin)
        # One package may be found in two places, as where it is installed to be edited.
        if (other.entry.value, other.package) != (entry.value, package):
            raise PluginError(
                f"plug-in '{entry.name}' is offered by {other.package} and by {package}: uninstall one"
            )
    return MappingProxyType(found)


@cache
def offered() -> Mapping[str, Plugin]:
    """The corruptions that other packages offer, by name; errors as those of `find`."""
    return find(GROUP)


@dataclass(frozen=True, slots=True)
class Definition:
    """A corruption that a package brings: what it is, and what does it.

    Attributes:
        entry: as in the catalogue, of kind image or text.
        kernel: of an image `(pixels, value, rng) -> pixels`: uint8 of shape (H, W, 3) in and out, any H and
            W from 1, `value` the parameter at the severity. Of a text
            `(text, values, severity, rng, protect) -> text`: all five values, the severity 1 to 5, and the
            words to spare as `corruptions.corrupt_text` takes them. All randomness comes from `rng`, a
            `numpy.random.Generator` that is good for this call alone.
    """

    entry: Corruption
    kernel: Callable[..., Any]


@cache
def definition(name: str) -> tuple[Plugin, Definition] | None:
    """The corruption that a package offers under a name, loaded and checked; None where there is none.

    PluginError where it cannot be loaded or used.
    """
    plugin = offered().get(name) if isinstance(name, str) else None
    if plugin is None:
        return None
    found = plugin.load()
    if callable(found):
        found = plugin.called("to define it", found)
    several = found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
    for one in several:
        if not isinstance(one, Definition):
            raise plugin.wrong(f"{plugin.entry.value} gives a {type(one).__name__}, not a Definition")
    own = [one for one in several if one.entry.name == name]
    if len(own) != 1:
        names = ", ".join(str(one.entry.name) for one in several) or "none"
        raise plugin.wrong(f"{plugin.entry.value} must give one corruption of this name; it gives {names}")
    _check(plugin, own[0])
    return plugin, own[0]


def _check(plugin: Plugin, found: Definition) -> None:
    entry = found.entry
    if not isinstance(entry, Corruption):
        raise plugin.wrong(f"its entry is a {type(entry).__name__}, not a Corruption")
    if not _NAME.fullmatch(entry.name) or entry.name == _CLEAN:
        raise plugin.wrong("a corruption's name is lower_snake_case, and not 'clean'")
    if entry.kind not in ("image", "text") or entry.target != entry.kind:
        raise plugin.wrong(
            f"kind and target must both be image or both text, not {entry.kind!r} and {entry.target!r}"
        )
    if not callable(found.kernel):
        raise plugin.wrong("its kernel is no function")
    tables = _TABLES if entry.kind == "image" else _TABLES[:1]
    if set(entry.parameters) not in tables:
        known = " or ".join(", ".join(sorted(table)) for table in tables)
        raise plugin.wrong(f"its parameters are for {', '.join(entry.parameters)}; give them for {known}")
    for value in (one for values in entry.parameters.values() for one in values):
        if not all(_finite(part) for part in (value if isinstance(value, tuple) else (value,))):
            raise plugin.wrong(f"the parameter {value!r} is no finite number, nor a tuple of them")


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def corrupted_image(
    name: str, pixels: NDArray[np.uint8], value: Value, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """What a package's corruption makes of a picture, which it gets a copy of.

    PluginError where it fails, or gives anything but uint8 of the same shape.
    """
    plugin, own = _of(name)
    made: object = plugin.called("on a picture", own.kernel, pixels.copy(), value, rng)
    if not isinstance(made, np.ndarray) or made.dtype != np.uint8 or made.shape != pixels.shape:
        given = f"{made.dtype} {made.shape}" if isinstance(made, np.ndarray) else type(made).__name__
        raise plugin.wrong(f"it must give uint8 {pixels.shape}, as it was given, not {given}")
    # Whatever the package does with its own array, the caller may keep this one.
    return np.array(made)


def corrupted_text(
    name: str,
    text: str,
    values: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """What a package's corruption makes of a text. PluginError where it fails, or gives no text."""
    plugin, own = _of(name)
    made: object = plugin.called("on a text", own.kernel, text, values, severity, rng, protect)
    if not isinstance(made, str):
        raise plugin.wrong(f"it must give a text, not a {type(made).__name__}")
    return made


def _of(name: str) -> tuple[Plugin, Definition]:
    found = definition(name)
    if found is None:
        raise InvalidInputError(f"no package offers the corruption {name!r}")
    return found
