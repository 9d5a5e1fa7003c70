"""Schedulers: from signals to weights on the modality simplex."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Protocol

import torch

from dmsbench.fusion.signals import Signals


class Scheduler(Protocol):
    """Anything that turns signals into weights (B, M), each row non-negative and summing to 1."""

    def weights(self, signals: Signals) -> torch.Tensor:
        """Weights (B, M) of the modalities of each sample."""

    def settings(self) -> dict[str, float | str]:
        """What identifies the scheduler in a manifest and in the key of a record."""


@dataclass(frozen=True, slots=True)
class RuleScheduler:
    """w = softmax(k(s) · (α·c − β·u)) with sharpness k(s) = 1 − s.

    Confidence c raises a modality's weight, uncertainty u lowers it. The semantic consistency s cannot
    stand beside them, since a term shared by both modalities cancels in the softmax; it sets how far the
    weights may leave uniform: modalities that agree need no choice. α = β = 0 is static fusion.
    """

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.alpha < math.inf and 0.0 <= self.beta < math.inf):
            raise ValueError(f"alpha and beta must be finite and not negative, not {self.alpha}, {self.beta}")

    def weights(self, signals: Signals) -> torch.Tensor:
        """Weights (B, M)."""
        sharpness = (1.0 - signals.consistency)[:, None]
        merit = self.alpha * signals.confidence - self.beta * signals.uncertainty
        return torch.softmax(sharpness * merit, dim=1)

    def settings(self) -> dict[str, float | str]:
        """Its name and hyperparameters."""
        return {"scheduler": "rule", **asdict(self)}


@dataclass(frozen=True, slots=True)
class FixedScheduler:
    """The same weights for every sample: (1, 0) is image only, (0, 1) text only, (½, ½) static fusion."""

    point: tuple[float, ...]

    def __post_init__(self) -> None:
        if not (self.point and min(self.point) >= 0 and abs(sum(self.point) - 1.0) <= 1e-6):
            raise ValueError(f"{self.point} is no point of the simplex")

    def weights(self, signals: Signals) -> torch.Tensor:
        """Weights (B, M)."""
        return torch.tensor(self.point).expand(len(signals.consistency), -1)

    def settings(self) -> dict[str, float | str]:
        """Its name and point."""
        return {"scheduler": "fixed", "point": ",".join(repr(float(share)) for share in self.point)}
