"""Headroom by hand, its interval, and the exact AUROC."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.scores.headroom import auroc, headroom

POINTS = ("image", "text", "uniform")

# Two conditions of unequal size, 4 and 2 rows. Means: clean image 0.5, text 0.25, uniform 0.75;
# noise image 0, text 1, uniform 0.5. The scheduler: clean 0.75, noise 1.
SCORES = np.array([[1, 0, 1], [1, 0, 1], [0, 1, 1], [0, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=float)
DMS = np.array([1, 1, 1, 0, 1, 1], dtype=float)
CONDITIONS = ["clean"] * 4 + ["noise"] * 2
GROUPS = ["a", "a", "b", "c", "a", "b"]


def test_by_hand() -> None:
    found = headroom(SCORES, DMS, candidates=POINTS, conditions=CONDITIONS, groups=GROUPS)
    assert found.static.value == pytest.approx((0.75 + 0.5) / 2)
    assert found.dms.value == pytest.approx((0.75 + 1.0) / 2)
    assert found.oracle.value == pytest.approx((0.75 + 1.0) / 2)
    assert found.best_constant.value == pytest.approx((0.25 + 1.0) / 2)
    assert found.gain.value == found.available.value == found.over_constant.value == pytest.approx(0.25)
    assert found.closed.value == pytest.approx(1.0)
    # Text and uniform are equal on the mean: static fusion stands.
    assert found.constant_point == "uniform"
    assert found.oracle_points == {"clean": "uniform", "noise": "text"}
    assert (found.n_rows, found.n_groups) == (6, 3)


def test_rows_with_an_error_count_for_nobody() -> None:
    scores, dms = SCORES.copy(), DMS.copy()
    scores[0, 1], dms[5] = np.nan, np.nan
    found = headroom(scores, dms, candidates=POINTS, conditions=CONDITIONS, groups=GROUPS)
    kept = [1, 2, 3, 4]
    expected = headroom(
        SCORES[kept],
        DMS[kept],
        candidates=POINTS,
        conditions=[CONDITIONS[i] for i in kept],
        groups=[GROUPS[i] for i in kept],
    )
    assert repr(found) == repr(expected)  # NaN is unequal to itself
    assert found.n_rows == 4


def simulated(seed: int, n_groups: int, share: float) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Image is 0.3 better on clean, text on noise; the scheduler takes it in a ``share`` of rows."""
    rng = np.random.default_rng(seed)
    rows = n_groups * 8
    noise = np.arange(rows) % 2 == 1
    right = rng.random((rows, 3)) < np.where(noise[:, None], [0.4, 0.9, 0.6], [0.9, 0.4, 0.6])
    scores = right.astype(float)
    best = np.where(noise, scores[:, 1], scores[:, 0])
    dms = np.where(rng.random(rows) < share, best, scores[:, 2])
    return (
        scores,
        dms,
        ["noise" if one else "clean" for one in noise],
        [f"g{row // 8}" for row in range(rows)],
    )


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_the_share_closed_lies_in_its_interval(share: float) -> None:
    scores, dms, conditions, groups = simulated(0, 150, share)
    found = headroom(scores, dms, candidates=POINTS, conditions=conditions, groups=groups, replicates=500)
    assert found.oracle_points == {"clean": "image", "noise": "text"}
    assert found.available.value == pytest.approx(0.3, abs=0.06)
    assert found.closed.low - 1e-12 <= share <= found.closed.high + 1e-12
    assert found.closed.low <= found.closed.value <= found.closed.high
    if share == 1.0:
        assert found.closed.low == found.closed.high == 1.0


def test_intervals_are_those_of_resampled_groups() -> None:
    """A slow bootstrap of whole groups, by concatenating their rows, gives nearly the same interval."""
    scores, dms, conditions, groups = simulated(1, 40, 0.5)
    found = headroom(scores, dms, candidates=POINTS, conditions=conditions, groups=groups, replicates=2000)
    rng = np.random.default_rng(7)
    names, kinds = np.array(groups), np.array(conditions)
    best = np.where(kinds == "noise", scores[:, 1], scores[:, 0])
    closed = []
    for _ in range(2000):
        drawn = rng.choice(np.unique(names), size=40)
        rows = np.concatenate([np.flatnonzero(names == name) for name in drawn])
        means = [
            np.mean([arm[rows][kinds[rows] == kind].mean() for kind in ("clean", "noise")])
            for arm in (scores[:, 2], dms, best)
        ]
        closed.append((means[1] - means[0]) / (means[2] - means[0]))
    low, high = np.quantile(closed, [0.025, 0.975])
    assert found.closed.low == pytest.approx(low, abs=0.04)
    assert found.closed.high == pytest.approx(high, abs=0.04)


def test_the_order_of_rows_and_of_candidates_does_not_matter() -> None:
    scores, dms, conditions, groups = simulated(2, 20, 0.5)
    first = headroom(scores, dms, candidates=POINTS, conditions=conditions, groups=groups, replicates=100)
    turned = headroom(
        scores[::-1, [2, 0, 1]],
        dms[::-1],
        candidates=("uniform", "image", "text"),
        conditions=conditions[::-1],
        groups=groups[::-1],
        replicates=100,
    )
    for name in ("static", "dms", "oracle", "gain", "available", "closed", "best_constant", "over_constant"):
        one, two = getattr(first, name), getattr(turned, name)
        assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(two))
    assert first.oracle_points == turned.oracle_points


def test_without_headroom_nothing_is_closed() -> None:
    flat = np.tile([[1.0], [0.0]], (3, 3))
    found = headroom(flat, DMS, candidates=POINTS, conditions=["clean"] * 6, groups=GROUPS)
    assert found.available.value == 0.0
    assert math.isnan(found.closed.value)
    assert math.isnan(found.closed.low)
    assert found.oracle_points == {"clean": "uniform"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"candidates": ("image", "text")}, "scores of shape"),
        ({"static": "middle"}, "no candidate 'middle'"),
        ({"groups": ["a"]}, "1 groups for 6 rows"),
        ({"level": 1.0}, "level"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(changed: dict[str, object], message: str) -> None:
    given_ = {"candidates": POINTS, "conditions": CONDITIONS, "groups": GROUPS, **changed}
    with pytest.raises(ValueError, match=message):
        headroom(SCORES, DMS, **given_)
    with pytest.raises(ValueError, match="no row"):
        headroom(SCORES * np.nan, DMS, candidates=POINTS, conditions=CONDITIONS, groups=GROUPS)


# AUROC


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40))
def test_auroc_counts_pairs_and_half_of_the_ties(rows: list[tuple[int, bool]]) -> None:
    positive = [value for value, marked in rows if marked]
    negative = [value for value, marked in rows if not marked]
    found = auroc([value for value, _ in rows], [marked for _, marked in rows])
    if not positive or not negative:
        assert math.isnan(found)
        return
    won = sum((one > other) + 0.5 * (one == other) for one in positive for other in negative)
    assert found == pytest.approx(won / (len(positive) * len(negative)))


def test_auroc_ends() -> None:
    assert auroc([0.1, 0.2, 0.9], [False, False, True]) == 1.0
    assert auroc([0.9, 0.2, 0.1], [False, False, True]) == 0.0
    assert auroc([0.5] * 4, [True, False, True, False]) == 0.5
    assert auroc([0.1, np.nan, 0.9], [False, False, True]) == 1.0
    assert auroc([np.inf, 0.0], [True, False]) == 1.0
    with pytest.raises(ValueError, match="signal of shape"):
        auroc([0.1], [True, False])
