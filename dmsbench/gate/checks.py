"""What a gate found: checks, and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from dmsbench.gate.config import GateConfig, Part, Rule
from dmsbench.grid import Condition
from dmsbench.scores.paired import Comparison

_NAN = float("nan")


class CheckKind(str, Enum):
    """What a check looks at."""

    SCORE = "score"
    FLOOR = "floor"
    ERROR_RATE = "error rate"
    CONDITIONS = "conditions"
    TIME = "time"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One check. Scores and error rates are shares in [0, 1], conditions their number, times seconds."""

    name: str
    """``clean``, ``overall``, a family, a corruption, ``error rate``, ``error rate limit``, ``conditions`` or
    ``time``."""
    kind: CheckKind
    reference: float
    candidate: float
    change: float
    """candidate − reference; of times the ratio candidate / reference."""
    tolerance: float
    """How far the change may go the wrong way: down for scores and conditions, up for the error rate. Of a
    floor the floor itself, of ``error rate limit`` the largest rate, of ``time`` the largest ratio."""
    passed: bool
    message: str
    """One line on why it failed, or passed."""
    ci_low: float = field(default=_NAN)
    """Interval of the change, at level 1 − alpha; NaN for checks that are not scores."""
    ci_high: float = field(default=_NAN)
    p_value: float = field(default=_NAN)
    p_adjusted: float = field(default=_NAN)
    """After Holm over all checks under the rule ``regression``, with their weights; else NaN."""
    score: str = ""
    """The score's name, of scores and floors."""
    part: Part | None = None
    """Of scores and floors."""
    rule: Rule | None = None
    """Of scores."""
    bound: float = field(default=_NAN)
    """One-sided lower bound of the change at level 1 − alpha."""
    detectable_80: float = field(default=_NAN)
    """The smallest drop that would have failed it four times in five: see ``power.detectable``. Infinite
    where none could."""
    detectable_90: float = field(default=_NAN)
    """The same for nine times in ten."""

    @property
    def undetectable(self) -> bool:
        """Whether no drop, however large, could have failed it."""
        return math.isinf(self.detectable_90)


@dataclass(frozen=True, slots=True)
class FlipCount:
    """Of one condition: how many answers went from right (a score of at least 0.5) to wrong, and back."""

    condition: Condition
    lost: int
    gained: int
    change: float
    """Mean change of the score under this condition; NaN without a pair."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """All checks, those on scores first, and what the comparison under them rests on."""

    checks: tuple[GateCheck, ...]
    missing: tuple[Condition, ...]
    """Conditions of the reference that the candidate lacks, or has as errors alone."""
    notes: tuple[str, ...]
    """What is worth telling though nothing fails on it, one line each."""
    comparison: Comparison
    """A is the reference, B the candidate, on the conditions that both have, by the run's own score."""
    tolerance: float
    """The general one."""
    config: GateConfig = field(default_factory=GateConfig)
    score: str = ""
    """The name of the run's own score."""
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    """By score, the own one first."""
    flips: tuple[FlipCount, ...] = ()
    """By condition, the one that lost most first; by the run's own score."""

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> tuple[GateCheck, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def title(self, check: GateCheck) -> str:
        """The check's name, with its score where that is not the run's own: ``fog (chrf)``, ``fog floor``."""
        name = f"{check.name} floor" if check.kind is CheckKind.FLOOR else check.name
        return f"{name} ({check.score})" if check.score not in ("", self.score) else name
