"""The Modality Weight Consistency Loss of arXiv 2506.12724, and the ways in which it is won cheaply.

L = Σ_m w_m ‖z − z_m‖²: the fused representation stays near each modality's in proportion to its weight.
With z = Σ_m w_m z_m and two modalities L = w(1 − w)·‖z₁ − z₂‖². It is then 0 for one-hot weights and for
embeddings that have collapsed onto each other, whatever the task needs. So: ``detach_weights`` keeps its
gradient from the scheduler, and both escapes are measured beside the loss for a training log.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class WeightConsistency:
    """``loss`` (scalar, λ included); detached: ``weight_entropy`` in [0, 1] and ``spread``, for the log.

    ``weight_entropy``: mean H(w)/ln M, near 0 where weights have become one-hot. ``spread``: mean of
    Σ_m ‖z_m − z̄‖²/M around the modalities' plain mean, near 0 where embeddings have collapsed.
    """

    loss: torch.Tensor
    weight_entropy: torch.Tensor
    spread: torch.Tensor


def weight_consistency(
    weights: torch.Tensor,
    embeddings: torch.Tensor,
    fused: torch.Tensor | None = None,
    *,
    scale: float = 1.0,
    detach_weights: bool = True,
) -> WeightConsistency:
    """λ · mean over B of Σ_m w_m ‖z − z_m‖²; ``scale`` is λ ≥ 0.

    ``weights`` (B, M) on the simplex, ``embeddings`` (B, M, D), ``fused`` z (B, D), by default Σ_m w_m z_m.
    With ``detach_weights`` no gradient reaches the weights, through z neither; a fused representation that
    is passed in brings its own graph. Squared lengths are sums over D: λ has to be chosen with D in mind.

    Raises ValueError for shapes that do not fit and for λ that is negative or not finite.
    """
    if embeddings.ndim != 3 or weights.shape != embeddings.shape[:2]:
        raise ValueError(f"weights {tuple(weights.shape)} for embeddings {tuple(embeddings.shape)}")
    if fused is not None and fused.shape != (len(embeddings), embeddings.shape[2]):
        raise ValueError(f"fused of shape {tuple(fused.shape)} for embeddings {tuple(embeddings.shape)}")
    if not 0.0 <= scale < math.inf:
        raise ValueError(f"the loss weight must be finite and not negative, not {scale}")
    used = weights.detach() if detach_weights else weights
    centre = torch.einsum("bm,bmd->bd", used, embeddings) if fused is None else fused
    squares = (centre[:, None] - embeddings).square().sum(dim=2)
    loss = scale * (used * squares).sum(dim=1).mean()
    with torch.no_grad():
        entropy = torch.special.entr(weights).sum(dim=1).mean() / math.log(max(2, weights.shape[1]))
        middle = embeddings.mean(dim=1, keepdim=True)
        spread = (embeddings - middle).square().sum(dim=2).mean()
    return WeightConsistency(loss, entropy, spread)
