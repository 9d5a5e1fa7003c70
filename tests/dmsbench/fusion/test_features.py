"""The columns by hand, their ranges, and the standardisation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dmsbench.fusion.features import (
    ANSWERS,
    GROUPS,
    LARGEST,
    PAPER,
    Standardiser,
    agreement,
    check_groups,
    columns,
    raw_features,
    top_and_margin,
)
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points

POINTS = CORNERS_AND_UNIFORM
ROW = Evidence(
    probabilities=torch.tensor([[[0.5, 0.25, 0.125, 0.125], [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]]),
    uncertainty=torch.tensor([[0.1, 0.2, 0.3]]),
    consistency=torch.tensor([0.4]),
    typicality=torch.tensor([[[1.0, 2.0], [3.0, torch.nan]]]),
)
BY_HAND = {
    "confidence(image)": 1 - 1.75 / 2,
    "confidence(text)": 1.0,
    "confidence(uniform)": 0.0,
    "uncertainty(image)": 0.1,
    "uncertainty(text)": 0.2,
    "uncertainty(uniform)": 0.3,
    "consistency": 0.4,
    "top(image)": 0.5,
    "top(text)": 1.0,
    "top(uniform)": 0.25,
    "margin(image)": 0.25,
    "margin(text)": 1.0,
    "margin(uniform)": 0.0,
    "agreement(image,text)": math.sqrt(0.5),
    "agreement(image,uniform)": 0.5 * (math.sqrt(0.5) + 0.5 + 2 * math.sqrt(0.125)),
    "agreement(text,uniform)": 0.5,
    "distance(image)": 1.0,
    "residual(image)": 2.0,
    "distance(text)": 3.0,
    "residual(text)": math.nan,
}


def test_every_column_by_hand() -> None:
    found = raw_features(ROW, POINTS, GROUPS)
    assert found.shape == (1, len(BY_HAND))
    named = dict(zip(columns(POINTS, GROUPS), found[0].tolist(), strict=True))
    assert list(named) == list(BY_HAND)
    assert named == pytest.approx(BY_HAND, abs=1e-6, nan_ok=True)


@given(st.sets(st.sampled_from(GROUPS)).map(sorted))
def test_groups_are_switched_without_a_change_to_the_others(groups: list[str]) -> None:
    names = columns(POINTS, groups)
    assert len(names) == raw_features(ROW, POINTS, groups).shape[1]
    named = dict(zip(names, raw_features(ROW, POINTS, groups)[0].tolist(), strict=True))
    assert named == pytest.approx({name: BY_HAND[name] for name in names}, abs=1e-6, nan_ok=True)
    assert check_groups(reversed(groups)) == tuple(group for group in GROUPS if group in groups)


def test_the_paper_has_three_signals() -> None:
    assert PAPER == ("confidence", "uncertainty", "consistency")
    assert "typicality" not in ANSWERS
    assert set(PAPER) < set(ANSWERS) < set(GROUPS)


@pytest.mark.parametrize("groups", [("colour",), ("confidence", "confidence")])
def test_groups_that_do_not_exist_or_come_twice_are_refused(groups: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="distinct and among"):
        check_groups(groups)


def test_evidence_of_other_points_is_refused() -> None:
    with pytest.raises(ValueError, match="2 points"):
        raw_features(ROW, Points(("image", "text"), ((1.0, 0.0), (0.0, 1.0))), PAPER)
    flat = Evidence(ROW.probabilities, ROW.uncertainty, ROW.consistency, torch.zeros(1, 2))
    with pytest.raises(ValueError, match="typicality of shape"):
        raw_features(flat, POINTS, GROUPS)


simplex = arrays.arrays(np.float64, (3, 3, 6), elements=st.floats(0.0, 1.0)).map(
    lambda raw: torch.from_numpy((raw + 1e-9) / (raw + 1e-9).sum(axis=-1, keepdims=True))
)


@settings(deadline=None)
@given(simplex, st.permutations(range(6)))
def test_ranges_and_the_order_of_outcomes(points: torch.Tensor, order: list[int]) -> None:
    for measured in (agreement, lambda given: torch.stack(top_and_margin(given))):
        for given_ in (points, points.float()):
            assert ((measured(given_) >= 0) & (measured(given_) <= 1)).all()
        torch.testing.assert_close(measured(points), measured(points[..., order]))
    same = points[:, :1].expand(-1, 3, -1)
    torch.testing.assert_close(agreement(same), torch.ones(3, 3).double())


def test_one_outcome_and_one_point_have_no_choice() -> None:
    top, margin = top_and_margin(torch.ones(2, 3, 1))
    assert top.unique().tolist() == margin.unique().tolist() == [1.0]
    assert agreement(torch.ones(2, 1, 4)).shape == (2, 0)


# Standardisation

wide = arrays.arrays(np.float64, (7, 3), elements=st.floats(-1e4, 1e4))


@given(wide)
def test_training_rows_have_mean_0_and_deviation_1(values: np.ndarray) -> None:
    fitted = Standardiser.fit(("a", "b", "c"), torch.from_numpy(values))
    expected = values.std(axis=0)
    np.testing.assert_allclose(fitted.mean, values.mean(axis=0), atol=1e-8)
    np.testing.assert_allclose(fitted.std, np.where(expected > 1e-6, expected, 1.0), rtol=1e-6)
    assert fitted(torch.from_numpy(values)).abs().max() <= LARGEST


def test_the_same_numbers_hold_for_later_rows() -> None:
    fitted = Standardiser.fit(("a", "b"), torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    assert fitted == Standardiser(("a", "b"), (2.0, 5.0), (1.0, 1.0))
    later = fitted(torch.tensor([[4.0, 5.5], [1e9, -1e9], [torch.nan, 6.0]]))
    assert later.tolist() == [[2.0, 0.5], [LARGEST, -LARGEST], [0.0, 1.0]]


def test_what_was_not_measured_is_passed_over_in_fitting() -> None:
    fitted = Standardiser.fit(("a", "b"), torch.tensor([[1.0, torch.nan], [torch.nan] * 2, [3.0, torch.nan]]))
    assert fitted == Standardiser(("a", "b"), (2.0, 0.0), (1.0, 1.0))


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="for 2 columns"):
        Standardiser.fit(("a", "b"), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="infinite"):
        Standardiser.fit(("a",), torch.tensor([[torch.inf]]))
    with pytest.raises(ValueError, match="positive"):
        Standardiser(("a",), (0.0,), (0.0,))
    with pytest.raises(ValueError, match="1 columns, 2 means"):
        Standardiser(("a",), (0.0, 1.0), (1.0,))
    with pytest.raises(ValueError, match="for 1 columns"):
        Standardiser(("a",), (0.0,), (1.0,))(torch.zeros(3, 2))
