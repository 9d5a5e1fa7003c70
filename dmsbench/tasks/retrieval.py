"""Ranks of retrieval, what is counted from them, and what a random order would give."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import comb

import numpy as np
import numpy.typing as npt

#: The places that recall is counted at.
RECALLS = (1, 5, 10)


def ranks(scores: npt.ArrayLike, positives: Sequence[Collection[int]]) -> npt.NDArray[np.int64]:
    """Where the best right candidate of each query stands, from 1: (Q,) of scores (Q, C), higher is better.

    1 + the wrong candidates that score no less than the best right one: a tie never helps, and what else is
    right does not stand in the way. Where all scores are −inf the place is the last one.

    Raises ValueError for a NaN, for a query without a right candidate, and for one that is not there.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or len(positives) != len(table):
        raise ValueError(f"expected scores (Q, C) of {len(positives)} queries, not {table.shape}")
    found = np.empty(len(table), dtype=np.int64)
    for query, (row, right) in enumerate(zip(table, positives, strict=True)):
        if np.isnan(row).any():
            raise ValueError(f"query {query}: a score is NaN")
        places = np.fromiter(right, dtype=np.int64)
        if not places.size:
            raise ValueError(f"query {query}: no right candidate")
        if places.min() < 0 or places.max() >= row.size:
            raise ValueError(f"query {query}: a right candidate is not among the {row.size}")
        wrong = np.ones(row.size, dtype=np.bool_)
        wrong[places] = False
        found[query] = 1 + np.count_nonzero(row[wrong] >= row[places].max())
    return found


def recall_at(k: int, rank: int) -> float:
    """1 where a right candidate is among the first ``k``, else 0."""
    return float(_place(rank) <= k)


def reciprocal_rank(rank: int) -> float:
    """1 / rank."""
    return 1.0 / _place(rank)


def _place(rank: int) -> int:
    if rank < 1:
        raise ValueError(f"ranks count from 1, not {rank}")
    return rank


def median_rank(found: Sequence[int] | npt.NDArray[np.int64]) -> float:
    """The median of some ranks, NaN of none."""
    return float(np.median(np.asarray(found))) if len(found) else float("nan")


def rsum(directions: Iterable[Sequence[int] | npt.NDArray[np.int64]]) -> float:
    """The sum of recall at 1, 5 and 10 in per cent over the directions, of each its ranks.

    Out of 600 for both directions, out of 300 for one; NaN where one has no rank.
    """
    found = [np.asarray(own) for own in directions]
    if any(own.size == 0 for own in found):
        return float("nan")
    return float(sum(100.0 * np.mean(own <= k) for own in found for k in RECALLS))


def expected_recall(k: int, gallery: int, positives: int) -> float:
    """Recall at ``k`` under a random order of ``gallery`` candidates of which so many are right, exactly.

    1 − C(G − P, k) / C(G, k).
    """
    _check(gallery, positives)
    shown = min(k, gallery)
    return 1.0 - comb(gallery - positives, shown) / comb(gallery, shown)


def expected_reciprocal_rank(gallery: int, positives: int) -> float:
    """The expectation of 1 / rank under a random order, exactly.

    The best of P stands at r in C(G − r, P − 1) of C(G, P) orders.
    """
    _check(gallery, positives)
    chance, total = positives / gallery, 0.0
    for rank in range(1, gallery - positives + 2):
        total += chance / rank
        if rank < gallery:
            chance *= (gallery - rank - positives + 1) / (gallery - rank)
    return total


def _check(gallery: int, positives: int) -> None:
    if not 1 <= positives <= gallery:
        raise ValueError(f"{positives} right candidates among {gallery}")
