"""The weight consistency loss beside a fit: what it is measured on, and what it changed.

A fitted scheduler's checkpoint is frozen, and with it the modalities' embeddings: with detached weights, as a
training run would have them, the loss has no gradient here at all. It acts on the weights alone, which can
lower it only by leaning on one modality (``fusion.loss``); so the weights' entropy is recorded with it. The
epoch is chosen by likelihood as ever: where λ costs more than the fit gains, that is the untrained one.
"""

from __future__ import annotations

from typing import Any

import torch

from dmsbench.fusion.loss import weight_consistency
from dmsbench.fusion.points import Evidence, Points, modality_weights
from dmsbench.training.collect import Collected
from dmsbench.training.validation import figures


def normalised(hidden: torch.Tensor, training: torch.Tensor) -> torch.Tensor:
    """Hidden states (N, M, D) over their root mean square length on the ``training`` rows (N,), float32.

    λ then means the same whatever the width and scale of a checkpoint.
    """
    found = hidden.float()
    length = found[training].square().sum(dim=2).mean().sqrt()
    return found / length.clamp_min(1e-12)


def compared(
    scale: float,
    shares: torch.Tensor,
    without: torch.Tensor,
    embeddings: torch.Tensor,
    evidence: Evidence,
    found: Collected,
    measured: torch.Tensor,
    points: Points,
) -> dict[str, Any]:
    """λ and, for the shares (N, P) fitted with the loss and those without, what came of it: JSON values.

    On the ``measured`` rows (N,): the loss for λ = 1, the weights' entropy in [0, 1], the embeddings' spread,
    and accuracy and log-likelihood as the other validation figures have them.
    """
    facts: dict[str, Any] = {"lambda": scale, "attached": True}
    for name, mixture in (("with", shares), ("without", without)):
        weights = modality_weights(mixture, points)[measured]
        loss = weight_consistency(weights, embeddings[measured])
        reached = figures(mixture, found, measured, points).learned
        facts[name] = {
            "loss": round(float(loss.loss), 6),
            "weight_entropy": round(float(loss.weight_entropy), 4),
            "spread": round(float(loss.spread), 6),
            "accuracy": round(reached.accuracy, 4),
            "log_likelihood": round(reached.log_likelihood, 4),
        }
    return facts
