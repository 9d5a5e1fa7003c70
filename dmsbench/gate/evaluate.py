"""The robustness gate: does a candidate score worse than a reference by more than it may?

Built on the paired comparison: the same pairs, intervals and tests, with A the reference and B the candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dmsbench.errors import NotComparableError
from dmsbench.families import by_family
from dmsbench.gate.checks import CheckKind, FlipCount, GateCheck, GateResult
from dmsbench.gate.config import GateConfig, Part, Planned, Rule, plan
from dmsbench.gate.limits import Timing, limit_checks
from dmsbench.gate.power import Demand, detectable
from dmsbench.gate.rules import ROUNDING, not_shown_as_good, regressed, sign_patterns, weights
from dmsbench.grid import Condition
from dmsbench.scores.holm import holm
from dmsbench.scores.paired import PAIRED_REPLICATES, Comparison, Contrast, compare_pairs
from dmsbench.scores.pairing import Pairs, listed, missing, pair_rows
from dmsbench.scores.rows import Rows, read_rows

_NAMES = ("the reference", "the candidate")
#: From this score on an answer counts as right where answers are told apart in right and wrong.
RIGHT = 0.5

Frames = tuple[pd.DataFrame, pd.DataFrame]


def evaluate(
    reference_frame: pd.DataFrame,
    candidate_frame: pd.DataFrame,
    *,
    tolerance: float | None = None,
    config: GateConfig | None = None,
    score: str = "score",
    others: Mapping[str, Frames] | None = None,
    timing: Timing | None = None,
    seed: int = 0,
    alpha: float = 0.05,
    replicates: int = PAIRED_REPLICATES,
) -> GateResult:
    """Gate a candidate's records against a reference's, paired by sample id and condition.

    - Scores: overall (all corrupted conditions, equal weight), clean, each corruption, and families where
      ``config`` asks for them. Under the rule ``regression`` a check fails iff the drop is larger than its
      tolerance (in score units: 0.02 is two points) and significant: the (1 − alpha) interval of the change,
      clustered by group, lies below 0 and its sign-flip p-value, corrected after Holm over all these checks,
      lies below ``alpha``. The chance that noise alone fails any of them is at most ``alpha``. The error is
      shared out first by kind (``rules.weights``), so that overall and clean, one question each, are
      corrected for four at most. A pass does not show that nothing was lost.
      Under ``non-inferiority`` a check fails unless the one-sided (1 − alpha) lower bound of the change lies
      above −tolerance: a pass shows, at that level, that no more was lost. Since a gate passes only where
      every check does, the chance to pass a model that lost more somewhere is at most ``alpha`` without a
      correction: the intersection–union test (Berger, Technometrics 24 (1982)).
    - Floors: fails where the candidate's score, over the pairs, lies below.
    - Limits: see ``limits.limit_checks``.

    ``others`` has frames of the same records under further scores, by name; ``tolerance`` replaces the
    configuration's general one. Scores are those of pairs ok in both. Raises NotComparableError where no
    condition is shared or, on the shared ones, sample ids, groups or rows differ; DmsbenchError for a
    tolerance outside [0, 1] and a configuration that names what is not there; ValueError for invalid records
    or settings.
    """
    config = GateConfig() if config is None else config
    if tolerance is not None:
        config = config.with_tolerance(tolerance)
    reference, candidate = read_rows(reference_frame), read_rows(candidate_frame)
    shared = _shared(reference, candidate)
    shared_reference, shared_candidate = reference.restricted_to(shared), candidate.restricted_to(shared)
    pairs = {score: pair_rows(shared_reference, shared_candidate, _NAMES)}
    for name, (first, second) in (others or {}).items():
        pairs[name] = pair_rows(
            read_rows(first).restricted_to(shared), read_rows(second).restricted_to(shared), _NAMES
        )
    planned = [one for name in pairs for one in plan(config, name, shared, reference.conditions)]
    families = {
        name: tuple(one.name for one in planned if one.score == name and one.part is Part.FAMILY)
        for name in pairs
    }
    comparisons: dict[str, Comparison] = {}
    flips = sign_patterns(weights(planned), replicates, alpha)
    for name, own in pairs.items():
        comparisons[name] = _compared(own, families[name], seed, replicates, alpha, flips)
    comparison = comparisons[score]
    checked = [
        (one, contrast)
        for one in planned
        if (contrast := _contrast(comparisons[one.score], one)) is not None and contrast.n_pairs
    ]
    if comparison.overall is None or not comparison.overall.n_pairs:
        corrupted = [condition for condition in shared if not condition.is_clean]
        if corrupted and all(_left_out(shared_reference, condition) for condition in corrupted):
            raise NotComparableError(
                "nothing to gate: every sample is left out of every corrupted condition, where its answer "
                "would be wrong; choose other corruptions or name them under include_false"
            )
    shares = weights([one for one, _ in checked])
    scored = _scored(shared_reference)
    unpaired = {pair.condition for pair in comparison.conditions if pair.n_pairs == 0}
    lost = (set(reference.conditions) - set(shared)) | (unpaired & scored)
    absent = tuple(condition for condition in reference.conditions if condition in lost)
    limits, timing_notes = limit_checks(config.limits, comparison, len(reference.conditions), absent, timing)
    return GateResult(
        checks=(
            *_score_checks(checked, shares, alpha, flips),
            *(_floor_check(one, contrast) for one, contrast in checked if one.floor is not None),
            *limits,
        ),
        missing=absent,
        notes=(
            *_notes(comparison, checked, shares, reference, candidate, scored, alpha),
            *timing_notes,
        ),
        comparison=comparison,
        tolerance=config.tolerance,
        config=config,
        score=score,
        comparisons=comparisons,
        flips=_flips(shared_reference, shared_candidate, comparison),
    )


def _shared(reference: Rows, candidate: Rows) -> list[Condition]:
    shared = sorted(set(reference.conditions) & set(candidate.conditions))
    if not shared:
        raise NotComparableError(
            "the reference and the candidate share no condition: "
            + "; ".join(missing("conditions", reference.conditions, candidate.conditions, _NAMES))
        )
    return shared


def _compared(
    pairs: Pairs, families: Sequence[str], seed: int, replicates: int, alpha: float, flips: int
) -> Comparison:
    members = by_family(pairs.conditions) if families else {}
    return compare_pairs(
        pairs,
        seed=seed,
        replicates=replicates,
        alpha=alpha,
        families={name: members[name] for name in families},
        sign_patterns=flips,
    )


def _contrast(comparison: Comparison, planned: Planned) -> Contrast | None:
    if planned.part is Part.OVERALL:
        return comparison.overall
    if planned.part is Part.CLEAN:
        return comparison.clean
    among = comparison.families if planned.part is Part.FAMILY else comparison.corruptions
    return next((contrast for contrast in among if contrast.name == planned.name), None)


def _left_out(rows: Rows, condition: Condition) -> bool:
    """Whether every row of the condition is left out."""
    return bool(rows.left_out[rows.condition == rows.conditions.index(condition)].all())


def _scored(rows: Rows) -> set[Condition]:
    """The conditions with at least one ok row."""
    return {rows.conditions[i] for i in np.unique(rows.condition[rows.ok])}


def _score_checks(
    checked: Sequence[tuple[Planned, Contrast]], shares: Sequence[float], alpha: float, flips: int
) -> list[GateCheck]:
    tested = [i for i, (one, _) in enumerate(checked) if one.rule is Rule.REGRESSION]
    adjusted = np.full(len(checked), np.nan)
    if tested:
        adjusted[tested] = holm([checked[i][1].p_value for i in tested], [shares[i] for i in tested])
    return [
        _score_check(one, contrast, share, float(p), alpha, flips)
        for (one, contrast), share, p in zip(checked, shares, adjusted, strict=True)
    ]


def _score_check(
    planned: Planned, contrast: Contrast, share: float, p_adjusted: float, alpha: float, flips: int
) -> GateCheck:
    if planned.rule is Rule.REGRESSION:
        failed = bool(regressed(contrast.difference, contrast.ci_high, p_adjusted, planned.tolerance, alpha))
        message = _regression_message(planned, contrast, failed)
    else:
        failed = bool(not_shown_as_good(contrast.bound, planned.tolerance))
        message = _inferiority_message(planned, contrast, failed, alpha)
    demand = Demand(planned.rule, planned.tolerance, alpha, share)
    eighty, ninety = (
        detectable(demand, contrast.se, contrast.churn, contrast.n_groups, power, flips)
        for power in (0.8, 0.9)
    )
    return GateCheck(
        name=planned.name,
        kind=CheckKind.SCORE,
        reference=contrast.a,
        candidate=contrast.b,
        change=contrast.difference,
        tolerance=planned.tolerance,
        passed=not failed,
        message=message,
        ci_low=contrast.ci_low,
        ci_high=contrast.ci_high,
        p_value=contrast.p_value,
        p_adjusted=p_adjusted,
        score=planned.score,
        part=planned.part,
        rule=planned.rule,
        bound=contrast.bound,
        detectable_80=eighty,
        detectable_90=ninety,
    )


def _regression_message(planned: Planned, contrast: Contrast, failed: bool) -> str:
    drop = f"dropped by {-contrast.difference:.4f}"
    if failed:
        return f"{drop}, more than the tolerance of {planned.tolerance:g}, and noise does not explain it"
    if -contrast.difference > planned.tolerance + ROUNDING:
        return f"{drop}, but noise may explain it"
    return "within the tolerance"


def _inferiority_message(planned: Planned, contrast: Contrast, failed: bool, alpha: float) -> str:
    level = f"{100.0 * (1.0 - alpha):g} %"
    if np.isnan(contrast.bound):
        return f"too little data to show that no more than the tolerance of {planned.tolerance:g} was lost"
    most = max(0.0, -contrast.bound)
    if failed:
        return f"may have dropped by up to {most:.4f} ({level} sure): the tolerance is {planned.tolerance:g}"
    return f"dropped by {most:.4f} at most ({level} sure), less than the tolerance of {planned.tolerance:g}"


def _floor_check(planned: Planned, contrast: Contrast) -> GateCheck:
    floor = 0.0 if planned.floor is None else planned.floor
    passed = contrast.b >= floor - ROUNDING
    return GateCheck(
        name=planned.name,
        kind=CheckKind.FLOOR,
        reference=contrast.a,
        candidate=contrast.b,
        change=contrast.difference,
        tolerance=floor,
        passed=passed,
        message=f"{'at or above' if passed else f'{contrast.b:.4f} lies below'} the floor of {floor:g}",
        score=planned.score,
        part=planned.part,
    )


def _flips(reference: Rows, candidate: Rows, comparison: Comparison) -> tuple[FlipCount, ...]:
    """Rows stand side by side: the pairing has checked it."""
    both = reference.ok & candidate.ok
    was, now = reference.score >= RIGHT, candidate.score >= RIGHT
    n = len(reference.conditions)
    lost = np.bincount(reference.condition[both & was & ~now], minlength=n)
    gained = np.bincount(reference.condition[both & ~was & now], minlength=n)
    counts = [
        FlipCount(pair.condition, int(down), int(up), pair.difference)
        for pair, down, up in zip(comparison.conditions, lost, gained, strict=True)
    ]
    return tuple(sorted(counts, key=lambda one: (np.nan_to_num(one.change, nan=np.inf), one.condition)))


def _notes(
    comparison: Comparison,
    checked: Sequence[tuple[Planned, Contrast]],
    shares: Sequence[float],
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
    if not checked:
        notes.append("no check of a score was made: there are none that the configuration asks for")
    tested = [
        contrast.min_p / share
        for (one, contrast), share in zip(checked, shares, strict=True)
        if one.rule is Rule.REGRESSION
    ]
    if tested and min(tested) >= alpha:
        notes.append(
            f"too little data ({comparison.n_groups} groups, {len(tested)} checks) for any drop to be "
            "significant: no score could have failed"
        )
    elif tested and max(tested) >= alpha:
        blind = sum(one >= alpha for one in tested)
        notes.append(
            f"too little data for {blind} of {len(tested)} checks of scores: no drop there could have failed "
            "by itself"
        )
    return tuple(notes)
