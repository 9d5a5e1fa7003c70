"""Rivals and controls from the evidence of a fit: what competes with the scheduler has had the same data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import torch

from dmsbench.fusion.blind import ShareBank, best_constant
from dmsbench.fusion.correctness import PredictedCorrectness
from dmsbench.fusion.fitting import LEAST_LOG_LIKELIHOOD
from dmsbench.fusion.objective import choose, condition_weights, mean_log_likelihood, mixture_log_likelihood
from dmsbench.fusion.points import Evidence, Points, PointScheduler, mix, pool
from dmsbench.fusion.rivals import EXPERTS, LATE_SIGNALS, LateFusion, MlaEntropy, QmfEnergy, TrustedFusion
from dmsbench.fusion.rule import PointRule, fit_temperatures, grid
from dmsbench.models.decoding import POOLINGS
from dmsbench.models.fitted_rivals import FittedRivals
from dmsbench.training.collect import Collected, picked

#: Temperatures of late fusion that are tried; None is in proportion.
TEMPERATURES = (None, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02)


@dataclass(frozen=True, slots=True)
class Split:
    """Rows (N,) bool: what is fitted to, what is chosen by, and what the figures come from."""

    training: torch.Tensor
    stopping: torch.Tensor
    measured: torch.Tensor


def fit_rivals(
    found: Collected,
    evidence: Evidence,
    shares: torch.Tensor,
    constant: tuple[float, ...],
    split: Split,
    points: Points,
    seed: int,
) -> FittedRivals:
    """All rivals of a scheduler whose ``shares`` (N, P) of the collected rows are given.

    ``constant``: the P shares that the best constant has. Predicted correctness is fitted to the training
    rows; the rule's hyperparameters and late fusion's temperature are chosen on the stopping rows, whose
    images nothing is fitted to. All count conditions alike, as the scheduler's fit does, and maximise what
    it maximises, the log-probability of the right answer; for logit pooling, whose answers' probability is
    not a sum, that of the right outcome. The bank holds shares of rows outside training.
    """
    right = _right(found.said, found.right)
    pdf = {
        experts: PredictedCorrectness.fit(
            evidence.rows(split.training),
            right[split.training],
            points=points,
            experts=experts,
            weights=_weights(found, split.training),
        )
        for experts in EXPERTS
    }
    held_out = ~split.training
    return FittedRivals(
        chosen_rule(found, evidence, split.stopping, points),
        {
            (pooling, experts): _late(found, evidence, split.stopping, points, pooling, experts)
            for pooling, experts in product(POOLINGS, EXPERTS)
        },
        pdf,
        ShareBank((constant,), points=points),
        ShareBank.drawn(shares[held_out], picked(found.conditions, held_out), points, seed),
    )


def chosen_rule(found: Collected, evidence: Evidence, rows: torch.Tensor, points: Points) -> PointRule:
    """The rule of the highest mean log-probability on these rows, the gentlest of equals.

    Tried with the temperature of each point that fits these rows best, and without any. Where several
    outcomes are right the temperature is that of the first of them.
    """
    known = rows & found.right.any(dim=1)
    rules = grid(points)
    if known.any():
        answer = found.right[known].int().argmax(dim=1)
        fitted = fit_temperatures(found.said[known], answer, _weights(found, known))
        rules = chain(rules, grid(points, fitted))
    return choose(rules, _worth(found, evidence, rows))[0]


def rival_figures(
    rivals: FittedRivals, found: Collected, evidence: Evidence, split: Split, points: Points
) -> dict[str, Any]:
    """What each rival reaches on the measured rows, as plain JSON values for the card.

    ``accuracy``: mean over conditions of right first tokens; ``log_likelihood`` of right answers for those
    that mix answers. Rivals by name, pooling and experts, as the model options spell them. Beside the best
    constant stands the one that the scheduler without features would be, the likeliest on all rows but these.
    """
    measured = split.measured
    rows, at, said = evidence.rows(measured), measured.nonzero()[:, 0], found.said[measured]
    names = [str(row) for row in at.tolist()]
    weights = condition_weights(picked(found.conditions, measured))
    every = found.log_likelihood.double().clamp_min(LEAST_LOG_LIKELIHOOD)
    likelihood, likeliest = every[measured], best_constant(every[~measured], _weights(found, ~measured))

    def accuracy(fused: torch.Tensor) -> float:
        best = fused.argmax(dim=1, keepdim=True)
        hits = found.right[measured].gather(1, best)[:, 0].double()
        return round(float(hits @ weights), 4)

    def mixed(shares: torch.Tensor) -> dict[str, float]:
        gain = mixture_log_likelihood(shares.double(), likelihood)
        fused = mix(shares.float(), said)
        return {"accuracy": accuracy(fused), "log_likelihood": round(float(gain @ weights), 4)}

    figures: dict[str, Any] = {
        "rule": {**mixed(rivals.rule.mixture(rows)), **rivals.rule.settings()},
        "constant": {**mixed(rivals.constant.of(names)), "shares": list(rivals.constant.shares[0])},
        "constant/likelihood": {
            **mixed(torch.tensor(likeliest).expand(len(rows), -1)),
            "shares": [round(share, 4) for share in likeliest],
        },
        "permuted": mixed(rivals.permuted.of(names)),
    }
    for experts in EXPERTS:
        for pooling in POOLINGS:
            late = rivals.late[pooling, experts]
            for rival in (late, *_weighing(points, experts), rivals.pdf[experts]):
                shares = rival.mixture(rows)
                name = "late" if rival is late else str(rival.settings()["scheduler"])
                figures[f"{name}/{pooling}/{experts}"] = (
                    mixed(shares) if pooling == "probability" else {"accuracy": accuracy(pool(shares, said))}
                )
            figures[f"late/{pooling}/{experts}"].update(late.settings())
        if found.judged is None:
            joined = TrustedFusion(points=points, experts=experts).fuse(rows)
            figures[f"tmc/{experts}"] = {"accuracy": accuracy(joined)}
    return figures


def _weighing(points: Points, experts: str) -> Iterator[PointScheduler]:
    """The rivals that have nothing to fit."""
    yield MlaEntropy(points, experts)
    yield QmfEnergy(points, experts)


def _late(
    found: Collected, evidence: Evidence, rows: torch.Tensor, points: Points, pooling: str, experts: str
) -> LateFusion:
    candidates = (
        LateFusion(signal, temperature, points, experts)
        for temperature, signal in product(TEMPERATURES, LATE_SIGNALS)
    )
    return choose(candidates, _worth(found, evidence, rows, pooling))[0]


def _worth(
    found: Collected, evidence: Evidence, rows: torch.Tensor, pooling: str = "probability"
) -> Callable[[PointScheduler], float]:
    """The mean over families of the log-probability of the right answer, or of the right outcomes."""
    chosen, families = evidence.rows(rows), picked(found.families, rows)
    likelihood = found.log_likelihood[rows].double().clamp_min(LEAST_LOG_LIKELIHOOD)
    weights = condition_weights(families)

    def mixture(scheduler: PointScheduler) -> float:
        return mean_log_likelihood(scheduler.mixture(chosen), likelihood, families)

    def pooled(scheduler: PointScheduler) -> float:
        fused = pool(scheduler.mixture(chosen), found.said[rows])
        said = (fused * found.right[rows]).sum(dim=1).double().clamp_min(1e-12).log()
        return float(said @ weights)

    return mixture if pooling == "probability" else pooled


def _right(probabilities: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Whether the likeliest outcome at each point is a right one: (N, P) of 0 and 1, float64."""
    return right.gather(1, probabilities.argmax(dim=2)).double()


def _weights(found: Collected, rows: torch.Tensor) -> torch.Tensor:
    return condition_weights(picked(found.families, rows))
