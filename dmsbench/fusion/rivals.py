"""Published rivals of DMS over the same points. They weigh the corners, or every point as one expert more.

Papers weigh unimodal experts: the corners. With ``experts="all"`` the uniform point, the joint pass that DMS
may fall back on, is an expert too, so that a rival does not lose merely because it lacks it.
All are point schedulers: their shares mix probabilities like any other's (``points.Mixture``). Papers that
sum logits are followed by ``points.LogPool`` over the same shares; where a paper's weights do not sum to 1,
or its fusion is no weighting at all, the class has a ``fuse`` of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional

from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points, pool
from dmsbench.fusion.signals import confidence

LATE_SIGNALS = ("entropy", "top")
#: Which points a rival weighs: the modalities' corners, or all.
EXPERTS = ("corners", "all")
EVIDENCE_FUNCTIONS = ("softplus", "relu", "exp")
_LARGEST_EXPONENT = 30.0


def chosen_points(points: Points, experts: str = "corners") -> list[int]:
    """The indices of the E points that are weighed, one of ``EXPERTS``. ValueError for another word."""
    if experts not in EXPERTS:
        raise ValueError(f"experts must be one of {', '.join(EXPERTS)}, not {experts}")
    return list(range(len(points))) if experts == "all" else list(points.corners)


def on_experts(weights: torch.Tensor, points: Points, experts: str = "corners") -> torch.Tensor:
    """Weights (B, E) of the experts as shares (B, P) of the points; every other point gets 0."""
    share = weights.new_zeros(len(weights), len(points))
    share[:, chosen_points(points, experts)] = weights
    return share


def at_experts(values: torch.Tensor, points: Points, experts: str = "corners") -> torch.Tensor:
    """The experts' entries (B, E, …) of values (B, P, …) at the points; corners in the modalities' order."""
    return values[:, chosen_points(points, experts)]


def proportional(scores: torch.Tensor) -> torch.Tensor:
    """Scores (B, E) over their sum, negative ones as 0; a row without a positive score becomes uniform."""
    positive = scores.clamp_min(0.0)
    total = positive.sum(dim=1, keepdim=True)
    even = torch.full_like(positive, 1.0 / positive.shape[1])
    return torch.where(total > 0, positive / total.clamp_min(1e-30), even)


@dataclass(frozen=True, slots=True)
class LateFusion:
    """The corners' answers by their confidence: w ∝ c_m, or softmax(c_m/τ) with a ``temperature`` τ.

    ``signal``: "entropy" is 1 − H/ln K, "top" the largest probability.
    """

    signal: str = "entropy"
    temperature: float | None = None
    points: Points = CORNERS_AND_UNIFORM
    experts: str = "corners"
    needs_typicality: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.signal not in LATE_SIGNALS:
            raise ValueError(f"the signal must be one of {', '.join(LATE_SIGNALS)}, not {self.signal}")
        if self.temperature is not None and not 0.0 < self.temperature < math.inf:
            raise ValueError(f"the temperature must be finite and positive, not {self.temperature}")

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P)."""
        said = at_experts(evidence.probabilities, self.points, self.experts)
        sure = confidence(said) if self.signal == "entropy" else said.max(dim=-1).values
        weights = proportional(sure) if self.temperature is None else (sure / self.temperature).softmax(dim=1)
        return on_experts(weights, self.points, self.experts)

    def settings(self) -> dict[str, float | str]:
        """Its name, signal and temperature."""
        temperature = "proportional" if self.temperature is None else self.temperature
        return _named(self.experts, scheduler="late_fusion", signal=self.signal, temperature=temperature)


@dataclass(frozen=True, slots=True)
class MlaEntropy:
    """MLA (arXiv 2311.10707): w_m ∝ exp(max_j H_j − H_m) over a sample's corners, H in nats.

    The maximum cancels in the normalisation: w = softmax(−H). Weights are per sample, as the paper says; its
    public code takes that softmax over the batch.
    """

    points: Points = CORNERS_AND_UNIFORM
    experts: str = "corners"
    needs_typicality: ClassVar[bool] = False

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P)."""
        said = at_experts(evidence.probabilities, self.points, self.experts)
        entropy = torch.special.entr(said).sum(dim=-1)
        return on_experts(torch.softmax(-entropy, dim=1), self.points, self.experts)

    def settings(self) -> dict[str, float | str]:
        """Its name."""
        return _named(self.experts, scheduler="mla")


@dataclass(frozen=True, slots=True)
class QmfEnergy:
    """QMF (arXiv 2306.02050): weights logsumexp(f_m)/10, fused logits Σ_m w_m f_m.

    Logits are known up to a constant at best, and these weights move with it: they say something only of
    heads trained with this fusion, and are otherwise a rival by name. ``fuse`` is the paper's, weights not
    normalised; ``mixture`` normalises them, a negative energy counting as 0.
    """

    points: Points = CORNERS_AND_UNIFORM
    experts: str = "corners"
    needs_typicality: ClassVar[bool] = False

    def weights(self, evidence: Evidence) -> torch.Tensor:
        """The paper's weights (B, E), of any sign and sum. ValueError for evidence without energies."""
        return at_experts(_energy(evidence), self.points, self.experts) / 10.0

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P)."""
        return on_experts(proportional(self.weights(evidence)), self.points, self.experts)

    def fuse(self, evidence: Evidence) -> torch.Tensor:
        """softmax(Σ_m w_m f_m), (B, K): constants of f_m drop out here, though not from w_m."""
        return pool(self.weights(evidence), at_experts(evidence.probabilities, self.points, self.experts))

    def settings(self) -> dict[str, float | str]:
        """Its name."""
        return _named(self.experts, scheduler="qmf")


@dataclass(frozen=True, slots=True)
class TrustedFusion:
    """TMC (arXiv 2102.02051): evidence per corner, joined by the reduced Dempster's rule.

    e = act(f) ≥ 0 from the logits f, α = e + 1, S = Σ α, belief b = e/S, ignorance u = K/S. Two opinions
    join to b_k = (b¹_k b²_k + b¹_k u² + b²_k u¹)/(1 − C), u = u¹u²/(1 − C), C = Σ_{i≠j} b¹_i b²_j; further
    ones are folded in, which is the same in any order. ``fuse`` gives b_k + u/K, the mean of the joint
    Dirichlet. A network trained on cross-entropy gives evidence of an arbitrary scale: a rival for probes
    trained with an evidential loss, elsewhere by name. The rule takes the opinions for independent, which the
    uniform point, having seen what the corners saw, is not: ``experts="all"`` counts evidence twice.
    ``mixture`` weighs experts by their own 1 − u, for records: it is not how the answers are joined.
    """

    evidence_function: str = "softplus"
    points: Points = CORNERS_AND_UNIFORM
    experts: str = "corners"
    needs_typicality: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.evidence_function not in EVIDENCE_FUNCTIONS:
            known = ", ".join(EVIDENCE_FUNCTIONS)
            raise ValueError(f"the evidence function must be one of {known}, not {self.evidence_function}")

    def opinions(self, evidence: Evidence) -> tuple[torch.Tensor, torch.Tensor]:
        """Beliefs (B, E, K) and ignorance (B, E), float64; together they sum to 1 per expert."""
        logs = evidence.probabilities.double().clamp_min(1e-30).log()
        logits = at_experts(logs + _energy(evidence).double()[..., None], self.points, self.experts)
        if self.evidence_function == "exp":
            found = logits.clamp_max(_LARGEST_EXPONENT).exp()
        elif self.evidence_function == "relu":
            found = logits.clamp_min(0.0)
        else:
            found = functional.softplus(logits)
        strength = found.sum(dim=-1) + found.shape[-1]
        return found / strength[..., None], found.shape[-1] / strength

    def fuse(self, evidence: Evidence) -> torch.Tensor:
        """Outcome distributions (B, K), float32."""
        beliefs, ignorance = self.opinions(evidence)
        belief, unsure = beliefs[:, 0], ignorance[:, 0]
        for other in range(1, beliefs.shape[1]):
            belief, unsure = dempster(belief, unsure, beliefs[:, other], ignorance[:, other])
        return (belief + unsure[:, None] / belief.shape[1]).float()

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P) ∝ 1 − u of the experts."""
        _, ignorance = self.opinions(evidence)
        return on_experts(proportional(1.0 - ignorance).float(), self.points, self.experts)

    def settings(self) -> dict[str, float | str]:
        """Its name and evidence function."""
        return _named(self.experts, scheduler="tmc", evidence=self.evidence_function)


def dempster(
    first: torch.Tensor, first_unsure: torch.Tensor, second: torch.Tensor, second_unsure: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The reduced Dempster's rule: beliefs (B, K) and ignorance (B,) of two opinions → of their union."""
    agreed = first * second
    conflict = first.sum(dim=1) * second.sum(dim=1) - agreed.sum(dim=1)
    scale = (1.0 - conflict).clamp_min(1e-30)
    belief = agreed + first * second_unsure[:, None] + second * first_unsure[:, None]
    return belief / scale[:, None], first_unsure * second_unsure / scale


def _energy(evidence: Evidence) -> torch.Tensor:
    if evidence.energy is None:
        raise ValueError("the evidence holds no energies: this rival needs the logits' scale")
    return evidence.energy


def _named(experts: str, **settings: float | str) -> dict[str, float | str]:
    """Settings with the experts, where they are not the usual ones."""
    return settings if experts == "corners" else {**settings, "experts": experts}
