"""Errors of the corruption engine. Every message is one line: what was wrong, then what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BackendError",
    "CorruptionError",
    "InvalidInputError",
    "MissingBackendError",
    "NotOfferedError",
    "PluginError",
    "UnknownBackendError",
    "UnknownCorruptionError",
    "did_you_mean",
]


class CorruptionError(Exception):
    """Base of every error that this package raises on purpose."""


class InvalidInputError(CorruptionError, ValueError):
    """An image, text, severity, profile or set of units that cannot be used as given."""


class PluginError(CorruptionError, RuntimeError):
    """What another package offers cannot be loaded, fails, or gives what cannot be used."""

    def __init__(self, message: str) -> None:
        # It quotes what the package's own errors say, which may be many lines.
        super().__init__(" ".join(message.split()))


class UnknownCorruptionError(CorruptionError, LookupError):
    """No corruption has this name.

    `name` is what was asked for, `suggestions` the nearest known names, best first.
    """

    def __init__(self, name: object, known: Iterable[str]) -> None:
        names = list(known)
        self.name = name
        self.suggestions = did_you_mean(str(name), names)
        self._known = names
        hint = (
            f"did you mean {' or '.join(map(repr, self.suggestions))}?"
            if self.suggestions
            else f"known: {', '.join(names)}"
        )
        super().__init__(f"unknown corruption {name!r}; {hint}")

    def __reduce__(self) -> tuple[type[UnknownCorruptionError], tuple[object, list[str]]]:
        # Exceptions are rebuilt from `args` by default, which here is the finished message.
        return type(self), (self.name, self._known)


class UnknownBackendError(CorruptionError, LookupError):
    """No backend has this name."""

    def __init__(self, name: object, known: Iterable[str]) -> None:
        names = list(known)
        self._given = (name, names)
        near = did_you_mean(str(name), names)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown backend {name!r}; {hint}")

    def __reduce__(self) -> tuple[type[UnknownBackendError], tuple[object, list[str]]]:
        return type(self), self._given


class NotOfferedError(CorruptionError, LookupError):
    """A backend does not have this corruption."""

    def __init__(self, backend: str, corruption: str, offers: Iterable[str]) -> None:
        self._given = (backend, corruption, tuple(offers))
        super().__init__(
            f"backend {backend!r} does not offer {corruption!r}; it has: {', '.join(self._given[2])}"
        )

    def __reduce__(self) -> tuple[type[NotOfferedError], tuple[str, str, tuple[str, ...]]]:
        return type(self), self._given


class MissingBackendError(CorruptionError, ImportError):
    """A backend's package is not installed; the message holds the commands that install it."""

    def __init__(self, backend: str, package: str, install: str) -> None:
        self._given = (backend, package, install)
        super().__init__(f"backend {backend!r} needs {package}, which is not installed: {install}")

    def __reduce__(self) -> tuple[type[MissingBackendError], tuple[str, str, str]]:
        return type(self), self._given


class BackendError(CorruptionError, RuntimeError):
    """A backend's package failed on an input; `__cause__` is what it raised."""

    def __init__(self, backend: str, corruption: str, reason: str) -> None:
        self._given = (backend, corruption, reason)
        shown = " ".join(reason.split())
        super().__init__(
            f"backend {backend!r} failed at {corruption!r} ({shown}); use backend 'native' for this input"
        )

    def __reduce__(self) -> tuple[type[BackendError], tuple[str, str, str]]:
        return type(self), self._given


def did_you_mean(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """At most three of `known` that resemble or contain `name`; case, spaces and hyphens do not count."""
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
    names = list(known)
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.7)
    containing = [other for other in names if len(wanted) >= 3 and wanted in other]
    return tuple(dict.fromkeys(close + containing))[:3]
