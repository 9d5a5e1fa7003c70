"""Errors of the corruption engine. Every message is one line: what was wrong, then what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["CorruptionError", "InvalidInputError", "UnknownCorruptionError", "did_you_mean"]


class CorruptionError(Exception):
    """Base of every error that this package raises on purpose."""


class InvalidInputError(CorruptionError, ValueError):
    """An image, text, severity, profile or set of units that cannot be used as given."""


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


def did_you_mean(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """At most three of `known` that resemble or contain `name`; case, spaces and hyphens do not count."""
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
    names = list(known)
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.7)
    containing = [other for other in names if len(wanted) >= 3 and wanted in other]
    return tuple(dict.fromkeys(close + containing))[:3]
