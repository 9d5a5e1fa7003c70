"""Predicted correctness as weight, after PDF (Predictive Dynamic Fusion, arXiv 2406.04802)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch.nn import functional

from dmsbench.errors import ModelError
from dmsbench.fusion.features import Standardiser, top_and_margin
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points
from dmsbench.fusion.rivals import at_experts, chosen_points, on_experts
from dmsbench.fusion.signals import confidence

#: What a head sees of its own expert, and of nothing else.
COLUMNS = ("confidence", "top", "margin", "uncertainty")
_STEPS = 50
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class CorrectnessHead:
    """A logistic head of one expert: the probability that its answer is right, given its own signals."""

    standardiser: Standardiser
    slopes: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(
        cls, signals: torch.Tensor, correct: torch.Tensor, weights: torch.Tensor, ridge: float
    ) -> CorrectnessHead:
        """Penalised maximum likelihood by Newton's method in float64.

        ``signals`` (N, 4), ``correct`` (N,) in [0, 1], ``weights`` (N,) that sum to 1; the penalty is
        ridge/2 · ‖slopes‖², the intercept is free.
        """
        standardiser = Standardiser.fit(COLUMNS, signals)
        inputs = standardiser(signals).double()
        design = torch.cat([inputs, torch.ones(len(inputs), 1).double()], dim=1)
        target, weight = correct.double().cpu(), weights.double().cpu()
        penalty = torch.full((design.shape[1],), ridge).double()
        penalty[-1] = 0.0
        found = torch.zeros(design.shape[1]).double()

        def loss(at: torch.Tensor) -> float:
            logits = design @ at
            cost = functional.softplus(logits) - target * logits
            return float((weight * cost).sum() + 0.5 * (penalty * at.square()).sum())

        for _ in range(_STEPS):
            likely = torch.sigmoid(design @ found)
            gradient = design.T @ (weight * (likely - target)) + penalty * found
            curvature = (weight * likely * (1.0 - likely))[:, None] * design
            hessian = design.T @ curvature + torch.diag(penalty + 1e-9)
            step, size = torch.linalg.solve(hessian, gradient), 1.0
            while size > 1e-6 and loss(found - size * step) > loss(found):
                size /= 2.0
            found = found - size * step
            if float((size * step).abs().max()) < 1e-10:
                break
        return cls(standardiser, tuple(found[:-1].tolist()), float(found[-1]))

    def __call__(self, signals: torch.Tensor) -> torch.Tensor:
        """(B, 4) → (B,) in (0, 1)."""
        slopes = torch.tensor(self.slopes, dtype=torch.float64)
        likely: torch.Tensor = torch.sigmoid(self.standardiser(signals).double() @ slopes + self.intercept)
        return likely.float()


@dataclass(frozen=True, slots=True)
class PredictedCorrectness:
    """w = softmax over experts of (p̂_m + Σ_{j≠m} ln p̂_j / Σ_j ln p̂_j)·r_m, the paper's calibrated Co-Belief.

    p̂_m is a head's probability that the answer of expert (corner) m is right: the first term is the paper's
    mono-, the second its holo-confidence. r_m = min(1, D_m / mean_{j≠m} D_j) is its relative calibration,
    with D = mean_k |p_k − 1/K| the distance of an answer from a uniform one. The paper's heads are networks
    on a modality's features; these see the expert's own signals, since a frozen checkpoint is all there is.
    Fusing as the paper does, by a sum of logits, is ``points.LogPool`` over this.
    """

    heads: tuple[CorrectnessHead, ...]
    points: Points = CORNERS_AND_UNIFORM
    experts: str = "corners"
    needs_typicality: ClassVar[bool] = False

    def __post_init__(self) -> None:
        count = len(chosen_points(self.points, self.experts))
        if len(self.heads) != count:
            raise ValueError(f"{len(self.heads)} heads for {count} experts")

    @classmethod
    def fit(
        cls,
        evidence: Evidence,
        correct: torch.Tensor,
        *,
        points: Points = CORNERS_AND_UNIFORM,
        experts: str = "corners",
        weights: torch.Tensor | None = None,
        ridge: float = 1e-3,
    ) -> PredictedCorrectness:
        """One head per expert on training rows.

        ``correct`` (B, P): whether each point's answer is right, or its probability of the right outcome.
        ``weights`` (B,) that sum to 1, such as ``objective.condition_weights``; equal by default.
        ValueError for other shapes or values outside [0, 1].
        """
        if correct.shape != (len(evidence), len(points)):
            raise ValueError(f"correctness {tuple(correct.shape)}, not {(len(evidence), len(points))}")
        if not ((correct >= 0) & (correct <= 1)).all():
            raise ValueError("correctness must lie in [0, 1]")
        rows = torch.full((len(evidence),), 1.0 / len(evidence)) if weights is None else weights
        heads = tuple(
            CorrectnessHead.fit(point_signals(evidence, point), correct[:, point], rows, ridge)
            for point in chosen_points(points, experts)
        )
        return cls(heads, points, experts)

    def predicted(self, evidence: Evidence) -> torch.Tensor:
        """p̂ (B, E): the probability that each expert's answer is right."""
        experts = zip(self.heads, chosen_points(self.points, self.experts), strict=True)
        return torch.stack([head(point_signals(evidence, point)) for head, point in experts], dim=1)

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P)."""
        likely = self.predicted(evidence).clamp(_LEAST, 1.0 - _LEAST)
        said = at_experts(evidence.probabilities, self.points, self.experts)
        belief = co_belief(likely) * relative_calibration(said)
        return on_experts(belief.softmax(dim=1), self.points, self.experts)

    def settings(self) -> dict[str, float | str]:
        """Its name and a fingerprint of the heads."""
        content = json.dumps(self.card(), sort_keys=True).encode()
        return {"scheduler": "pdf", "fingerprint": hashlib.blake2b(content, digest_size=16).hexdigest()}

    def card(self) -> dict[str, Any]:
        """All of it as JSON values; ``from_card`` reads it."""
        return {
            "scheduler": "pdf",
            "points": {
                "names": list(self.points.names),
                "weights": [list(row) for row in self.points.weights],
            },
            "experts": self.experts,
            "columns": list(COLUMNS),
            "heads": [
                {
                    "mean": list(head.standardiser.mean),
                    "std": list(head.standardiser.std),
                    "slopes": list(head.slopes),
                    "intercept": head.intercept,
                }
                for head in self.heads
            ],
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> PredictedCorrectness:
        """The inverse of ``card``. ModelError for a card that is damaged or of other columns."""
        try:
            if card["scheduler"] != "pdf" or tuple(card["columns"]) != COLUMNS:
                raise ModelError("the card is not one of predicted correctness, or of another version")
            rows: Sequence[Sequence[float]] = card["points"]["weights"]
            points = Points(tuple(card["points"]["names"]), tuple(tuple(row) for row in rows))
            heads = []
            for head in card["heads"]:
                standardiser = Standardiser(COLUMNS, tuple(head["mean"]), tuple(head["std"]))
                slopes = tuple(float(slope) for slope in head["slopes"])
                if len(slopes) != len(COLUMNS):
                    raise ValueError(f"{len(slopes)} slopes for {len(COLUMNS)} columns")
                heads.append(CorrectnessHead(standardiser, slopes, float(head["intercept"])))
            return cls(tuple(heads), points, str(card["experts"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the card of predicted correctness is damaged: {error}") from error


def co_belief(likely: torch.Tensor) -> torch.Tensor:
    """p̂_m + Σ_{j≠m} ln p̂_j / Σ_j ln p̂_j of p̂ (B, M) in (0, 1), M ≥ 2: (B, M)."""
    logs = likely.log()
    total = logs.sum(dim=1, keepdim=True)
    return likely + (total - logs) / total


def relative_calibration(probabilities: torch.Tensor) -> torch.Tensor:
    """min(1, D_m / mean_{j≠m} D_j) of distributions (B, M, K): (B, M) in [0, 1]; 1 where nothing is known."""
    outcomes, modalities = probabilities.shape[-1], probabilities.shape[1]
    sure = (probabilities - 1.0 / outcomes).abs().mean(dim=-1)
    others = (sure.sum(dim=1, keepdim=True) - sure) / max(1, modalities - 1)
    return torch.where(sure < others, sure / others.clamp_min(1e-30), torch.ones_like(sure))


def point_signals(evidence: Evidence, point: int) -> torch.Tensor:
    """The columns ``COLUMNS`` (B, 4) of one point's answers, float32."""
    said = evidence.probabilities[:, point]
    columns = (confidence(said), *top_and_margin(said), evidence.uncertainty[:, point])
    return torch.stack([column.detach().float().cpu() for column in columns], dim=1)
