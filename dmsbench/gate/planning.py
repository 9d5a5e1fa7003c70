"""How much data a gate needs to see a drop: planned from two runs, from one, or from assumptions alone.

What counts is the variance of the change, clustered by image. Two runs show it. One run shows how alike the
answers about one image are, as the design effect of its own scores: taken for that of a change it is rather
too large, since what makes an image hard for both runs is no change. Without a run a correlation between any
two answers about one image is assumed (Kish: the design effect is 1 + (answers an image − 1)·correlation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dmsbench.gate.config import GateConfig, Part, Planned, Rule, plan
from dmsbench.gate.power import Demand, groups_at_least, groups_more, pairs_needed
from dmsbench.gate.rules import weights
from dmsbench.grid import Condition
from dmsbench.scores.paired import Contrast, compare_pairs, standard_error
from dmsbench.scores.pairing import pair_rows
from dmsbench.scores.rows import FloatArray, Rows
from dmsbench.scores.table import ScoreTable, ratio

ALPHA = 0.05
CHURNS = (0.02, 0.05, 0.1, 0.2)
#: Of an answer with any other about the same image, where nothing is known. On easy-VQA the shipped
#: model's own scores show 0.02 (all conditions) to 0.09 (within a corruption).
CORRELATION = 0.05
#: Of a gate's tests, when ``evaluate`` is left as it is: intervals are not needed here.
_FEW_REPLICATES = 100


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of check: how many conditions it looks at, how alike its answers are, what it is given."""

    name: str
    """``overall``, ``clean`` or ``a corruption``."""
    conditions: float
    effect: float
    """Design effect of a change; of corruptions the largest."""
    weight: float
    churn: float | None = None
    """As observed between two runs."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan rests on."""

    kinds: tuple[Kind, ...]
    samples: int
    images: int
    says: str
    """Where the variance is from, in a sentence."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one check needs to see one drop."""

    check: str
    drop: float
    churn: float
    observed: bool
    """Whether the churn is that of two runs."""
    samples: float
    """Infinite where no number of them does."""
    images: float
    enough: bool
    """Whether the data at hand are as many."""


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """The answers, for a rule, a tolerance and a power."""

    basis: Basis
    rule: Rule
    tolerance: float
    power: float
    drop: float
    needs: tuple[Need, ...]
    smallest: dict[tuple[str, float], float] = field(default_factory=dict)
    """By check and churn: the smallest drop that the data at hand show."""


def plan_power(
    basis: Basis, drop: float, *, rule: Rule = Rule.REGRESSION, tolerance: float = 0.0, power: float = 0.9
) -> PowerPlan:
    """Over half the drop, the drop and twice it, and over churns.

    Raises ValueError unless 0 < drop ≤ 1, 0 ≤ tolerance ≤ 1 and 0.5 ≤ power < 1.
    """
    if not 0.0 < drop <= 1.0:
        raise ValueError(f"the drop must lie above 0, at most 1 (0.02 is two points), not {drop}")
    if not 0.0 <= tolerance <= 1.0:
        raise ValueError(f"the tolerance must lie between 0 and 1 (0.02 is two points), not {tolerance}")
    if not 0.5 <= power < 1.0:
        raise ValueError(f"the power must be at least 0.5 and below 1, not {power}")
    needs: list[Need] = []
    smallest: dict[tuple[str, float], float] = {}
    per_image = basis.samples / basis.images
    for kind in basis.kinds:
        demand = Demand(rule, tolerance, ALPHA, kind.weight)
        seen = [] if kind.churn is None or kind.churn <= 0.0 else [(kind.churn, True)]
        for churn, observed in [*seen, *((churn, False) for churn in CHURNS)]:
            for one in dict.fromkeys((drop / 2.0, drop, min(1.0, 2.0 * drop))):
                samples = _samples(kind, demand, one, churn, power, per_image)
                needs.append(
                    Need(
                        check=kind.name,
                        drop=one,
                        churn=churn,
                        observed=observed,
                        samples=samples,
                        images=samples / per_image if math.isinf(samples) else math.ceil(samples / per_image),
                        enough=samples <= basis.samples,
                    )
                )
            smallest[kind.name, churn] = _smallest(kind, demand, churn, power, basis)
    return PowerPlan(basis, rule, tolerance, power, drop, tuple(needs), smallest)


def _samples(kind: Kind, demand: Demand, drop: float, churn: float, power: float, per_image: float) -> float:
    pairs = pairs_needed(demand, drop, churn, kind.effect, power)
    if math.isinf(pairs):
        return pairs
    # With fewer images no test is significant, whatever they show.
    needed = pairs / kind.conditions + groups_more(demand) * per_image
    return float(math.ceil(max(needed, groups_at_least(demand) * per_image)))


def _smallest(kind: Kind, demand: Demand, churn: float, power: float, basis: Basis) -> float:
    per_image = basis.samples / basis.images
    low, high = 0.0, 1.0
    if _samples(kind, demand, high, churn, power, per_image) > basis.samples:
        return math.inf
    for _ in range(40):
        middle = (low + high) / 2.0
        fits = _samples(kind, demand, middle, churn, power, per_image) <= basis.samples
        low, high = (low, middle) if fits else (middle, high)
    return high


def from_assumption(
    conditions: Sequence[Condition], samples: int, images: int, correlation: float = CORRELATION
) -> Basis:
    """Without any run. Raises ValueError for a correlation outside [0, 1]."""
    if not 0.0 <= correlation <= 1.0:
        raise ValueError(f"the correlation must lie between 0 and 1, not {correlation}")
    per_image = samples / images
    kinds = [
        Kind(name, size, 1.0 + max(0.0, per_image * size - 1.0) * correlation, weight)
        for name, size, weight in _kinds(conditions)
    ]
    says = (
        f"assumed: answers about one image correlate by {correlation:g}, under all conditions; a reference's "
        "records say better (--reference)"
    )
    return Basis(tuple(kinds), samples, images, says)


def from_reference(rows: Rows) -> Basis:
    """From one run: the design effect of its own scores. Rows that are not ok count for nothing."""
    table = ScoreTable.from_rows(rows)
    totals = table.counts.sum(axis=0)
    squares: FloatArray = np.bincount(
        rows.condition[rows.ok], weights=np.square(rows.score[rows.ok]), minlength=len(rows.conditions)
    ).astype(np.float64)
    means = np.nan_to_num(ratio(table.sums.sum(axis=0), totals))
    variances = np.maximum(0.0, np.nan_to_num(ratio(squares, totals)) - means**2)

    def effect(members: list[int]) -> float:
        held = [i for i in members if totals[i] > 0]
        independent = float((variances[held] / totals[held]).sum()) / max(1, len(held)) ** 2
        se = standard_error(table.sums[:, held], table.counts[:, held])
        return se * se / independent if independent > 0.0 and not math.isnan(se) else math.nan

    kinds = [
        Kind(name, size, _largest([effect(members) for members in sets]), weight)
        for (name, size, weight), sets in zip(_kinds(rows.conditions), _members(rows.conditions), strict=True)
    ]
    says = (
        "the design effect is that of the reference's own scores, clustered by image: for a change rather "
        "too large; the churn is yours to choose (two runs show it: --candidate)"
    )
    return Basis(tuple(kinds), len(rows.samples), len(rows.groups), says)


def from_pair(reference: Rows, candidate: Rows) -> Basis:
    """From two runs: the variance and the churn of the change between them.

    Raises NotComparableError where they cannot be paired.
    """
    pairs = pair_rows(reference, candidate, ("the reference", "the candidate"))
    found = compare_pairs(pairs, replicates=_FEW_REPLICATES)
    contrasts: list[list[Contrast]] = [
        [one] if one is not None else [] for one in (found.overall, found.clean)
    ]
    groups = [group for group in (*contrasts, list(found.corruptions)) if group]
    kinds = []
    alone = from_reference(reference).kinds
    for (name, size, weight), group, own in zip(_kinds(pairs.conditions), groups, alone, strict=True):
        # Of several corruptions the one whose change varies most: what suffices for it does for all.
        most = max(group, key=lambda one: -1.0 if math.isnan(one.se) else one.se)
        effect = _effect(most)
        kinds.append(Kind(name, size, own.effect if math.isnan(effect) else effect, weight, most.churn))
    says = "churn and design effect are those of the change between the two runs, clustered by image"
    if not any(kind.churn for kind in kinds):
        says = (
            "not one answer differs between the two runs: the design effect is that of the reference's own "
            "scores, the churn is yours to choose"
        )
    return Basis(tuple(kinds), len(reference.samples), len(reference.groups), says)


def _effect(contrast: Contrast) -> float:
    spread = contrast.churn - contrast.difference**2
    if not spread > 0.0 or math.isnan(contrast.se):
        return math.nan
    return contrast.se**2 * contrast.n_pairs / spread


def _largest(effects: Sequence[float]) -> float:
    known = [one for one in effects if not math.isnan(one)]
    return max(1.0, *known) if known else 1.0


def _planned(conditions: Sequence[Condition]) -> list[Planned]:
    return list(plan(GateConfig(), "score", conditions, conditions))


def _kinds(conditions: Sequence[Condition]) -> list[tuple[str, float, float]]:
    """Name, number of conditions and share of the error, of the kinds of checks of a default gate."""
    planned = _planned(conditions)
    shares = dict(zip([(one.part, one.name) for one in planned], weights(planned), strict=True))
    corrupted = [condition for condition in conditions if not condition.is_clean]
    names = sorted({condition.corruption for condition in corrupted})
    found = []
    if corrupted:
        found.append(("overall", float(len(corrupted)), shares[Part.OVERALL, "overall"]))
    if len(corrupted) < len(conditions):
        found.append(("clean", 1.0, shares[Part.CLEAN, "clean"]))
    if names:
        share = shares[Part.CORRUPTION, names[0]]
        found.append(("a corruption", len(corrupted) / len(names), share))
    return found


def _members(conditions: Sequence[Condition]) -> list[list[list[int]]]:
    """Positions of the conditions of every check of a kind, in the order of ``_kinds``."""
    by_name: dict[str, list[int]] = {}
    for i, condition in enumerate(conditions):
        by_name.setdefault(condition.corruption, []).append(i)
    clean = by_name.pop("clean", None)
    corrupted = sorted(i for members in by_name.values() for i in members)
    found: list[list[list[int]]] = [[corrupted]] if corrupted else []
    if clean is not None:
        found.append([clean])
    if by_name:
        found.append(list(by_name.values()))
    return found
