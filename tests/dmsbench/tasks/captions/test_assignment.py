"""Pairing rows with columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from dmsbench.tasks.captions.assignment import largest_sum

TABLES = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 99), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


@given(TABLES)
def test_is_scipys(worth: list[list[int]]) -> None:
    table = np.array(worth)
    rows, columns = linear_sum_assignment(table, maximize=True)
    assert largest_sum(worth) == table[rows, columns].sum()


@pytest.mark.parametrize("worth", [[], [[]], [[], []]])
def test_nothing_to_pair(worth: list[list[int]]) -> None:
    assert largest_sum(worth) == 0


def test_the_best_pair_is_given_up_for_a_better_sum() -> None:
    assert largest_sum([[4, 3], [3, 0]]) == 6
