"""The weight consistency loss: its closed form, its two escapes, and where its gradient goes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.fusion.loss import weight_consistency


def embeddings(rows: int = 6, modalities: int = 2, width: int = 5, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, modalities, width, generator=draw).double()


@settings(deadline=None)
@given(st.floats(0.0, 1.0), st.integers(0, 50), st.floats(0.0, 10.0))
def test_two_modalities_have_the_closed_form(share: float, seed: int, scale: float) -> None:
    both = embeddings(seed=seed)
    weights = torch.tensor([[share, 1.0 - share]], dtype=torch.float64).expand(6, 2)
    gap = (both[:, 0] - both[:, 1]).square().sum(dim=1).mean()
    found = weight_consistency(weights, both, scale=scale)
    assert found.loss.item() == pytest.approx(scale * share * (1.0 - share) * gap.item(), abs=1e-9)


def test_it_is_minimised_by_one_hot_weights_and_by_collapse() -> None:
    both = embeddings()
    even = torch.full((6, 2), 0.5).double()
    hot = torch.eye(2).double().repeat(3, 1)
    assert weight_consistency(even, both).loss > 0.1
    assert weight_consistency(hot, both).loss.item() == 0.0
    assert weight_consistency(even, both[:, :1].expand(-1, 2, -1)).loss.item() == 0.0
    # What a log of the fit has to show for each escape to be seen.
    assert weight_consistency(even, both).weight_entropy.item() == pytest.approx(1.0)
    assert weight_consistency(hot, both).weight_entropy.item() == 0.0
    assert weight_consistency(hot, both).spread > 0.1
    assert weight_consistency(even, both[:, :1].expand(-1, 2, -1)).spread.item() == 0.0


def test_descent_on_attached_weights_ends_at_a_corner() -> None:
    both = embeddings()
    logits = torch.zeros(6, 2).double()
    logits[:, 0] = 0.1
    logits.requires_grad_()
    for _ in range(400):
        loss = weight_consistency(logits.softmax(dim=1), both, detach_weights=False).loss
        (step,) = torch.autograd.grad(loss, logits)
        logits = (logits - 5.0 * step).detach().requires_grad_()
    assert logits.softmax(dim=1)[:, 0].min() > 0.9


@pytest.mark.parametrize("detached", [True, False])
def test_where_the_gradient_goes(detached: bool) -> None:
    both = embeddings().requires_grad_()
    logits = torch.tensor([[0.3, -0.2]]).double().expand(6, 2).clone().requires_grad_()
    weight_consistency(logits.softmax(dim=1), both, detach_weights=detached).loss.backward()
    assert both.grad is not None
    assert both.grad.abs().sum() > 0
    assert (logits.grad is None) == detached
    assert logits.grad is None or logits.grad.abs().sum() > 0


def test_a_fused_representation_of_ones_own() -> None:
    three = embeddings(modalities=3)
    weights = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64).expand(6, 3)
    fused = embeddings(modalities=1, seed=9)[:, 0]
    expected = sum(
        share * float((fused[row] - three[row, m]).square().sum())
        for row in range(6)
        for m, share in enumerate((0.2, 0.3, 0.5))
    )
    assert weight_consistency(weights, three, fused).loss.item() == pytest.approx(expected / 6)


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="for embeddings"):
        weight_consistency(torch.rand(6, 3), embeddings())
    with pytest.raises(ValueError, match="fused of shape"):
        weight_consistency(torch.rand(6, 2), embeddings(), torch.rand(6, 4))
    for scale in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="loss weight"):
            weight_consistency(torch.rand(6, 2), embeddings(), scale=scale)
