"""The robustness gate: does a candidate score worse than a reference by more than a tolerance?

Built on the paired comparison: the same pairs, intervals and tests, with A the reference and B the candidate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import pandas as pd

from dmsbench.errors import DmsbenchError, NotComparableError
from dmsbench.grid import Condition
from dmsbench.scores.paired import PAIRED_REPLICATES, Comparison, Contrast, Verdict, compare_pairs
from dmsbench.scores.pairing import listed, missing, pair_rows
from dmsbench.scores.rows import Rows, read_rows

MAX_ERROR_RATE_RISE = 0.01
"""How far the candidate's error rate may lie above the reference's: one percentage point."""
_ROUNDING = 1e-12  # a drop of exactly the tolerance passes, whatever its floating-point sum
_NAMES = ("the reference", "the candidate")


class CheckKind(str, Enum):
    """What a check looks at."""

    SCORE = "score"
    ERROR_RATE = "error rate"
    CONDITIONS = "conditions"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One check. For scores and error rates the values are shares in [0, 1], for conditions their number."""

    name: str
    """``clean``, ``overall``, a corruption, ``error rate`` or ``conditions``."""
    kind: CheckKind
    reference: float
    candidate: float
    change: float
    """candidate − reference."""
    tolerance: float
    """How far the change may go the wrong way: down for scores and conditions, up for the error rate."""
    passed: bool
    message: str
    """One line on why it failed, or passed."""
    ci_low: float = field(default=float("nan"))
    """Interval of the change, at level 1 − alpha; NaN for checks that are not scores."""
    ci_high: float = field(default=float("nan"))
    p_value: float = field(default=float("nan"))
    p_adjusted: float = field(default=float("nan"))
    """After Holm over all score checks."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """All checks, those on scores first, and what the comparison under them rests on."""

    checks: tuple[GateCheck, ...]
    missing: tuple[Condition, ...]
    """Conditions of the reference that the candidate lacks, or has as errors alone."""
    notes: tuple[str, ...]
    """What is worth telling though nothing fails on it, one line each."""
    comparison: Comparison
    """A is the reference, B the candidate, on the conditions that both have."""
    tolerance: float

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> tuple[GateCheck, ...]:
        return tuple(check for check in self.checks if not check.passed)


def evaluate(
    reference_frame: pd.DataFrame,
    candidate_frame: pd.DataFrame,
    *,
    tolerance: float,
    seed: int = 0,
    alpha: float = 0.05,
    replicates: int = PAIRED_REPLICATES,
) -> GateResult:
    """Gate a candidate's records against a reference's, paired by sample id and condition.

    - Scores: clean, overall (all corrupted conditions, equal weight) and each corruption. A check fails iff
      the drop is larger than ``tolerance`` (in score units: 0.02 is two points) and the comparison finds
      the candidate worse: the (1 − alpha) interval of the change, clustered by group, lies below 0 and its
      sign-flip p-value lies below ``alpha``. Clean and overall are one planned test each; the corruptions'
      p-values are corrected after Holm, so that among many of them noise alone seldom fails one. A pass
      does not show that nothing was lost.
    - Error rate: fails where the candidate's, over the shared conditions, is more than one percentage point
      above the reference's: errors are left out of scores and must not hide a drop.
    - Conditions: fails where the candidate lacks conditions that the reference has, or has nothing but
      errors in one where the reference has scores.

    Scores are those of pairs ok in both. Raises NotComparableError where no condition is shared or, on the
    shared ones, sample ids, groups or rows differ; DmsbenchError for a tolerance outside [0, 1]; ValueError
    for invalid records or settings.
    """
    if not 0.0 <= tolerance <= 1.0:
        raise DmsbenchError(f"the tolerance must lie between 0 and 1 (0.02 is two points), not {tolerance}")
    reference, candidate = read_rows(reference_frame), read_rows(candidate_frame)
    shared = sorted(set(reference.conditions) & set(candidate.conditions))
    if not shared:
        raise NotComparableError(
            "the reference and the candidate share no condition: "
            + "; ".join(missing("conditions", reference.conditions, candidate.conditions, _NAMES))
        )
    shared_reference, shared_candidate = reference.restricted_to(shared), candidate.restricted_to(shared)
    pairs = pair_rows(shared_reference, shared_candidate, _NAMES)
    comparison = compare_pairs(pairs, seed=seed, replicates=replicates, alpha=alpha)
    contrasts = [
        contrast
        for contrast in (comparison.clean, comparison.overall, *comparison.corruptions)
        if contrast is not None and contrast.n_pairs
    ]
    if comparison.overall is None or not comparison.overall.n_pairs:
        corrupted = [condition for condition in shared if not condition.is_clean]
        if corrupted and all(_left_out(shared_reference, condition) for condition in corrupted):
            raise NotComparableError(
                "nothing to gate: every sample is left out of every corrupted condition, where its answer "
                "would be wrong; choose other corruptions or name them under include_false"
            )
    scored = _scored(shared_reference)
    unpaired = {pair.condition for pair in comparison.conditions if pair.n_pairs == 0}
    lost = (set(reference.conditions) - set(shared)) | (unpaired & scored)
    absent = tuple(condition for condition in reference.conditions if condition in lost)
    return GateResult(
        checks=(
            *(_score_check(contrast, tolerance) for contrast in contrasts),
            _error_check(comparison),
            _condition_check(len(reference.conditions), absent),
        ),
        missing=absent,
        notes=_notes(comparison, contrasts, reference, candidate, scored, alpha),
        comparison=comparison,
        tolerance=tolerance,
    )


def _left_out(rows: Rows, condition: Condition) -> bool:
    """Whether every row of the condition is left out."""
    return bool(rows.left_out[rows.condition == rows.conditions.index(condition)].all())


def _scored(rows: Rows) -> set[Condition]:
    """The conditions with at least one ok row."""
    return {rows.conditions[i] for i in np.unique(rows.condition[rows.ok])}


def _score_check(contrast: Contrast, tolerance: float) -> GateCheck:
    beyond = -contrast.difference > tolerance + _ROUNDING
    worse = contrast.verdict is Verdict.A_BETTER
    if beyond and worse:
        message = f"dropped by {-contrast.difference:.4f}, more than the tolerance of {tolerance:g}"
    elif beyond:
        message = f"dropped by {-contrast.difference:.4f}, but noise may explain it"
    else:
        message = "within the tolerance"
    return GateCheck(
        name=contrast.name,
        kind=CheckKind.SCORE,
        reference=contrast.a,
        candidate=contrast.b,
        change=contrast.difference,
        tolerance=tolerance,
        passed=not (beyond and worse),
        message=message,
        ci_low=contrast.ci_low,
        ci_high=contrast.ci_high,
        p_value=contrast.p_value,
        p_adjusted=contrast.p_adjusted,
    )


def _error_check(comparison: Comparison) -> GateCheck:
    before, after = comparison.error_rate_a, comparison.error_rate_b
    passed = after - before <= MAX_ERROR_RATE_RISE + _ROUNDING
    return GateCheck(
        name="error rate",
        kind=CheckKind.ERROR_RATE,
        reference=before,
        candidate=after,
        change=after - before,
        tolerance=MAX_ERROR_RATE_RISE,
        passed=passed,
        message="within the tolerance" if passed else f"rose from {before:.2%} to {after:.2%} of the records",
    )


def _condition_check(n_reference: int, absent: tuple[Condition, ...]) -> GateCheck:
    n_candidate = n_reference - len(absent)
    return GateCheck(
        name="conditions",
        kind=CheckKind.CONDITIONS,
        reference=float(n_reference),
        candidate=float(n_candidate),
        change=float(n_candidate - n_reference),
        tolerance=0.0,
        passed=not absent,
        message=f"the candidate has no scores for {len(absent)} of {n_reference} conditions: {listed(absent)}"
        if absent
        else "all there",
    )


def _notes(
    comparison: Comparison,
    contrasts: list[Contrast],
    reference: Rows,
    candidate: Rows,
    scored: set[Condition],
    alpha: float,
) -> tuple[str, ...]:
    notes = []
    extra = [condition for condition in candidate.conditions if condition not in set(reference.conditions)]
    if extra:
        notes.append(f"ignored {len(extra)} conditions that the reference lacks: {listed(extra)}")
    asked = {reference.conditions[i] for i in np.unique(reference.condition[~reference.left_out])}
    unscored = [pair.condition for pair in comparison.conditions if pair.condition in asked - scored]
    if unscored:
        notes.append(f"the reference itself has only errors for: {listed(unscored)}")
    if comparison.n_error_pairs:
        notes.append(
            f"left out {comparison.n_error_pairs} of {comparison.n_error_pairs + comparison.n_pairs} pairs "
            "in which either side is an error"
        )
    if comparison.n_left_out:
        notes.append(
            f"{comparison.n_left_out} pairs were not asked, because the corruption would make the sample's "
            "answer wrong"
        )
    if contrasts and min(contrast.min_p for contrast in contrasts) >= alpha:
        notes.append(
            f"too little data ({comparison.n_groups} groups, {len(contrasts)} checks) for any drop to be "
            "significant: no score could have failed"
        )
    return tuple(notes)
