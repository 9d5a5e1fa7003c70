"""What the engines share: models under their names in a run, and the count of what was done."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dmsbench.grid import View
from dmsbench.runner.plan import Block, ImagePlan
from dmsbench.runner.records import LEFT_OUT

Model = TypeVar("Model")

#: Different messages that are counted: a run of millions of errors must not keep a text of each.
_MOST_REASONS = 1000


@dataclass(frozen=True, slots=True)
class Arm(Generic[Model]):
    """A model under its name in the run; ``key_of`` gives the key of a piece of work."""

    name: str
    model: Model
    key_of: Callable[[Block, ImagePlan], str]


@dataclass(frozen=True, slots=True)
class Progress:
    """What has just been done: ``rows`` records of a model, ``errors`` of them errors.

    ``reused``: they were there already from an earlier run.
    """

    model: str
    image: View
    rows: int
    errors: int
    reused: bool


@dataclass(slots=True)
class Tally:
    """What a run did, by model: rows in all, rows answered by the model, errors, rows left out, seconds.

    ``reasons`` counts the messages of the errors, over all models. ``rows_at_once``: the batches that memory
    sufficed for, where it did not suffice for those asked for. ``damaged``: files of an earlier run that were
    found broken, and why. ``notices``: what else somebody should know, a line each. ``stopped``: somebody
    asked to stop before all was done.
    """

    rows: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    reused: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    rows_at_once: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    stopped: bool = False

    def add(self, counter: dict[str, int], model: str, count: int) -> None:
        """Counts something for a model."""
        counter[model] = counter.get(model, 0) + count

    def took(self, model: str, seconds: float) -> None:
        """Adds to a model's seconds."""
        self.seconds[model] = self.seconds.get(model, 0.0) + seconds

    @contextlib.contextmanager
    def timing(self, model: str) -> Iterator[None]:
        """Adds what is done within to a model's seconds."""
        began = time.perf_counter()
        yield
        self.took(model, time.perf_counter() - began)

    def count(
        self, model: str, image: View, found: Sequence[tuple[str, str | None]], *, reused: bool
    ) -> Progress:
        """Counts rows by their status and error; returns what that was."""
        reasons = [error or status for status, error in found if status not in ("ok", LEFT_OUT)]
        self.add(self.rows, model, len(found))
        self.add(self.errors, model, len(reasons))
        self.add(self.left_out, model, sum(status == LEFT_OUT for status, _ in found))
        if reused:
            self.add(self.reused, model, len(found))
        for reason in reasons:
            if reason in self.reasons or len(self.reasons) < _MOST_REASONS:
                self.reasons[reason] += 1
        return Progress(model, image, len(found), len(reasons), reused)

    def error_rate(self, model: str) -> float:
        """A model's errors among its rows that were not left out."""
        asked = self.rows.get(model, 0) - self.left_out.get(model, 0)
        return self.errors.get(model, 0) / max(1, asked)
