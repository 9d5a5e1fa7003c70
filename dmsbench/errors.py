"""The exceptions that dmsbench raises on purpose, and the exit code of each.

    DmsbenchError                 2   usage or configuration
    ├── UnknownNameError          2   a suite, model, corruption … that does not exist
    ├── SuiteError                2   a malformed suite file
    ├── DataError                 2   a data set that cannot be read at all
    ├── ModelError                2   a checkpoint that cannot be loaded or driven
    ├── NotComparableError        3   runs that may not be compared, or are incomplete
    ├── HangingModelError         3   a model that does not come back
    ├── ClusterError              3   workers that cannot be had, or die again and again
    └── StoppedRunError         130   a run that was asked to stop

Every message is one line of at most ``LONGEST_MESSAGE`` characters: what was wrong, where, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar

#: Characters of a message: it may quote what somebody wrote a megabyte of.
LONGEST_MESSAGE = 3000

#: Characters of a name that nobody knows.
_LONGEST_NAME = 200


class DmsbenchError(Exception):
    """Base of all errors that a user can mend; the command line prints its message and nothing else."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str) -> None:
        # Messages quote what others say, and libraries like to say it on several lines; or what a command
        # line held that is no text, which not every library can pass on.
        line = " ".join(line.strip() for line in message.splitlines() if line.strip())
        super().__init__(shortened(line).encode("utf-8", "replace").decode())

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors come back from worker processes, where only their message is known.
        return _remade, (type(self), str(self))


def _remade(kind: type[DmsbenchError], message: str) -> DmsbenchError:
    error = kind.__new__(kind)
    DmsbenchError.__init__(error, message)
    return error


def shortened(message: str) -> str:
    """A message without its middle where it is too long: its ends say what and what to do."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    end = LONGEST_MESSAGE // 3
    return f"{message[: LONGEST_MESSAGE - end - 3]} … {message[-end:]}"


class UnknownNameError(DmsbenchError):
    """A name that no registry holds; offers the nearest one."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names) or 'none'}"
        super().__init__(f"unknown {what} '{name}': {hint}")


class SuiteError(DmsbenchError):
    """A suite file that cannot be used."""


class DataError(DmsbenchError):
    """A data set that cannot be read at all (a single bad sample is recorded instead)."""


class ModelError(DmsbenchError):
    """A checkpoint that cannot be loaded, or cannot do what was asked of it."""


class NotComparableError(DmsbenchError):
    """Runs that differ in suite, data, seed or conditions, or that are incomplete."""

    exit_code: ClassVar[int] = 3


class HangingModelError(DmsbenchError):
    """A model that does not answer, or not in time: the run is left incomplete."""

    exit_code: ClassVar[int] = 3


class ClusterError(DmsbenchError):
    """Workers of a cluster that cannot be had, or die again and again: the run is left incomplete."""

    exit_code: ClassVar[int] = 3


class StoppedRunError(DmsbenchError):
    """Stopped from outside."""

    exit_code: ClassVar[int] = 130
