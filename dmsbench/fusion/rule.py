"""The training-free rule over points: the paper's scores, calibrated, choosing among answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch

from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points
from dmsbench.fusion.signals import confidence

ALPHAS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
BETAS = (0.0, 1.0, 5.0)
SHARPNESS = (0.0, 1.0)
BONUSES = (0.0, 1.0, 2.0, 4.0)
_RANGE = (0.05, 20.0)  # temperatures looked at


@dataclass(frozen=True, slots=True)
class PointRule:
    """π = softmax over points of k(s)·(α·c_p − β·u_p) + γ·[p is uniform], k(s) = (1 − s)^sharpness.

    c_p is the confidence 1 − H/ln K of the distribution p_p^(1/T_p), renormalised, with a temperature per
    point (none: 1): two corners' confidences can be compared only once both are calibrated. Temperatures
    shape the shares alone; the answers that are mixed stay as they are. u_p is the uncertainty, s the
    consistency: sharpness 0 ignores it, 1 is the rule of ``RuleScheduler``. ``uniform_bonus`` γ holds the
    mixture at static fusion until the signals speak up; α = β = 0 with a large γ is static fusion.
    """

    alpha: float
    beta: float
    sharpness: float = 1.0
    temperatures: tuple[float, ...] = ()
    uniform_bonus: float = 0.0
    points: Points = CORNERS_AND_UNIFORM

    def __post_init__(self) -> None:
        numbers = (self.alpha, self.beta, self.sharpness)
        if not all(0.0 <= number < math.inf for number in numbers) or not math.isfinite(self.uniform_bonus):
            raise ValueError("alpha, beta and sharpness must be finite and not negative, the bonus finite")
        if self.temperatures and len(self.temperatures) != len(self.points):
            raise ValueError(f"{len(self.temperatures)} temperatures for {len(self.points)} points")
        if not all(0.0 < temperature < math.inf for temperature in self.temperatures):
            raise ValueError("temperatures must be finite and positive")

    @property
    def needs_typicality(self) -> bool:
        """Never."""
        return False

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P)."""
        probabilities = evidence.probabilities
        if self.temperatures:
            probabilities = temper(probabilities, torch.tensor(self.temperatures))
        merit = self.alpha * confidence(probabilities) - self.beta * evidence.uncertainty
        logits = (1.0 - evidence.consistency)[:, None] ** self.sharpness * merit
        if self.uniform_bonus:
            bonus = torch.zeros(len(self.points))
            bonus[self.points.uniform] = self.uniform_bonus
            logits = logits + bonus.to(logits)
        return torch.softmax(logits, dim=1)

    def settings(self) -> dict[str, float | str]:
        """Its name and hyperparameters."""
        return {
            "scheduler": "point_rule",
            "alpha": self.alpha,
            "beta": self.beta,
            "sharpness": self.sharpness,
            "temperatures": ",".join(repr(float(one)) for one in self.temperatures),
            "uniform_bonus": self.uniform_bonus,
        }


def grid(
    points: Points = CORNERS_AND_UNIFORM,
    temperatures: tuple[float, ...] = (),
    *,
    alphas: Sequence[float] = ALPHAS,
    betas: Sequence[float] = BETAS,
    sharpness: Sequence[float] = SHARPNESS,
    bonuses: Sequence[float] = BONUSES,
) -> Iterator[PointRule]:
    """Every combination, the weakest rules first, for ``objective.choose`` on validation rows."""
    for alpha, beta, sharp, bonus in product(alphas, betas, sharpness, bonuses):
        yield PointRule(alpha, beta, sharp, temperatures, bonus, points)


def temper(probabilities: torch.Tensor, temperatures: torch.Tensor) -> torch.Tensor:
    """p^(1/T) renormalised, per point: (B, P, K) and (P,) → (B, P, K). Outcomes of 0 stay at 0."""
    logs = probabilities.log() / temperatures.to(probabilities)[:, None]
    return logs.softmax(dim=-1)


def fit_temperatures(
    probabilities: torch.Tensor, answer: torch.Tensor, weights: torch.Tensor | None = None
) -> tuple[float, ...]:
    """Per point the T in [0.05, 20] with the least negative log-likelihood of the right outcomes.

    ``probabilities`` (B, P, K), ``answer`` (B,) outcome indices, ``weights`` (B,) of the rows, equal by
    default. Temperature scaling, Guo et al., arXiv 1706.04599: the loss is convex in 1/T, so a golden
    section finds its minimum.
    """
    logs = probabilities.detach().double().cpu().clamp_min(1e-12).log()
    rows = torch.full((len(logs),), 1.0 / max(1, len(logs))).double() if weights is None else weights.double()

    def loss(point: int, cold: float) -> float:
        scaled = torch.log_softmax(logs[:, point] * cold, dim=-1)
        return -float((rows * scaled.gather(1, answer[:, None])[:, 0]).sum())

    return tuple(1.0 / _least(point, loss) for point in range(logs.shape[1]))


def _least(point: int, loss: Callable[[int, float], float]) -> float:
    """The inverse temperature of least loss."""
    low, high = 1.0 / _RANGE[1], 1.0 / _RANGE[0]
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    inner, outer = high - golden * (high - low), low + golden * (high - low)
    at_inner, at_outer = loss(point, inner), loss(point, outer)
    while high - low > 1e-4:
        if at_inner <= at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - golden * (high - low)
            at_inner = loss(point, inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + golden * (high - low)
            at_outer = loss(point, outer)
    return (low + high) / 2.0
