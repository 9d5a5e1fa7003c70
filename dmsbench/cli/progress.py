"""Live progress of a run: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dmsbench.runner.arms import Progress as Event
from dmsbench.runner.plan import Plan

#: Seconds between two plain lines.
EVERY = 10.0


@contextlib.contextmanager
def watching(console: Console, plan: Plan, models: Sequence[str]) -> Iterator[Callable[[Event], None]]:
    """Gives the engine a callback that shows how far each model is."""
    total = plan.samples * plan.conditions
    if console.is_terminal and not console.quiet:
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(),
            console=console,
        ) as bars:
            tasks = {model: bars.add_task(model, total=total, note="") for model in models}
            failed = dict.fromkeys(models, 0)

            def show(event: Event) -> None:
                failed[event.model] += event.errors
                note = f"{event.image}" + (f", {failed[event.model]} errors" if failed[event.model] else "")
                bars.update(tasks[event.model], advance=event.rows, note=note)

            yield show
        return
    yield _plain(console, total * len(models))


@contextlib.contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Gives a callback ``(done, total, note)`` that shows how far one piece of work is."""
    if console.is_terminal and not console.quiet:
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(),
            console=console,
        ) as bars:
            task = bars.add_task(what, total=None, note="")
            yield lambda done, total, note: bars.update(task, completed=done, total=total, note=note)
        return
    began = last = time.monotonic()

    def show(done: int, total: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= EVERY or done == total:
            last = now
            left = (now - began) / max(1, done) * (total - done)
            console.print(
                f"{what}: {done:,} of {total:,} ({done / total:.0%}), {note}, {left:.0f} s left",
                highlight=False,
            )

    yield show


def _plain(console: Console, total: int) -> Callable[[Event], None]:
    began = last = time.monotonic()
    done = errors = 0

    def show(event: Event) -> None:
        nonlocal last, done, errors
        done, errors = done + event.rows, errors + event.errors
        now = time.monotonic()
        if now - last >= EVERY or done == total:
            last = now
            left = (now - began) / done * (total - done)
            console.print(
                f"{done:,} of {total:,} rows ({done / total:.0%}), {errors} errors, {left:.0f} s left",
                highlight=False,
            )

    return show
