"""How far a run is and how fast: counted from the engine's events, without a clock of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dmsbench.grid import View
from dmsbench.runner.arms import Progress as Event
from dmsbench.runner.plan import Plan


@dataclass(slots=True)
class Course:
    """One model: rows done and how many of them reused, whole conditions done, errors, what is at work."""

    rows: int = 0
    reused: int = 0
    conditions: int = 0
    errors: int = 0
    at: View | None = None
    _by_image: dict[View, int] = field(default_factory=dict)


class Meter:
    """Adds up events; times are seconds on any clock that only goes forward.

    Rates count what was computed alone: rows of an earlier run cost next to nothing, and would promise a
    speed that nothing after them has. Their clock starts where the first row is computed.
    """

    def __init__(self, plan: Plan, models: Sequence[str], now: float) -> None:
        self.samples, self.conditions = plan.samples, plan.conditions
        self.total = plan.samples * plan.conditions
        self.courses = {model: Course() for model in models}
        self._texts = {one.image: len(one.texts) for one in plan.images}
        self._last = self._began = now
        self._computing = False

    def add(self, event: Event, now: float) -> None:
        """Takes an event that came at ``now``."""
        if not self._computing and not event.reused:
            # It was computed since the event before it.
            self._computing, self._began = True, self._last
        self._last = now
        course = self.courses[event.model]
        course.rows += event.rows
        course.errors += event.errors
        course.reused += event.rows if event.reused else 0
        course.at = event.image
        seen = course._by_image[event.image] = course._by_image.get(event.image, 0) + event.rows
        if seen == self.samples * self._texts.get(event.image, 0):
            course.conditions += self._texts[event.image]

    @property
    def rows(self) -> int:
        """Rows done of all models."""
        return sum(course.rows for course in self.courses.values())

    @property
    def errors(self) -> int:
        """Errors of all models, those of an earlier run among them."""
        return sum(course.errors for course in self.courses.values())

    @property
    def total_rows(self) -> int:
        """Rows to do of all models."""
        return self.total * len(self.courses)

    def rate(self, *models: str) -> float | None:
        """Rows computed per second by these models, by default all; None before the first one."""
        courses = [self.courses[model] for model in models] or list(self.courses.values())
        computed = sum(course.rows - course.reused for course in courses)
        spent = self._last - self._began
        return computed / spent if computed and spent > 0 else None

    def left(self, *models: str) -> float | None:
        """Seconds that the rest of these models may take, by default of all; None where nobody knows."""
        names = models or tuple(self.courses)
        missing = sum(self.total - self.courses[name].rows for name in names)
        if not missing:
            return 0.0
        rate = self.rate(*names)
        return None if rate is None else missing / rate


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a run that ends when so many rows of all models are done."""

    name: str
    rows: int
    until: int


def stretches(plan: Plan, models: int, *, by_view: bool) -> Iterator[Stretch]:
    """The run's pieces in the engine's order: blocks of images, or ``by_view`` image views (retrieval)."""
    sizes = (
        [(str(one.image), plan.samples * len(one.texts)) for one in plan.images]
        if by_view
        else [
            (f"block {i} of {len(plan.blocks)}", len(block.samples) * plan.conditions)
            for i, block in enumerate(plan.blocks, 1)
        ]
    )
    until = 0
    for name, rows in sizes:
        until += rows * models
        yield Stretch(name, rows * models, until)


class Laps:
    """Says of every stretch, once it is done, how long it took."""

    def __init__(self, parts: Iterator[Stretch], now: float) -> None:
        self._parts = parts
        self._part = next(parts, None)
        self._last = now

    def add(self, rows: int, now: float) -> list[str]:
        """Takes the rows done in all at ``now``; returns a line for every stretch that has ended."""
        lines = []
        while self._part is not None and rows >= self._part.until:
            part, self._part = self._part, next(self._parts, None)
            lines.append(f"{part.name}: {part.rows:,} rows in {now - self._last:.1f} s")
            self._last = now
        return lines
