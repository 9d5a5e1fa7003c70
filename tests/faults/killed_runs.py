"""A process that forks runs, which can be killed at any moment; it says in which phase each was.

Lines in: ``FOLDER SECONDS`` – run there and kill it after so many seconds, 0: let it finish. Lines out: the
exit status (negative: the signal) and the phase that was under way.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from faulty_run import WordModel, ready, run, slowly

import dmsbench.runner.views as views
from dmsbench.runner.store import RunFolder

PHASES = ("planning", "corrupting", "answering", "writing a part", "writing the manifest", "between")


def phased(board: mmap.mmap, phase: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function; while it works the board shows its phase."""

    @wraps(function)
    def inner(*arguments: Any, **named: Any) -> Any:
        board[0] = phase
        try:
            return function(*arguments, **named)
        finally:
            board[0] = len(PHASES) - 1

    return inner


def one_run(file: Path, out: Path, board: mmap.mmap) -> None:
    """Runs two models to the end."""
    views.corrupted_image = phased(board, 1, views.corrupted_image)
    RunFolder.write_part = phased(board, 3, RunFolder.write_part)  # type: ignore[method-assign]
    RunFolder.write_manifest = phased(board, 4, RunFolder.write_manifest)  # type: ignore[method-assign]
    models = [WordModel(name, name, before=slowly) for name in ("one", "two")]
    for model in models:
        model.answer = phased(board, 2, model.answer)  # type: ignore[method-assign]
    run(ready(file, out), *models)


def main() -> None:
    file = Path(sys.argv[1])
    board = mmap.mmap(-1, 1)
    print("ready", flush=True)
    for line in sys.stdin:
        out, seconds = line.rsplit(maxsplit=1)
        board[0] = 0
        child = os.fork()
        if child == 0:
            try:
                one_run(file, Path(out), board)
            except BaseException as error:  # noqa: BLE001 whatever it was: the parent is told, and goes on
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(9)
            os._exit(0)
        if float(seconds):
            time.sleep(float(seconds))
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, PHASES[board[0]], flush=True)


if __name__ == "__main__":
    main()
