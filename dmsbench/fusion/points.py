"""Points of the modality simplex, what the model says at each, and schedulers that mix them.

A checkpoint answered at a few fixed points (image only, text only, uniform) gives a distribution at each; a
point scheduler weighs these distributions sample by sample. The modality weights of a mixture are its mean
point: Σ_p π_p w_p.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

#: Log-probabilities below this count as this in a logarithmic pool.
LEAST_LOG = math.log(1e-30)


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

    @property
    def corners(self) -> tuple[int, ...]:
        """Per modality the index of the point that has all weight on it. ValueError where one is missing."""
        modalities = len(self.weights[0])
        return tuple(
            self._index(tuple(float(m == other) for other in range(modalities)), f"corner of modality {m}")
            for m in range(modalities)
        )

    @property
    def uniform(self) -> int:
        """The index of the point of static fusion. ValueError where it is missing."""
        modalities = len(self.weights[0])
        return self._index((1.0 / modalities,) * modalities, "uniform point")

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities' names: those of their corners."""
        return tuple(self.names[corner] for corner in self.corners)

    def _index(self, wanted: tuple[float, ...], what: str) -> int:
        for index, row in enumerate(self.weights):
            if max(abs(a - b) for a, b in zip(row, wanted, strict=True)) <= 1e-6:
                return index
        raise ValueError(f"the points {', '.join(self.names)} lack the {what}")


#: The corners and the middle for image and text, in this order.
CORNERS_AND_UNIFORM = Points(("image", "text", "uniform"), ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5)))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a point scheduler sees of B rows that have all M modalities, in float32 on the CPU.

    ``probabilities`` (B, P, K): the outcome distributions at the points. ``uncertainty`` (B, P) in [0, 1]:
    their spread over Monte Carlo dropout passes. ``consistency`` (B,) in [0, 1]. ``typicality`` (B, M, 2):
    the two log distances of each modality's pooled features from clean training data that
    ``Typicality.distance`` gives, NaN where not measured, or None. ``energy`` (B, P): logsumexp of the
    outcomes' logits at each point, or None; log p + energy are the logits again. ``keys``: per row a name
    that no other row has, such as sample and condition, or empty; the permutation control pairs rows by it.
    """

    probabilities: torch.Tensor
    uncertainty: torch.Tensor
    consistency: torch.Tensor
    typicality: torch.Tensor | None = None
    energy: torch.Tensor | None = None
    keys: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.consistency)

    def rows(self, which: torch.Tensor) -> Evidence:
        """The rows that a bool mask (B,) or indices (N,) pick."""
        index = which.nonzero()[:, 0] if which.dtype == torch.bool else which
        return Evidence(
            probabilities=self.probabilities[index],
            uncertainty=self.uncertainty[index],
            consistency=self.consistency[index],
            typicality=None if self.typicality is None else self.typicality[index],
            energy=None if self.energy is None else self.energy[index],
            keys=tuple(self.keys[i] for i in index.tolist()) if self.keys else (),
        )


class PointScheduler(Protocol):
    """Anything that turns evidence into shares of the points."""

    @property
    def points(self) -> Points:
        """The points that ``mixture`` has shares of, in the order of the evidence's."""

    @property
    def needs_typicality(self) -> bool:
        """Whether ``evidence.typicality`` is looked at."""

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P) of the points, each row non-negative and summing to 1."""

    def settings(self) -> dict[str, float | str]:
        """What identifies the scheduler in a manifest and in the key of a record."""


@runtime_checkable
class FusionRule(Protocol):
    """Anything that turns evidence into one outcome distribution per row, by a mixture or otherwise."""

    @property
    def points(self) -> Points:
        """The points that the evidence has to hold."""

    def fuse(self, evidence: Evidence) -> torch.Tensor:
        """Outcome distributions (B, K), each row summing to 1."""

    def settings(self) -> dict[str, float | str]:
        """What identifies the rule in a manifest and in the key of a record."""


def modality_weights(shares: torch.Tensor, points: Points) -> torch.Tensor:
    """The mean point (B, M) of shares (B, P): Σ_p π_p w_p."""
    return shares @ points.tensor.to(shares)


def chosen(shares: torch.Tensor) -> torch.Tensor:
    """Shares (B, P) that are 1 at the point with the largest share, the first of equals, and 0 elsewhere."""
    return torch.nn.functional.one_hot(shares.argmax(dim=1), shares.shape[1]).to(shares)


def mix(shares: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """The mixture (B, K) = Σ_p π_p p_p of distributions (B, P, K) under shares (B, P)."""
    return torch.einsum("bp,bpk->bk", shares.to(probabilities), probabilities)


def pool(shares: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """The logarithmic pool (B, K) ∝ Π_p p_p^π_p: what a π-weighted sum of the logits gives.

    Weights (B, P) need not sum to 1. Probabilities below 1e-30 count as 1e-30.
    """
    logs = probabilities.log().clamp_min(LEAST_LOG)
    return torch.einsum("bp,bpk->bk", shares.to(logs), logs).softmax(dim=-1)


@dataclass(frozen=True, slots=True)
class Mixture:
    """The fusion rule of a point scheduler: its shares mix the answers at the points."""

    scheduler: PointScheduler

    @property
    def points(self) -> Points:
        """The scheduler's points."""
        return self.scheduler.points

    def fuse(self, evidence: Evidence) -> torch.Tensor:
        """Outcome distributions (B, K)."""
        return mix(self.scheduler.mixture(evidence), evidence.probabilities)

    def settings(self) -> dict[str, float | str]:
        """The scheduler's settings."""
        return {"fusion": "mixture", **self.scheduler.settings()}


@dataclass(frozen=True, slots=True)
class LogPool:
    """The logarithmic pool under a point scheduler's shares: fusion of logits, as QMF, PDF and MLA do it."""

    scheduler: PointScheduler

    @property
    def points(self) -> Points:
        """The scheduler's points."""
        return self.scheduler.points

    def fuse(self, evidence: Evidence) -> torch.Tensor:
        """Outcome distributions (B, K)."""
        return pool(self.scheduler.mixture(evidence), evidence.probabilities)

    def settings(self) -> dict[str, float | str]:
        """The scheduler's settings."""
        return {"fusion": "log_pool", **self.scheduler.settings()}
