"""The signals, against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dmsbench.fusion.signals import confidence, consistency, dropout_masks, uncertainty

BIT = math.log(2.0)


@pytest.mark.parametrize("outcomes", [2, 3, 13, 32000])
def test_confidence_ends(outcomes: int) -> None:
    flat = torch.full((1, outcomes), 1.0 / outcomes)
    assert confidence(flat).item() == pytest.approx(0.0, abs=1e-5)
    assert confidence(torch.eye(outcomes if outcomes < 99 else 2)).unique().tolist() == [1.0]


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([0.5, 0.5, 0.0, 0.0], 0.5),  # 1 bit of 2
        ([0.5, 0.25, 0.125, 0.125], 1 - 1.75 / 2),
        ([0.9, 0.1], 1 - (-0.9 * math.log(0.9) - 0.1 * math.log(0.1)) / BIT),
        ([1 / 3, 2 / 3, 0.0], 1 - (math.log(3) - 2 / 3 * BIT) / math.log(3)),
        ([1.0], 1.0),
    ],
)
def test_confidence_by_hand(probabilities: list[float], expected: float) -> None:
    found = confidence(torch.tensor([probabilities, probabilities]))
    assert found.shape == (2,)
    assert found.tolist() == pytest.approx([expected] * 2, abs=1e-6)


def test_uncertainty_by_hand() -> None:
    same = torch.tensor([[0.7, 0.3]]).expand(5, 1, 2)
    assert uncertainty(same).item() == pytest.approx(0.0, abs=1e-6)
    # Passes that are certain of different outcomes: as large as it gets.
    for passes, outcomes in ((2, 2), (4, 2), (3, 3), (2, 13), (8, 4)):
        certain = torch.eye(outcomes)[torch.arange(passes) % outcomes][:, None]
        assert uncertainty(certain).item() == pytest.approx(1.0)
    # Var_t = 0.01 for both outcomes; 0.02 / (1 − 1/2) = 0.04; its root 0.2.
    assert uncertainty(torch.tensor([[[0.6, 0.4]], [[0.4, 0.6]]])).item() == pytest.approx(0.2)
    # Two passes of three outcomes, each variance 0.01, 0.01, 0: normalised by 1 − 1/min(2, 3).
    assert uncertainty(torch.tensor([[[0.6, 0.3, 0.1]], [[0.4, 0.5, 0.1]]])).item() == pytest.approx(0.2)
    assert uncertainty(torch.ones(3, 2, 1)).tolist() == [0.0, 0.0]


def test_uncertainty_does_not_vanish() -> None:
    """A wobble of two points in 13 outcomes stays visible beside a confidence in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(13, generator=generator) + 0.3 * torch.randn(8, 1, 13, generator=generator)
    assert uncertainty(logits.softmax(-1)).item() > 0.02


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_passes_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        uncertainty(torch.rand(count, 3, 4))


def test_consistency_by_hand() -> None:
    one = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [3.0, 0.0], [0.0, 0.0]])
    two = torch.tensor([[2.0, 0.0], [0.0, 5.0], [-1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    expected = [1.0, 0.5, 0.0, (1 + math.sqrt(0.5)) / 2, 0.5]
    assert consistency(one, two).tolist() == pytest.approx(expected, abs=1e-6)


simplex = arrays.arrays(np.float64, (4, 3, 5), elements=st.floats(1e-6, 1.0)).map(
    lambda raw: torch.from_numpy(raw / raw.sum(axis=-1, keepdims=True))
)


@settings(deadline=None)
@given(simplex)
def test_ranges(points: torch.Tensor) -> None:
    for dtype in (torch.float64, torch.float32):
        for signal in (confidence(points.to(dtype)), uncertainty(points.to(dtype))):
            assert ((signal >= 0) & (signal <= 1)).all()
    found = consistency(points[0] - 0.2, points[1] - 0.2)
    assert ((found >= 0) & (found <= 1)).all()


@settings(deadline=None)
@given(simplex, st.permutations(range(5)), st.permutations(range(4)))
def test_the_order_of_outcomes_and_of_passes_does_not_matter(
    points: torch.Tensor, outcomes: list[int], passes: list[int]
) -> None:
    torch.testing.assert_close(confidence(points), confidence(points[..., outcomes]))
    torch.testing.assert_close(uncertainty(points), uncertainty(points[passes]), atol=1e-7, rtol=1e-5)


def test_dropout_masks_are_fixed_and_unbiased() -> None:
    before = torch.get_rng_state()
    masks = dropout_masks(400, 50, 0.2)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(masks, dropout_masks(400, 50, 0.2))
    assert not torch.equal(masks, dropout_masks(400, 50, 0.2, seed=1))
    assert torch.allclose(masks.unique(), torch.tensor([0.0, 1.25]))
    assert masks.mean().item() == pytest.approx(1.0, abs=0.02)
    assert len({tuple(mask.tolist()) for mask in masks}) == 400


def test_the_signal_of_a_sample_does_not_depend_on_its_batch() -> None:
    hidden = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    head = 0.2 * torch.randn(32, 5, generator=torch.Generator().manual_seed(1))

    def measured(rows: list[int]) -> list[float]:
        masks = dropout_masks(8, 32, 0.1)
        found: list[float] = uncertainty(((hidden[rows][None] * masks[:, None]) @ head).softmax(-1)).tolist()
        return found

    whole = measured([0, 1, 2, 3, 4, 5])
    assert measured([5, 4, 3, 2, 1, 0])[::-1] == pytest.approx(whole, abs=1e-6)
    assert [measured([row])[0] for row in range(6)] == pytest.approx(whole, abs=1e-6)
    assert min(whole) > 0.01


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_dropout_that_drops_nothing_or_all_is_refused(rate: Any) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        dropout_masks(8, 16, rate)
