"""Points of the modality simplex, what the model says at each, and schedulers that mix them.

A checkpoint answered at a few fixed points (image only, text only, uniform) gives a distribution at each; a
point scheduler weighs these distributions sample by sample. The modality weights of a mixture are its mean
point: Σ_p π_p w_p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, slots=True)
class Points:
    """P named points of the simplex of M modalities; ``weights`` P rows of M shares that sum to 1."""

    names: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.weights) or len(set(self.names)) != len(self.names):
            raise ValueError("every point needs a name of its own")
        for row in self.weights:
            if min(row) < 0 or abs(sum(row) - 1.0) > 1e-6:
                raise ValueError(f"{row} is no point of the simplex")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def tensor(self) -> torch.Tensor:
        """The weights as a float tensor (P, M)."""
        return torch.tensor(self.weights)


#: The corners and the middle for image and text, in this order.
CORNERS_AND_UNIFORM = Points(("image", "text", "uniform"), ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5)))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a point scheduler sees of B rows that have all M modalities.

    ``probabilities`` (B, P, K): the outcome distributions at the points. ``uncertainty`` (B, P) in [0, 1]:
    their spread over Monte Carlo dropout passes. ``consistency`` (B,) in [0, 1]. ``typicality`` (B, M): log
    distances of each modality's pooled features from clean training data, NaN where not measured, or None.
    """

    probabilities: torch.Tensor
    uncertainty: torch.Tensor
    consistency: torch.Tensor
    typicality: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.consistency)


class PointScheduler(Protocol):
    """Anything that turns evidence into shares of the points."""

    points: Points
    #: Whether ``evidence.typicality`` is looked at.
    needs_typicality: bool

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P) of the points, each row non-negative and summing to 1."""

    def settings(self) -> dict[str, float | str]:
        """What identifies the scheduler in a manifest and in the key of a record."""
