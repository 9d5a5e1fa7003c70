"""The three signals of DMS, each in [0, 1] (after arXiv 2506.12724, normalised; see each formula)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Signals:
    """Per sample and modality: confidence (B, M), uncertainty (B, M); per sample: consistency (B,)."""

    confidence: torch.Tensor
    uncertainty: torch.Tensor
    consistency: torch.Tensor


def confidence(probabilities: torch.Tensor) -> torch.Tensor:
    """1 − H(p)/ln K over the last axis of K outcomes: 0 for a uniform distribution, 1 for a certain one.

    The paper's 1 − H(p) lies in [1 − ln K, 1]; dividing by ln K makes it comparable between tasks. K = 1
    gives 1. Input (…, K) on the simplex, output (…).
    """
    outcomes = probabilities.shape[-1]
    if outcomes < 2:
        return torch.ones(probabilities.shape[:-1])
    entropy: torch.Tensor = torch.special.entr(probabilities).sum(dim=-1)
    return (1.0 - entropy / math.log(outcomes)).clamp(0.0, 1.0)


def uncertainty(passes: torch.Tensor) -> torch.Tensor:
    """Spread of T stochastic passes (T, …, K) as a standard deviation in [0, 1], output (…).

    sqrt(Σ_k Var_t[p_k] / (1 − 1/min(T, K))): the population variance over the passes, summed over the
    outcomes, divided by an upper bound of it (reached by passes that are certain of different outcomes
    and spread evenly over them).
    A plain mean of variances is about 1e-4 and vanishes beside the other signals.

    Raises ValueError for fewer than 2 passes.
    """
    count, outcomes = passes.shape[0], passes.shape[-1]
    if count < 2:
        raise ValueError("uncertainty needs at least 2 stochastic passes")
    largest = 1.0 - 1.0 / max(2, min(count, outcomes))
    spread = passes.var(dim=0, unbiased=False).sum(dim=-1)
    return (spread / largest).clamp(0.0, 1.0).sqrt()


def consistency(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Semantic consistency (1 + cosine)/2 of two embeddings (B, D): 1 the same direction, 0 the opposite."""
    return ((1.0 + functional.cosine_similarity(first, second, dim=-1)) / 2.0).clamp(0.0, 1.0)


def dropout_masks(passes: int, width: int, rate: float, seed: int = 0) -> torch.Tensor:
    """T fixed inverted-dropout masks (T, width), entries 0 or 1/(1 − rate).

    All samples share them: the signal then depends neither on the batch nor on the order of samples.

    Raises ValueError for a rate outside (0, 1): dropout that drops nothing would report u = 0 as measured.
    """
    if not 0.0 < rate < 1.0:
        raise ValueError(f"dropout rate must lie between 0 and 1, not {rate}")
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(passes, width, generator=generator) >= rate
    return kept.float() / (1.0 - rate)
