"""Two models on the same samples: differences with intervals, tests and a plain verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import pandas as pd

from dmsbench.grid import Condition
from dmsbench.scores.bootstrap import check_settings, mean_over_cells, percentile_interval, replicate_means
from dmsbench.scores.holm import holm
from dmsbench.scores.pairing import Pairs, pair_rows
from dmsbench.scores.permutation import sign_flip_tests, smallest_p
from dmsbench.scores.rows import FloatArray, read_rows
from dmsbench.scores.student import t_quantile
from dmsbench.scores.table import ratio

PAIRED_REPLICATES = 10_000


class Verdict(str, Enum):
    """What a contrast shows. ``NO_DIFFERENCE`` means not shown, never "the same"."""

    A_BETTER = "A better"
    B_BETTER = "B better"
    NO_DIFFERENCE = "no significant difference"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Contrast:
    """B against A over a set of conditions, from the pairs that are ok in both; scores in [0, 1].

    Each value is the equal-weight mean over the conditions of the mean score per condition; a condition
    without a single pair is left out. NaN throughout, with ``n_pairs`` 0, where none has one.
    """

    name: str
    """``overall``, ``clean`` or a corruption."""
    a: float
    b: float
    difference: float
    """b − a, in [−1, 1]."""
    ci_low: float
    """Percentile interval of the difference, bootstrap clustered by group; NaN: see ``Estimate``."""
    ci_high: float
    p_value: float
    """Sign-flip test by group: see ``permutation.sign_flip_tests``."""
    p_adjusted: float
    """After Holm over the corruptions; ``overall`` and ``clean`` are one planned test each, unadjusted."""
    min_p: float
    """The smallest ``p_value`` that this many groups and replicates can give: where it is at or above
    alpha, no difference however large could be significant."""
    n_conditions: int
    """Conditions that have pairs."""
    n_pairs: int
    n_groups: int
    """Groups that have pairs."""
    verdict: Verdict
    n_left_out: int = 0
    """Pairs not asked, because the corruption would make their answer wrong."""
    bound: float = float("nan")
    """One-sided lower bound of the difference at level 1 − alpha: the lower of that of the resamples and of
    difference − t·se, since the first is somewhat too high where groups are few or skewed."""
    se: float = float("nan")
    """Standard error of the difference: see ``standard_error``."""
    churn: float = float("nan")
    """Mean of (b − a)² over the pairs, conditions alike: of right-or-wrong scores the share that differ."""


@dataclass(frozen=True, slots=True)
class GroupContrast:
    """B against A over conditions that belong together: values and interval as of a ``Contrast``.

    There is no test: groups overlap with the corruptions that are tested already.
    """

    name: str
    a: float
    b: float
    difference: float
    """b − a, in [−1, 1]."""
    ci_low: float
    ci_high: float
    n_conditions: int
    """Conditions that have pairs."""
    n_left_out: int = 0


@dataclass(frozen=True, slots=True)
class ConditionPair:
    """One cell, for tables and plots: values without a test. NaN where it has no pair."""

    condition: Condition
    a: float
    b: float
    difference: float
    n_pairs: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A on one grid."""

    overall: Contrast | None
    """All corrupted conditions, equal weight each; None where the grid has none."""
    clean: Contrast | None
    """None where the grid lacks the clean condition."""
    corruptions: tuple[Contrast, ...]
    """By name."""
    conditions: tuple[ConditionPair, ...]
    """Sorted, clean among them."""
    n_samples: int
    n_groups: int
    n_pairs: int
    n_error_pairs: int
    """(sample, condition) pairs that are an error in A, in B or in both: in no number here."""
    n_left_out: int
    """Pairs left out of both, because the corruption would make the sample's answer wrong: in no number."""
    n_errors_a: int
    n_errors_b: int
    alpha: float
    level: float
    """Of the intervals: 1 − alpha."""
    replicates: int
    seed: int
    families: tuple[Contrast, ...] = ()
    """Of the sets of conditions that were asked for besides; ``p_adjusted`` is NaN, no verdict is given."""

    @property
    def error_rate_a(self) -> float:
        return self.n_errors_a / max(1, self.n_pairs + self.n_error_pairs)

    @property
    def error_rate_b(self) -> float:
        return self.n_errors_b / max(1, self.n_pairs + self.n_error_pairs)


def compare(
    a_frame: pd.DataFrame,
    b_frame: pd.DataFrame,
    *,
    seed: int = 0,
    replicates: int = PAIRED_REPLICATES,
    alpha: float = 0.05,
) -> Comparison:
    """Compare two models' records, paired by sample id and condition; difference = B − A.

    A verdict names a better model only where the Holm-adjusted p lies below ``alpha`` and the (1 − alpha)
    interval excludes 0; both, since each alone errs in some way (the percentile interval is short for few
    groups, the test assumes exchangeability). "No significant difference" does not show that the models
    are alike: read the interval for how large a difference the data leave open.

    The same records (in any order) and seed give the same result. Raises NotComparableError where
    conditions, sample ids, groups or rows differ, ValueError on invalid records or settings.
    """
    pairs = pair_rows(read_rows(a_frame), read_rows(b_frame))
    return compare_pairs(pairs, seed=seed, replicates=replicates, alpha=alpha)


def compare_pairs(
    pairs: Pairs,
    *,
    seed: int = 0,
    replicates: int = PAIRED_REPLICATES,
    alpha: float = 0.05,
    families: Mapping[str, Sequence[Condition]] | None = None,
    sign_patterns: int | None = None,
) -> Comparison:
    """As ``compare``, from paired score sums.

    ``families`` are tested besides, without a correction, and change no other number. ``sign_patterns`` of
    the test where they are to be other than ``replicates``.
    """
    level = 1.0 - alpha
    flips = replicates if sign_patterns is None else sign_patterns
    sets = _condition_sets(pairs.conditions)
    place = {condition: i for i, condition in enumerate(pairs.conditions)}
    for name, own in (families or {}).items():
        sets["family", name] = [place[condition] for condition in own]
    n_pairs = pairs.counts.sum(axis=0)
    cells, boot = _cells_and_replicates(pairs, replicates=replicates, level=level, seed=seed)
    added = np.column_stack(
        [np.empty((len(pairs.groups), 0)), *(contributions(pairs, members) for members in sets.values())]
    )
    p_values = sign_flip_tests(added, replicates=flips, seed=(seed, 1))
    contrasts = {
        name: _contrast(name, members, pairs, cells, boot, float(p_value), flips, level)
        for (name, members), p_value in zip(sets.items(), p_values, strict=True)
    }
    family = [contrast for (kind, _), contrast in contrasts.items() if kind == "corruption"]
    adjusted = holm([contrast.p_value for contrast in family])
    planned = {
        kind: _judged(contrast, contrast.p_value, alpha)
        for (kind, _), contrast in contrasts.items()
        if kind in ("overall", "clean")
    }
    return Comparison(
        overall=planned.get("overall"),
        clean=planned.get("clean"),
        corruptions=tuple(_judged(c, float(p), alpha) for c, p in zip(family, adjusted, strict=True)),
        conditions=tuple(
            ConditionPair(condition, float(a), float(b), float(difference), int(n))
            for condition, (a, b, difference), n in zip(pairs.conditions, cells.T, n_pairs, strict=True)
        ),
        n_samples=pairs.n_samples,
        n_groups=len(pairs.groups),
        n_pairs=pairs.n_pairs,
        n_error_pairs=pairs.n_error_pairs,
        n_left_out=int(pairs.n_left_out.sum()),
        n_errors_a=pairs.n_errors_a,
        n_errors_b=pairs.n_errors_b,
        alpha=alpha,
        level=level,
        replicates=replicates,
        seed=seed,
        families=tuple(contrast for (kind, _), contrast in contrasts.items() if kind == "family"),
    )


def group_contrasts(
    pairs: Pairs,
    groups: Mapping[str, Sequence[Condition]],
    *,
    seed: int = 0,
    replicates: int = PAIRED_REPLICATES,
    alpha: float = 0.05,
) -> tuple[GroupContrast, ...]:
    """B against A over each group of conditions, from the resamples of ``compare_pairs`` with this seed.

    Raises ValueError on invalid settings, KeyError for a condition that the pairs do not have.
    """
    level = 1.0 - alpha
    cells, boot = _cells_and_replicates(pairs, replicates=replicates, level=level, seed=seed)
    position = {condition: i for i, condition in enumerate(pairs.conditions)}
    found = []
    for name, conditions in groups.items():
        members = [position[condition] for condition in conditions]
        found.append(
            GroupContrast(
                name,
                *_means(members, cells),
                *_interval(members, pairs, boot, level),
                n_conditions=int(np.count_nonzero(pairs.counts[:, members].sum(axis=0))),
                n_left_out=int(pairs.n_left_out[members].sum()),
            )
        )
    return tuple(found)


def verdict(ci_low: float, ci_high: float, p_adjusted: float, alpha: float) -> Verdict:
    """The rule of ``compare``; anything NaN shows nothing."""
    if p_adjusted < alpha and ci_low > 0.0:
        return Verdict.B_BETTER
    if p_adjusted < alpha and ci_high < 0.0:
        return Verdict.A_BETTER
    return Verdict.NO_DIFFERENCE


def _condition_sets(conditions: tuple[Condition, ...]) -> dict[tuple[str, str], list[int]]:
    """The contrasts of a grid, by (kind, name): positions of their conditions."""
    sets: dict[tuple[str, str], list[int]] = {}
    for i, condition in enumerate(conditions):
        if condition.is_clean:
            sets["clean", "clean"] = [i]
        else:
            sets.setdefault(("overall", "overall"), []).append(i)
            sets.setdefault(("corruption", condition.corruption), []).append(i)
    return dict(sorted(sets.items()))


def _cells_and_replicates(
    pairs: Pairs, *, replicates: int, level: float, seed: int
) -> tuple[FloatArray, FloatArray]:
    """(3, C) means of A, of B and of their difference, and (B, C) replicates of the difference."""
    check_settings(replicates=replicates, level=level)
    totals = pairs.counts.sum(axis=0)
    sums = (pairs.a_sums, pairs.b_sums, pairs.differences)
    cells = np.stack([ratio(one.sum(axis=0), totals) for one in sums])
    return cells, replicate_means(pairs.differences, pairs.counts, replicates=replicates, seed=(seed, 0))


def _means(members: list[int], cells: FloatArray) -> tuple[float, float, float]:
    a, b, difference = (float(x) for x in mean_over_cells(cells[:, members]))
    return a, b, difference


def _interval(members: list[int], pairs: Pairs, boot: FloatArray, level: float) -> tuple[float, float]:
    return _interval_and_bound(members, pairs, boot, level)[:2]


def _interval_and_bound(
    members: list[int], pairs: Pairs, boot: FloatArray, level: float
) -> tuple[float, float, float]:
    """Both ends of the interval, and the lower end of one that has its whole error below."""
    if not pairs.counts[:, members].any():
        return float("nan"), float("nan"), float("nan")
    if not pairs.differences[:, members].any():
        return 0.0, 0.0, 0.0
    means = mean_over_cells(boot[:, members])
    return *percentile_interval(means, level), percentile_interval(means, 2.0 * level - 1.0)[0]


def contributions(pairs: Pairs, members: list[int]) -> FloatArray:
    """(G,): what each group adds to the difference over the conditions at the positions ``members``."""
    totals = pairs.counts[:, members].sum(axis=0)
    scored = np.count_nonzero(totals)
    if not scored:
        return np.zeros(len(pairs.groups))
    weights = ratio(np.ones(len(members)), totals * scored)
    return pairs.differences[:, members] @ np.nan_to_num(weights)


def _contrast(
    key: tuple[str, str],
    members: list[int],
    pairs: Pairs,
    cells: FloatArray,
    boot: FloatArray,
    p_value: float,
    replicates: int,
    level: float,
) -> Contrast:
    counts = pairs.counts[:, members]
    n_pairs, n_groups = int(counts.sum()), int(np.count_nonzero(counts.sum(axis=1)))
    a, b, difference = _means(members, cells)
    low, high, bound = _interval_and_bound(members, pairs, boot, level)
    se = standard_error(pairs.differences[:, members], counts)
    if n_groups >= 2:
        bound = min(bound, difference - t_quantile(level, n_groups - 1) * se)
    return Contrast(
        name=key[1],
        a=a,
        b=b,
        difference=difference,
        ci_low=low,
        ci_high=high,
        p_value=p_value if n_pairs else float("nan"),
        p_adjusted=float("nan"),
        min_p=smallest_p(n_groups, replicates),
        n_conditions=int(np.count_nonzero(counts.sum(axis=0))),
        n_pairs=n_pairs,
        n_groups=n_groups,
        verdict=Verdict.NO_DIFFERENCE,
        n_left_out=int(pairs.n_left_out[members].sum()),
        bound=bound,
        se=se,
        churn=float(mean_over_cells(ratio(pairs.squares[members], counts.sum(axis=0))[None])[0]),
    )


def standard_error(sums: FloatArray, counts: FloatArray) -> float:
    """Of the equal-weight mean over conditions of (G, C) sums over counts; NaN for fewer than 2 groups.

    Linearised, clustered by group: √(G/(G−1) · Σ v[g]²), v[g] what group g adds to the mean beyond its share
    of the conditions' means (Cochran, "Sampling Techniques", 3rd ed. (1977), §6 and §9: ratios and clusters).
    """
    totals = counts.sum(axis=0)
    groups = int(np.count_nonzero(counts.sum(axis=1)))
    if groups < 2:
        return float("nan")
    means = np.nan_to_num(ratio(sums.sum(axis=0), totals))
    weights = np.nan_to_num(ratio(np.ones(len(totals)), totals * np.count_nonzero(totals)))
    added = (sums - counts * means) @ weights
    return float(np.sqrt(groups / (groups - 1) * np.square(added).sum()))


def _judged(contrast: Contrast, p_adjusted: float, alpha: float) -> Contrast:
    outcome = verdict(contrast.ci_low, contrast.ci_high, p_adjusted, alpha)
    return replace(contrast, p_adjusted=p_adjusted, verdict=outcome)
