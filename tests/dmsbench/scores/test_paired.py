"""Paired comparison: golden values, the test's level and power, symmetry, and refusals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from dmsbench.errors import NotComparableError
from dmsbench.grid import Condition, View
from dmsbench.scores import Verdict, compare, holm, sign_flip_tests, smallest_p
from dmsbench.scores.paired import compare_pairs, group_contrasts, verdict
from dmsbench.scores.pairing import Pairs, pair_rows
from dmsbench.scores.rows import read_rows

GRID = (Condition(), *(Condition(View(name, s)) for name in ("blur", "fog", "snow") for s in (2, 4)))


def pairs_of(a: np.ndarray, b: np.ndarray) -> Pairs:
    """Pairs of (G, questions, C) scores on ``GRID``."""
    n_groups, per_group, n_conditions = a.shape
    n = n_groups * per_group * n_conditions
    return Pairs(
        groups=tuple(f"{i:04d}" for i in range(n_groups)),
        conditions=tuple(sorted(GRID)),
        a_sums=a.sum(axis=1),
        b_sums=b.sum(axis=1),
        differences=(b - a).sum(axis=1),
        counts=np.full((n_groups, n_conditions), float(per_group)),
        n_samples=n_groups * per_group,
        n_pairs=n,
        n_error_pairs=0,
        n_left_out=np.zeros(n_conditions, dtype=np.int64),
        n_errors_a=0,
        n_errors_b=0,
        squares=np.square(b - a).sum(axis=(0, 1)),
    )


def simulated(rng: np.random.Generator, n_groups: int, drop: float = 0.0) -> Pairs:
    """Two models with the same images' difficulties; B is right less often by ``drop``."""
    shape = (n_groups, 3, len(GRID))
    ease = rng.uniform(0.4, 1.0, size=(n_groups, 1, 1))
    a, b = (rng.random(shape) < ease), (rng.random(shape) < ease - drop)
    return pairs_of(a.astype(np.float64), b.astype(np.float64))


# Holm


def test_holm_against_the_textbook() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.6, 0.9]), [1.0, 1.0, 1.0])
    np.testing.assert_allclose(holm([0.02, np.nan, 0.01]), [0.02, np.nan, 0.02])
    assert holm([0.3]).tolist() == [0.3]
    assert holm([]).size == 0
    with pytest.raises(ValueError, match="outside"):
        holm([0.1, 1.5])
    with pytest.raises(ValueError, match="flat"):
        holm([[0.1]])


@given(st.lists(st.floats(0, 1), max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_holm_properties(p: list[float], rnd: Any) -> None:
    adjusted = holm(p)
    assert all(q >= raw and q <= min(1.0, len(p) * raw) + 1e-12 for raw, q in zip(p, adjusted, strict=True))
    order = list(range(len(p)))
    rnd.shuffle(order)
    np.testing.assert_array_equal(holm([p[i] for i in order]), adjusted[order])


# The sign-flip test


def brute(values: np.ndarray) -> float:
    totals = [abs(float(np.dot(s, values))) for s in itertools.product((1, -1), repeat=values.size)]
    return sum(t >= abs(values.sum()) - 1e-9 for t in totals) / len(totals)


def test_exact_test_enumerates_all_patterns() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 9):
        values = np.round(rng.normal(0.3, 1.0, size=(n, 4)), 1)
        values[0, 3] = 0.0
        found = sign_flip_tests(values, replicates=10, seed=0)
        np.testing.assert_allclose(found, [brute(values[:, k]) for k in range(4)], rtol=1e-12)


def test_sampled_test_agrees_with_enumeration_and_with_the_binomial() -> None:
    values = np.random.default_rng(1).normal(0.35, 1.0, size=(13, 3))
    found = sign_flip_tests(values, replicates=20_000, seed=1)
    np.testing.assert_allclose(found, [brute(values[:, k]) for k in range(3)], atol=0.012)
    signs = np.array([1.0] * 40 + [-1.0] * 22 + [0.0] * 300)[:, None]  # McNemar's exact test is a sign flip
    (p,) = sign_flip_tests(signs, replicates=40_000, seed=2)
    assert p == pytest.approx(binomtest(22, 62).pvalue, abs=0.003)


def test_p_is_never_zero_and_its_floor_is_told() -> None:
    (p,) = sign_flip_tests(np.ones((500, 1)), replicates=999, seed=0)
    assert p == 1 / 1000
    assert smallest_p(500, 9999) == 1 / 10_000
    assert smallest_p(500, 999) == 2.0**-11  # when only 12 of the 500 differ, all patterns are enumerated
    (p,) = sign_flip_tests(np.ones((6, 1)), replicates=999, seed=0)
    assert p == 2 / 2**6 == smallest_p(6, 999)
    assert sign_flip_tests(np.zeros((6, 1)), replicates=9, seed=0).tolist() == [1.0]
    assert smallest_p(0, 9) == smallest_p(1, 9) == 1.0
    assert smallest_p(13, 10**6) == 2.0**-12
    assert sign_flip_tests(np.empty((5, 0)), replicates=9, seed=0).size == 0


def test_groups_without_a_difference_play_no_part() -> None:
    values = np.random.default_rng(5).normal(0.2, 1.0, size=(40, 1))
    padded = np.vstack([values, np.zeros((500, 1))])
    assert sign_flip_tests(values, replicates=500, seed=3) == sign_flip_tests(padded, replicates=500, seed=3)


# compare


def test_golden_comparison(golden: pd.DataFrame) -> None:
    better = golden.assign(score=golden["score"].where(golden["image_severity"] != 3, 1.0))
    found = compare(golden, better, replicates=200)
    assert found.clean is not None
    assert found.overall is not None
    fog, ocr = found.corruptions
    assert (found.clean.difference, found.clean.p_value) == (0.0, 1.0)
    assert (fog.a, fog.b, fog.difference) == (0.375, 0.75, 0.375)
    assert fog.p_value == 2 / 2**2  # i1 gains 2 of 8, i3 gains 1 of 8, i2 nothing: both of a sign
    assert fog.min_p == 2 / 2**3
    assert (ocr.difference, ocr.ci_low, ocr.ci_high, ocr.p_value, ocr.p_adjusted) == (0, 0, 0, 1, 1)
    assert fog.p_adjusted == 1.0
    assert found.overall.difference == pytest.approx(0.25)
    assert (found.overall.n_conditions, found.overall.n_pairs, found.overall.n_groups) == (3, 12, 3)
    assert [(str(c.condition), c.a, c.b, c.difference) for c in found.conditions] == [
        ("clean", 0.75, 0.75, 0.0),
        ("ocr@2", 0.5, 0.5, 0.0),
        ("fog@1", 0.5, 0.5, 0.0),
        ("fog@3", 0.25, 1.0, 0.75),
    ]
    assert fog.verdict is Verdict.NO_DIFFERENCE


def test_groups_are_means_over_their_conditions(golden: pd.DataFrame) -> None:
    """Of all corrupted conditions and of one corruption they are the contrasts; of others by hand."""
    better = golden.assign(score=golden["score"].where(golden["image_severity"] != 3, 1.0))
    pairs = pair_rows(read_rows(golden), read_rows(better))
    whole = compare_pairs(pairs, seed=3, replicates=300)
    clean, ocr, fog1, fog3 = pairs.conditions
    sets = {"all": (ocr, fog1, fog3), "fog": (fog1, fog3), "ocr": (ocr,), "some": (fog3, ocr)}
    found = {group.name: group for group in group_contrasts(pairs, sets, seed=3, replicates=300)}
    assert whole.overall is not None
    for name, contrast in (
        ("all", whole.overall),
        ("fog", whole.corruptions[0]),
        ("ocr", whole.corruptions[1]),
    ):
        for key in ("a", "b", "difference", "ci_low", "ci_high", "n_conditions"):
            assert getattr(found[name], key) == getattr(contrast, key), (name, key)
    some = found["some"]
    assert (some.a, some.b, some.difference, some.n_conditions) == (0.375, 0.75, 0.375, 2)
    # fog@3 gains 1, 1, 0 and 1 of 4 questions of three images, ocr nothing: 0 where all draws are i2.
    assert (some.ci_low, some.ci_high) == (0.0, 0.5)
    assert group_contrasts(pairs, {}) == ()
    (alone,) = group_contrasts(pairs, {"clean": [clean]})
    assert (alone.difference, alone.ci_low, alone.ci_high) == (0.0, 0.0, 0.0)


def test_a_group_of_errors_alone_is_undefined(make_frame: Any) -> None:
    conditions = [Condition(View("fog", 1)), Condition(View("fog", 2))]
    scores = np.array([[1.0, np.nan], [0.0, np.nan], [1.0, np.nan]])
    pairs = pair_rows(*(read_rows(make_frame(scores, conditions)) for _ in "ab"))
    (lost, both) = group_contrasts(pairs, {"lost": conditions[1:], "both": conditions}, replicates=50)
    assert lost.n_conditions == 0 and np.isnan([lost.a, lost.difference, lost.ci_low]).all()
    assert (both.n_conditions, both.difference) == (1, 0.0)


def test_equal_models_have_no_difference(golden: pd.DataFrame) -> None:
    found = compare(golden, golden, replicates=100)
    for c in (found.overall, found.clean, *found.corruptions):
        assert c is not None
        assert (c.difference, c.ci_low, c.ci_high, c.p_value, c.p_adjusted) == (0, 0, 0, 1, 1)
        assert str(c.verdict) == "no significant difference"


def test_verdict_needs_both_the_test_and_the_interval() -> None:
    nan = float("nan")
    assert verdict(0.01, 0.2, 0.04, 0.05) is Verdict.B_BETTER
    assert verdict(-0.2, -0.01, 0.04, 0.05) is Verdict.A_BETTER
    for low, high, p in ((0.01, 0.2, 0.05), (-0.01, 0.2, 0.001), (0.0, 0.2, 0.001), (nan, nan, 0.01)):
        assert verdict(low, high, p, 0.05) is Verdict.NO_DIFFERENCE
    assert verdict(0.1, 0.2, nan, 0.05) is Verdict.NO_DIFFERENCE


def test_false_alarms_under_no_difference_are_about_alpha() -> None:
    rng = np.random.default_rng(7)
    sims, overall, family = 500, 0, 0
    for sim in range(sims):
        found = compare_pairs(simulated(rng, 40), seed=sim, replicates=300)
        assert found.overall is not None
        overall += found.overall.verdict is not Verdict.NO_DIFFERENCE
        family += any(c.verdict is not Verdict.NO_DIFFERENCE for c in found.corruptions)
    assert 0.02 <= overall / sims <= 0.08
    assert 0.01 <= family / sims <= 0.08


def test_an_injected_drop_is_found() -> None:
    rng = np.random.default_rng(8)
    found = [compare_pairs(simulated(rng, 60, drop=0.12), seed=s, replicates=500) for s in range(40)]
    assert all(f.overall is not None and f.overall.verdict is Verdict.A_BETTER for f in found)
    assert sum(c.verdict is Verdict.A_BETTER for f in found for c in f.corruptions) >= 0.6 * 3 * 40
    assert not any(c.verdict is Verdict.B_BETTER for f in found for c in f.corruptions)


def random_frames(make_frame: Any, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    groups = [f"i{i // 2}" for i in range(40)]
    conditions = GRID[:5]
    scores = rng.integers(0, 11, size=(2, 40, 5)) / 10
    scores[rng.random(scores.shape) < 0.05] = np.nan
    a, b = (make_frame(s, conditions, groups) for s in scores)
    return a, b


@given(seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_order_does_not_matter_and_swapping_flips_the_sign(make_frame: Any, seed: int) -> None:
    a, b = random_frames(make_frame, seed)
    found = compare(a, b, replicates=200)
    again = compare(a.sample(frac=1.0, random_state=1), b.sample(frac=1.0, random_state=2), replicates=200)
    assert repr(found) == repr(again)
    swapped = compare(b, a, replicates=200)
    for one, other in zip(
        (found.overall, found.clean, *found.corruptions),
        (swapped.overall, swapped.clean, *swapped.corruptions),
        strict=True,
    ):
        assert one is not None
        assert other is not None
        assert one.p_value == other.p_value
        np.testing.assert_allclose(
            [one.difference, one.ci_low, one.ci_high],
            [-other.difference, -other.ci_high, -other.ci_low],
            atol=1e-12,
        )
        assert (one.a, one.b) == (other.b, other.a)


def test_only_pairs_ok_in_both_count(make_frame: Any) -> None:
    nan = np.nan
    a = make_frame([[1.0, 1.0], [1.0, nan], [0.0, 0.0]], GRID[:2])
    b = make_frame([[1.0, nan], [0.0, nan], [0.0, 1.0]], GRID[:2])
    found = compare(a, b, replicates=50)
    assert (found.n_pairs, found.n_error_pairs, found.n_errors_a, found.n_errors_b) == (4, 2, 1, 2)
    assert (found.error_rate_a, found.error_rate_b) == (1 / 6, 2 / 6)
    blur = found.corruptions[0]
    assert (blur.a, blur.b, blur.difference, blur.n_pairs, blur.n_groups) == (0.0, 1.0, 1.0, 1, 1)
    assert blur.p_value == blur.min_p == 1.0
    assert np.isnan(blur.ci_low)  # one group of three: most percentiles are unknown


def test_a_condition_without_pairs_is_nan_and_outside_holm(make_frame: Any) -> None:
    rng = np.random.default_rng(2)
    scores = rng.integers(0, 2, size=(30, 5)).astype(float)
    a, b = make_frame(scores, GRID[:5]), make_frame(np.clip(scores - [0, 0, 0, 1, 1], 0, 1), GRID[:5])
    b.loc[b["image_corruption"] == "blur", "status"] = "model_error"
    blur, fog = (found := compare(a, b, replicates=500)).corruptions
    assert np.isnan([blur.a, blur.difference, blur.ci_low, blur.p_value, blur.p_adjusted]).all()
    assert (blur.n_pairs, blur.n_conditions, blur.verdict) == (0, 0, Verdict.NO_DIFFERENCE)
    assert fog.p_adjusted == fog.p_value
    assert found.overall is not None
    assert found.overall.difference == fog.difference
    nothing = compare(a.assign(status="data_error"), b, replicates=10)
    assert nothing.overall is not None
    assert np.isnan(nothing.overall.difference)


def test_grids_without_clean_or_without_corruptions(golden: pd.DataFrame) -> None:
    clean = (golden["image_severity"] == 0) & (golden["text_severity"] == 0)
    assert compare(golden[~clean], golden[~clean], replicates=9).clean is None
    only = compare(golden[clean], golden[clean], replicates=9)
    assert only.overall is None
    assert only.corruptions == ()


def test_refusals_name_what_is_missing(golden: pd.DataFrame) -> None:
    def refused(a: pd.DataFrame, b: pd.DataFrame) -> str:
        with pytest.raises(NotComparableError) as caught:
            compare(a, b, replicates=9)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    no_fog3 = golden[golden["image_severity"] != 3]
    assert refused(golden, no_fog3) == "B lacks 1 of 4 conditions: fog@3"
    assert refused(no_fog3, golden) == "A lacks 1 of 4 conditions: fog@3"
    fewer = golden[golden["sample_id"] != "q2"]
    assert refused(golden, fewer) == "B lacks 1 of 4 samples: q2"
    renamed = golden.assign(sample_id=golden["sample_id"].replace("q2", "q9"))
    assert refused(golden, renamed) == "B lacks 1 of 4 samples: q2; A lacks 1 of 4 samples: q9"
    assert "B is incomplete: it lacks 2 of 16 records, sample 'q3' under ocr@2" in refused(
        golden, golden.drop(index=[15, 14])
    )
    moved = golden.assign(group=golden["group"].replace("i3", "i1"))
    assert refused(golden, moved) == "sample 'q3' is of the group 'i3' in A and 'i1' in B"


@pytest.mark.parametrize("bad", [{"alpha": 0.0}, {"alpha": 1.0}, {"replicates": 0}])
def test_bad_settings(golden: pd.DataFrame, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        compare(golden, golden, **bad)
