"""The clustered bootstrap against slow loops, normal theory and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from dmsbench.scores import bootstrap as module
from dmsbench.scores import percentile_interval, replicate_means
from dmsbench.scores.bootstrap import UNDEFINED, Estimate, estimate, group_weights, mean_over_cells


def clustered(rng: np.random.Generator, n_groups: int, per_group: int) -> np.ndarray:
    """(G, per_group) right or wrong; each image has a difficulty of its own, the mean is 0.5."""
    difficulty = rng.beta(0.6, 0.6, size=(n_groups, 1))
    return (rng.random((n_groups, per_group)) < difficulty).astype(np.float64)


def test_replicates_equal_a_slow_loop_over_resampled_rows() -> None:
    rng = np.random.default_rng(0)
    rows = [(g, c, rng.random()) for g in range(7) for c in range(3) for _ in range(rng.integers(0, 4))]
    sums, counts = np.zeros((7, 3)), np.zeros((7, 3))
    for g, c, score in rows:
        sums[g, c] += score
        counts[g, c] += 1
    fast = replicate_means(sums, counts, replicates=50, seed=5)
    weights = np.vstack([w for _, w in group_weights(7, 50, 5)])
    for drawn, got in zip(weights.astype(int), fast, strict=True):
        resampled = [row for row in rows for _ in range(drawn[row[0]])]
        for c in range(3):
            scores = [score for _, own, score in resampled if own == c]
            np.testing.assert_allclose(got[c], np.mean(scores) if scores else np.nan, rtol=1e-12)


def test_interval_agrees_with_an_independent_bootstrap() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 9, size=40)
    groups = [rng.random(n) * rng.random() for n in sizes]
    sums, counts = np.array([[g.sum()] for g in groups]), np.array([[float(g.size)] for g in groups])
    low, high = percentile_interval(replicate_means(sums, counts, replicates=6000, seed=2)[:, 0])
    slow = [
        np.concatenate([groups[i] for i in rng.choice(40, size=40, replace=True)]).mean() for _ in range(4000)
    ]
    width = high - low
    assert abs(low - np.quantile(slow, 0.025)) < 0.06 * width
    assert abs(high - np.quantile(slow, 0.975)) < 0.06 * width


def test_interval_agrees_with_normal_theory_on_many_groups() -> None:
    scores = clustered(np.random.default_rng(3), 1500, 4)
    means = scores.mean(axis=1)
    low, high = percentile_interval(
        replicate_means(scores.sum(axis=1)[:, None], np.full((1500, 1), 4.0), replicates=4000)[:, 0]
    )
    half = 1.96 * means.std(ddof=1) / np.sqrt(1500)
    np.testing.assert_allclose([low, high], [means.mean() - half, means.mean() + half], atol=0.06 * half)


def test_coverage_is_nominal_by_cluster_and_falls_short_without() -> None:
    rng = np.random.default_rng(4)
    n_groups, per_group, sims = 60, 8, 400
    covered = {"clustered": 0, "unclustered": 0}
    for sim in range(sims):
        scores = clustered(rng, n_groups, per_group)
        for name, table in (("clustered", scores), ("unclustered", scores.reshape(-1, 1))):
            boot = replicate_means(
                table.sum(axis=1)[:, None],
                np.full((len(table), 1), float(table.shape[1])),
                replicates=400,
                seed=sim,
            )
            low, high = percentile_interval(boot[:, 0])
            covered[name] += low <= 0.5 <= high
    assert 0.92 <= covered["clustered"] / sims <= 0.98
    assert covered["unclustered"] / sims < 0.80


def test_weights_are_multinomial_and_independent_of_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.vstack([w for _, w in group_weights(11, 3000, 9)])
    assert (whole.sum(axis=1) == 11).all()
    np.testing.assert_allclose(whole.mean(axis=0), 1.0, atol=0.08)
    np.testing.assert_allclose(whole.var(axis=0), 10 / 11, atol=0.12)
    monkeypatch.setattr(module, "_BATCH_ENTRIES", 50)
    np.testing.assert_array_equal(whole, np.vstack([w for _, w in group_weights(11, 3000, 9)]))
    assert not np.array_equal(whole[:5], next(iter(group_weights(11, 5, 10)))[1])


def test_no_global_generator_is_touched() -> None:
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    replicate_means(np.ones((5, 2)), np.ones((5, 2)), replicates=10)
    assert (state == np.random.get_state()[1]).all()  # noqa: NPY002


def test_what_cannot_be_known_is_nan() -> None:
    assert np.isnan(replicate_means(np.ones((1, 1)), np.ones((1, 1)), replicates=20)).all()
    sparse = np.zeros((50, 1))
    sparse[0] = 1.0  # scores in one group only: 37 % of the replicates lack it
    assert np.isnan(percentile_interval(replicate_means(sparse, sparse)[:, 0])).all()
    sparse[:6] = 1.0
    assert percentile_interval(replicate_means(sparse, sparse)[:, 0]) == (1.0, 1.0)
    assert estimate(float("nan"), np.ones(10)) is UNDEFINED
    assert Estimate(0.5, float("nan"), 1.0).as_dict() == {"value": 0.5, "low": None, "high": 1.0}
    assert not UNDEFINED.defined


def test_mean_over_cells_leaves_out_the_undefined() -> None:
    cells = np.array([[0.2, np.nan, 0.4], [np.nan] * 3])
    np.testing.assert_allclose(mean_over_cells(cells), [0.3, np.nan])
    assert np.isnan(mean_over_cells(np.empty((2, 0)))).all()
