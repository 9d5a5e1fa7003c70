"""Live progress of a run: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.table import Column
from rich.text import Text

from dmsbench.cli.meter import Laps, Meter
from dmsbench.cli.output import lively, tell
from dmsbench.report.formats import shortened
from dmsbench.runner.arms import Progress as Event
from dmsbench.runner.plan import Plan

#: Seconds between two plain lines.
EVERY = 10.0
#: Columns from which bars have room for conditions and for long names.
ROOMY = 110

Clock = Callable[[], float]
Show = Callable[[Event], None]


@contextlib.contextmanager
def watching(
    console: Console,
    plan: Plan,
    models: Sequence[str],
    *,
    laps: Laps | None = None,
    clock: Clock = time.monotonic,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Show]:
    """Gives the engine a callback that shows how far each model is; ``laps`` says how long pieces took."""
    meter = Meter(plan, models, clock())
    bars = _bars(console) if lively(console, environment) else None
    last = clock()

    def plain(now: float) -> None:
        nonlocal last
        if now - last >= EVERY or meter.rows == meter.total_rows:
            last = now
            tell(console, plain_line(meter))

    def show(event: Event) -> None:
        now = clock()
        meter.add(event, now)
        if laps is not None:
            tell(console, *laps.add(meter.rows, now))
        if bars is None:
            plain(now)
        else:
            bars.update(tasks[event.model], completed=meter.courses[event.model].rows)
            for model, task in tasks.items():
                bars.update(task, **fields(meter, model))

    if bars is None:
        yield show
        return
    width = 24 if console.width >= ROOMY else 14
    with bars:
        tasks = {
            model: bars.add_task(shortened(model, width), total=meter.total, **fields(meter, model))
            for model in models
        }
        yield show


def fields(meter: Meter, model: str) -> dict[str, Any]:
    """What a model's bar says beside its rows: conditions, rate, time left, errors, what is at work."""
    course, rate, left = meter.courses[model], meter.rate(model), meter.left(model)
    done = course.rows == meter.total
    at = "" if course.at is None or done else str(course.at)
    return {
        "conditions": f"{course.conditions}/{meter.conditions} conditions",
        "rate": "" if rate is None else f"{rate:,.0f} rows/s",
        "left": "done" if done else _duration(left),
        "errors": f"{course.errors:,} error{'' if course.errors == 1 else 's'}" if course.errors else "",
        "at": at,
    }


def plain_line(meter: Meter) -> str:
    """``1,200 of 6,080 rows (20%), 812 rows/s, 3 errors, 0:00:06 left; dms at fog@3``."""
    rate = meter.rate()
    done = meter.rows == meter.total_rows
    reused = sum(course.reused for course in meter.courses.values())
    parts = [
        f"{meter.rows:,} of {meter.total_rows:,} rows ({meter.rows / meter.total_rows:.0%})",
        *([f"{reused:,} from an earlier run"] if reused else []),
        *([] if rate is None else [f"{rate:,.0f} rows/s"]),
        f"{meter.errors} error{'' if meter.errors == 1 else 's'}",
        "done" if done else f"{_duration(meter.left())} left",
    ]
    at = [
        f"{model} at {course.at}"
        for model, course in meter.courses.items()
        if course.at and course.rows < meter.total
    ]
    return ", ".join(parts) + (f"; {', '.join(at)}" if at else "")


def _duration(seconds: float | None) -> str:
    return "-:--:--" if seconds is None else str(timedelta(seconds=round(seconds)))


class _Rows(ProgressColumn):
    """``1,200/3,040``."""

    def render(self, task: Task) -> Text:
        return Text(f"{int(task.completed):,}/{int(task.total or 0):,}", no_wrap=True)


def _bars(console: Console) -> Progress:
    roomy = console.width >= ROOMY

    def field(name: str) -> TextColumn:
        column = Column(no_wrap=True, justify="left" if name in ("at", "errors") else "right")
        return TextColumn(f"{{task.fields[{name}]}}", markup=False, table_column=column)

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=20 if roomy else 8),
        _Rows(table_column=Column(no_wrap=True, justify="right")),
        *([field("conditions")] if roomy else []),
        field("rate"),
        field("left"),
        field("errors"),
        field("at"),
        console=console,
    )


@contextlib.contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Gives a callback ``(done, total, note)`` that shows how far one piece of work is."""
    if lively(console, os.environ):
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            Remaining(),
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
            tell(console, f"{what}: {done:,} of {total:,} ({done / total:.0%}), {note}, {left:.0f} s left")

    yield show
