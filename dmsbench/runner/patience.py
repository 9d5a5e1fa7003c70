"""Calls into a model that may fail, run out of memory or never come back."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from dmsbench.data.base import SampleError
from dmsbench.errors import DmsbenchError, HangingModelError

#: Calls in a row that took too long before the model is given up: more than halving one batch can take.
MOST_IN_A_ROW = 20
#: What messages of failed allocations hold, by whoever allocates.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a call failed, in one line; ``memory``: there was too little of it."""

    reason: str
    memory: bool = False


class _TooLongError(BaseException):
    """The time limit of a call has passed; no model's own ``except Exception`` may swallow that."""


class Patience:
    """Makes calls, each within a time limit (seconds; None: however long it takes).

    A call that runs Python, sleeps or waits is broken off in the main thread. One that never comes back from
    foreign code cannot be: once it has taken twice the limit and ten seconds the process is ended by
    ``abandon``, by default with exit code 3, for nothing finished is lost.
    """

    def __init__(
        self, seconds: float | None = None, *, abandon: Callable[[str], object] | None = None
    ) -> None:
        self.seconds = seconds
        self._abandon = abandon or _leave
        self._in_a_row = 0
        self._armed = False
        self._deadline: tuple[float, str] | None = None
        self._watcher: threading.Thread | None = None

    def tried(self, call: Callable[[], Any], what: str = "the model") -> tuple[Any, Trouble | None]:
        """A call's result, or why there is none.

        Raises HangingModelError after ``MOST_IN_A_ROW`` calls that all took too long, and what dmsbench
        raises on purpose, but for a sample's own error.
        """
        try:
            with self._limited(what):
                found = call()
        except _TooLongError:
            self._in_a_row += 1
            if self._in_a_row >= MOST_IN_A_ROW:
                raise HangingModelError(
                    f"{what} took more than {self.seconds:g} s {MOST_IN_A_ROW} times in a row; give it more "
                    "(--time-limit); nothing finished is lost: the same command continues"
                ) from None
            return None, Trouble(f"no answer within {self.seconds:g} s (--time-limit)")
        except DmsbenchError as error:
            if not isinstance(error, SampleError):
                raise
            return None, _trouble(error)
        except Exception as error:  # noqa: BLE001 a model may raise anything, and it costs what was asked
            trouble = _trouble(error)
        else:
            self._in_a_row = 0
            return found, None
        # Not before the error is gone: its traceback holds what the call had allocated.
        if trouble.memory:
            _free()
        return None, trouble

    @contextmanager
    def _limited(self, what: str) -> Iterator[None]:
        if self.seconds is None:
            yield
            return
        self._deadline = (time.monotonic() + 2 * self.seconds + 10, what)
        self._watch()
        if not _can_be_rung():
            try:
                yield
            finally:
                self._deadline = None
            return
        previous = signal.signal(signal.SIGALRM, self._ring)
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            yield
        finally:
            # First of all: an alarm between here and the next line must not break off what follows.
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
            self._deadline = None

    def _ring(self, _signal: int, _frame: Any) -> None:
        if self._armed:
            self._armed = False
            raise _TooLongError

    def _watch(self) -> None:
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._look, name="time limit", daemon=True)
            self._watcher.start()

    def _look(self) -> None:
        while True:
            time.sleep(min(1.0, (self.seconds or 1.0) / 2))
            due = self._deadline
            if due is not None and time.monotonic() > due[0]:
                self._abandon(
                    f"{due[1]} has not come back for more than {2 * (self.seconds or 0) + 10:g} s and cannot "
                    "be broken off; nothing finished is lost: the same command continues"
                )
                return


def _can_be_rung() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def _leave(message: str) -> NoReturn:
    sys.stderr.write(f"dmsbench: {message}\n")
    sys.stderr.flush()
    # The main thread never returns: no cleaning up, which the run folder does not need.
    os._exit(HangingModelError.exit_code)


def _trouble(error: Exception) -> Trouble:
    reason = next(iter(str(error).strip().splitlines()), "")
    text = f"{type(error).__name__}: {reason}".strip().removesuffix(":")
    memory = isinstance(error, MemoryError) or any(words in text.lower() for words in _OUT_OF_MEMORY)
    return Trouble(text, memory)


def _free() -> None:
    """Hands back what a failed batch left in the accelerator's cache: the smaller one may need it whole."""
    gc.collect()  # an error that was caught and raised anew may hold its frames in a ring
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
