"""Rank ranges: the places that each of several models may hold, from paired comparisons of all of them.

A model's range runs from 1 + the number of models shown to be better to n − the number shown to be worse.
Where all pairs are judged at once so that the chance of any wrong judgement is at most α, all the ranges
hold the models' true ranks together with probability 1 − α or more: Mogstad, Romano, Shaikh & Wilhelm,
"Inference for Ranks with Applications to Mobility across Neighbourhoods and Academic Achievement across
Countries", Review of Economic Studies 91 (2024), whose ranks of all populations rest on differences of all
pairs as here. Their differences are of independent samples or one sample's means; ours are paired by sample
and resampled by group.

A pair is judged as ``dmsbench compare`` judges one (``paired.verdict``): Holm's p, here over all pairs of
the models, below α and the pair's own interval off 0. Holm bounds the chance of any difference found where
there is none; that it also bounds that of one found the wrong way round is proven for single steps, which
give at least as wide ranges, and not for every dependence between the pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from dmsbench.scores.holm import holm
from dmsbench.scores.paired import (
    PAIRED_REPLICATES,
    Verdict,
    compare_pairs,
    contributions,
    verdict,
)
from dmsbench.scores.pairing import Pairs, pair_rows
from dmsbench.scores.permutation import sign_flip_tests, smallest_p
from dmsbench.scores.rows import BoolArray, Rows

NAN = float("nan")
ALPHA = 0.05
_RESOLUTION = 10
"""The smallest p of a test is so many times smaller than what Holm's first step asks for, or the number of
models alone would hide every difference."""


@dataclass(frozen=True, slots=True)
class RankRange:
    """Ranks from ``low`` to ``high``, 1 is best; both are possible."""

    low: int
    high: int

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}–{self.high}"


@dataclass(frozen=True, slots=True)
class PairDifference:
    """Models ``a`` and ``b`` by name, over all corrupted conditions; scores are shares in [0, 1].

    As ``paired.Contrast``: of the rows that are ok in both, NaN where there are none.
    """

    a: str
    b: str
    difference: float
    """b − a, in [−1, 1]."""
    ci_low: float
    """The pair's own interval, not widened for there being several pairs."""
    ci_high: float
    p_value: float
    min_p: float
    """The smallest p that so many groups and replicates can give."""
    p_adjusted: float = NAN
    """After Holm over all pairs: see ``judged``."""
    verdict: Verdict = Verdict.NO_DIFFERENCE

    @property
    def winner(self) -> str | None:
        """The better model; None where no difference is shown."""
        return {Verdict.A_BETTER: self.a, Verdict.B_BETTER: self.b}.get(self.verdict)

    @property
    def loser(self) -> str | None:
        return {Verdict.A_BETTER: self.b, Verdict.B_BETTER: self.a}.get(self.verdict)


def differences(
    rows: Mapping[str, Rows], *, seed: int = 0, replicates: int | None = None, alpha: float = ALPHA
) -> tuple[PairDifference, ...]:
    """Every pair of the models, in their order, ``a`` before ``b``; not yet ``judged``.

    ``replicates``: by default those of ``compare``, for the tests of many models more (``enough``). Raises
    NotComparableError where two have not the same rows.
    """
    names = list(combinations(rows, 2))
    own = PAIRED_REPLICATES if replicates is None else replicates
    tests = enough(len(names), alpha) if replicates is None else replicates
    return tuple(
        _difference(a, b, pair_rows(rows[a], rows[b], (a, b)), seed, own, tests, alpha) for a, b in names
    )


def enough(n_pairs: int, alpha: float = ALPHA) -> int:
    """Replicates that the tests of so many pairs need."""
    return max(PAIRED_REPLICATES, math.ceil(_RESOLUTION * n_pairs / alpha))


def _difference(
    a: str, b: str, pairs: Pairs, seed: int, replicates: int, tests: int, alpha: float
) -> PairDifference:
    found = compare_pairs(pairs, seed=seed, replicates=replicates, alpha=alpha).overall
    if found is None:
        return PairDifference(a, b, NAN, NAN, NAN, NAN, NAN)
    p_value, min_p = found.p_value, found.min_p
    if tests != replicates and found.n_pairs:
        members = [i for i, condition in enumerate(pairs.conditions) if not condition.is_clean]
        added = contributions(pairs, members)[:, None]
        p_value = float(sign_flip_tests(added, replicates=tests, seed=(seed, 1))[0])
        min_p = smallest_p(found.n_groups, tests)
    return PairDifference(a, b, found.difference, found.ci_low, found.ci_high, p_value, min_p)


def judged(pairs: Sequence[PairDifference], alpha: float = ALPHA) -> tuple[PairDifference, ...]:
    """The pairs with Holm's p over all of them, and what that shows."""
    adjusted = holm([pair.p_value for pair in pairs]) if pairs else ()
    return tuple(
        replace(pair, p_adjusted=float(p), verdict=verdict(pair.ci_low, pair.ci_high, float(p), alpha))
        for pair, p in zip(pairs, adjusted, strict=True)
    )


def resolvable(pairs: Sequence[PairDifference], alpha: float = ALPHA) -> bool:
    """Whether the data have groups enough for Holm's first step to find any difference, however large."""
    tested = [pair for pair in pairs if not math.isnan(pair.p_value)]
    return not tested or min(pair.min_p for pair in tested) * len(tested) < alpha


def ranges(names: Sequence[str], pairs: Sequence[PairDifference]) -> dict[str, RankRange]:
    """The rank range of each name, from judged pairs; pairs of other names play no part."""
    position = {name: i for i, name in enumerate(names)}
    better = np.zeros((len(names), len(names)), dtype=np.bool_)
    for pair in pairs:
        if pair.winner in position and pair.loser in position:
            better[position[pair.winner], position[pair.loser]] = True
    return dict(zip(names, rank_ranges(better), strict=True))


def rank_ranges(better: BoolArray) -> tuple[RankRange, ...]:
    """Of an (n, n) table, ``better[i, j]``: i is shown to be better than j.

    Raises ValueError where it is not square, or says of two that each is better, or one better than itself.
    """
    if better.ndim != 2 or better.shape[0] != better.shape[1]:
        raise ValueError(f"expected a square table, not shape {better.shape}")
    if (better & better.T).any():
        raise ValueError("of two models each is said to be better")
    n = len(better)
    above, below = better.sum(axis=0), better.sum(axis=1)
    return tuple(RankRange(1 + int(a), n - int(b)) for a, b in zip(above, below, strict=True))
