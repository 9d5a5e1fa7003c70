"""Ranks of retrieval against a naive sort, and chance against every order there is."""

from __future__ import annotations

from itertools import permutations
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.retrieval import (
    expected_recall,
    expected_reciprocal_rank,
    median_rank,
    ranks,
    recall_at,
    reciprocal_rank,
    rsum,
)
from dmsbench.tasks.scorers import scorer, scorers

#: Few values, so that most candidates tie.
TIED = st.sampled_from([-inf, -1.0, 0.0, 0.5, 0.5 + 2**-52])


@st.composite
def searched(draw: st.DrawFn) -> tuple[list[float], set[int]]:
    row = draw(st.lists(TIED, min_size=1, max_size=9))
    right = draw(st.sets(st.integers(0, len(row) - 1), min_size=1))
    return row, right


def naive(row: list[float], right: set[int]) -> int:
    """Sorted with right ones last among equals; the place of the first right one, right ones not counted."""
    order = sorted(range(len(row)), key=lambda i: (-row[i], i in right))
    return 1 + next(place for place, i in enumerate(order) if i in right)


@given(st.lists(searched(), min_size=1, max_size=3))
def test_ranks_are_those_of_a_sort_that_puts_right_ones_last(
    found: list[tuple[list[float], set[int]]],
) -> None:
    for row, right in found:
        assert ranks([row], [right]).tolist() == [naive(row, right)]
    width = min(len(row) for row, _ in found)
    table = [row[:width] for row, _ in found]
    together = [{i for i in right if i < width} or {0} for _, right in found]
    assert ranks(table, together).tolist() == list(map(naive, table, together))


@given(searched(), st.data())
def test_a_tie_never_helps(found: tuple[list[float], set[int]], data: Any) -> None:
    row, right = found
    (before,) = ranks([row], [right])
    best = max(row[i] for i in right)
    wrong = [i for i in range(len(row)) if i not in right]
    if wrong:
        moved = data.draw(st.sampled_from(wrong))
        # A wrong candidate that is lifted or lowered to the best right one stands before it.
        tied = [best if i == moved else score for i, score in enumerate(row)]
        (after,) = ranks([tied], [right])
        assert after == before + (row[moved] < best)
        below = [-inf if i == moved else score for i, score in enumerate(row)]
        assert ranks([below], [right])[0] <= after
    assert ranks([[0.0] * len(row)], [right])[0] == 1 + len(wrong)
    assert ranks([[-inf] * len(row)], [right])[0] == 1 + len(wrong)


@given(searched(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_decides_nothing(found: tuple[list[float], set[int]], random: Any) -> None:
    row, right = found
    order = list(range(len(row)))
    random.shuffle(order)
    moved = {place for place, i in enumerate(order) if i in right}
    assert ranks([[row[i] for i in order]], [moved])[0] == ranks([row], [right])[0]


def test_what_has_no_rank() -> None:
    for table, right, words in (
        ([[0.0, nan]], [[0]], "query 0: a score is NaN"),
        ([[0.0], [1.0]], [[0], []], "query 1: no right candidate"),
        ([[0.0, 1.0]], [[2]], "query 0: a right candidate is not among the 2"),
        ([[0.0, 1.0]], [[-1]], "not among the 2"),
        ([[0.0, 1.0]], [[0], [1]], "of 2 queries"),
    ):
        with pytest.raises(ValueError, match=words):
            ranks(table, right)
    assert ranks(np.empty((0, 4)), []).tolist() == []
    with pytest.raises(ValueError, match="count from 1"):
        reciprocal_rank(0)


@pytest.mark.parametrize("gallery", [1, 2, 3, 5, 6])
def test_chance_is_the_mean_over_all_orders(gallery: int) -> None:
    for positives in range(1, gallery + 1):
        found = [
            1 + next(place for place, i in enumerate(order) if i < positives)
            for order in permutations(range(gallery))
        ]
        for k in (1, 2, 5, 10):
            mean = np.mean([recall_at(k, rank) for rank in found])
            assert expected_recall(k, gallery, positives) == pytest.approx(mean)
        mean = np.mean([reciprocal_rank(rank) for rank in found])
        assert expected_reciprocal_rank(gallery, positives) == pytest.approx(mean)


def test_chance_of_large_galleries() -> None:
    assert expected_recall(10, 5000, 1) == pytest.approx(10 / 5000)
    assert expected_recall(10, 25_000, 5) == pytest.approx(1 - (1 - 5 / 25_000) ** 10, rel=1e-3)
    assert expected_reciprocal_rank(1000, 1) == pytest.approx(sum(1 / r for r in range(1, 1001)) / 1000)
    for positives in (0, 4):
        with pytest.raises(ValueError, match="among 3"):
            expected_recall(1, 3, positives)


def test_sums_and_medians() -> None:
    assert median_rank([1, 2, 3, 10]) == 2.5 and isnan(median_rank([]))
    assert rsum([[1, 1], np.array([1])]) == 600
    assert rsum([[1, 6, 11, 5]]) == pytest.approx(25 + 50 + 75)
    assert isnan(rsum([[1], []]))


@given(st.integers(1, 10_000))
def test_scores_of_ranks_are_shares_and_fall(rank: int) -> None:
    for entry in scorers("retrieval"):
        assert entry.of_rank is not None and entry.of_chance is not None
        assert 0 <= entry.of_rank(rank + 1) <= entry.of_rank(rank) <= 1
        assert entry.of_rank(1) == 1
        assert entry.signature == f"{entry.name}|ties:against|v1"
    five = scorer("recall_at_5", "retrieval")
    assert five.of_rank is not None and five.of_rank(rank) == (rank <= 5)
