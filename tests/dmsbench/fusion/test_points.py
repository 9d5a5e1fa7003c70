"""Points of the simplex, and the two ways of joining what is said at them."""

from __future__ import annotations

import pytest
import torch

from dmsbench.fusion.points import (
    CORNERS_AND_UNIFORM,
    Evidence,
    Points,
    chosen,
    mix,
    modality_weights,
    pool,
)

THREE = Points(
    ("middle", "c", "a", "b"),
    ((1 / 3, 1 / 3, 1 / 3), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
)


def test_corners_and_uniform_are_found_whatever_the_order() -> None:
    assert CORNERS_AND_UNIFORM.corners == (0, 1)
    assert CORNERS_AND_UNIFORM.uniform == 2
    assert CORNERS_AND_UNIFORM.modalities == ("image", "text")
    assert THREE.corners == (2, 3, 1)
    assert THREE.uniform == 0
    assert THREE.modalities == ("a", "b", "c")


def test_points_that_are_missing_are_named() -> None:
    one = Points(("image",), ((1.0, 0.0),))
    with pytest.raises(ValueError, match="lack the corner of modality 1"):
        _ = one.corners
    with pytest.raises(ValueError, match="lack the uniform point"):
        _ = one.uniform


def test_the_largest_share_is_chosen_and_the_first_of_equals() -> None:
    shares = torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.0, 0.0, 1.0]])
    assert chosen(shares).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_mixture_and_pool_by_hand() -> None:
    said = torch.tensor([[[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]]])
    share = torch.tensor([[0.25, 0.25, 0.5]])
    assert mix(share, said)[0].tolist() == pytest.approx([0.55, 0.45])
    first, second = 0.8**0.25 * 0.4**0.25 * 0.5**0.5, 0.2**0.25 * 0.6**0.25 * 0.5**0.5
    assert pool(share, said)[0, 0].item() == pytest.approx(first / (first + second))
    assert modality_weights(torch.tensor([[0.6, 0.2, 0.2]]), CORNERS_AND_UNIFORM)[0].tolist() == (
        pytest.approx([0.7, 0.3])
    )


def test_the_pool_is_the_softmax_of_weighted_logits() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(6, 3, 7, generator=draw)
    weights = 2 * torch.rand(6, 3, generator=draw)
    direct = (weights[..., None] * (logits + 5.0)).sum(dim=1).softmax(dim=-1)
    torch.testing.assert_close(pool(weights, logits.softmax(dim=-1)), direct)
    certain = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert pool(torch.tensor([[0.5, 0.5]]), certain)[0].tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("which", [torch.tensor([3, 1]), torch.tensor([False, True, False, True])])
def test_rows_are_picked_in_every_part(which: torch.Tensor) -> None:
    draw = torch.Generator().manual_seed(0)
    whole = Evidence(
        torch.rand(4, 3, 5, generator=draw),
        torch.rand(4, 3, generator=draw),
        torch.rand(4, generator=draw),
        torch.rand(4, 2, 2, generator=draw),
        torch.rand(4, 3, generator=draw),
        ("a", "b", "c", "d"),
    )
    some, order = whole.rows(which), [3, 1] if which.dtype != torch.bool else [1, 3]
    assert len(some) == 2
    assert some.keys == tuple(whole.keys[i] for i in order)
    for name in ("probabilities", "uncertainty", "consistency", "typicality", "energy"):
        assert torch.equal(getattr(some, name), getattr(whole, name)[order])
    bare = Evidence(whole.probabilities, whole.uncertainty, whole.consistency).rows(which)
    assert bare.typicality is None
    assert bare.energy is None
    assert bare.keys == ()
