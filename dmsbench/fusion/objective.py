"""What a mixture is worth on labelled rows, and the split that it is chosen on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def mixture_log_likelihood(shares: torch.Tensor, log_likelihood: torch.Tensor) -> torch.Tensor:
    """ln Σ_p π_p exp(ll_p) of shares and log-likelihoods (B, P): ln of the mixture's probability, (B,).

    A share below 1e-30 counts as 1e-30, so that gradients stay finite.
    """
    return torch.logsumexp(shares.clamp_min(1e-30).log() + log_likelihood, dim=1)


def answer_log_likelihood(probabilities: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    """ln p of the right outcome (B,) at each point of (B, P, K), as (B, P), at least ln 1e-12."""
    picked = answer[:, None, None].expand(-1, probabilities.shape[1], 1)
    return probabilities.gather(2, picked)[..., 0].double().clamp_min(1e-12).log()


def condition_weights(conditions: Sequence[str]) -> torch.Tensor:
    """Weights (B,) that sum to 1 and give every condition the same total, however many rows it has."""
    counts: dict[str, int] = {}
    for condition in conditions:
        counts[condition] = counts.get(condition, 0) + 1
    return torch.tensor([1.0 / (len(counts) * counts[condition]) for condition in conditions]).double()


def mean_log_likelihood(
    shares: torch.Tensor, log_likelihood: torch.Tensor, conditions: Sequence[str]
) -> float:
    """The mean over conditions of the mixture's log-probability of the right answer."""
    gain = mixture_log_likelihood(shares.double(), log_likelihood.double())
    return float((condition_weights(conditions) * gain).sum())


def mean_accuracy(probabilities: torch.Tensor, answer: torch.Tensor, conditions: Sequence[str]) -> float:
    """The mean over conditions of how often the likeliest outcome of (B, K) is the right one (B,)."""
    right = (probabilities.argmax(dim=1) == answer).double()
    return float((condition_weights(conditions) * right).sum())


def choose(candidates: Iterable[T], value: Callable[[T], float]) -> tuple[T, float]:
    """The candidate of highest value on validation rows, the first among equals, with its value.

    Raises ValueError where there is no candidate, or none with a value that is a number.
    """
    best: tuple[T, float] | None = None
    for candidate in candidates:
        worth = value(candidate)
        if not math.isnan(worth) and (best is None or worth > best[1]):
            best = candidate, worth
    if best is None:
        raise ValueError("no candidate to choose from")
    return best


def split_by_group(groups: Sequence[str], fraction: float, seed: int = 0) -> torch.Tensor:
    """Which rows (B,) bool are held out: about ``fraction`` of the groups, each wholly in or out.

    A group's side depends on its name and the seed alone. ValueError for a fraction outside (0, 1), or where
    one side would be empty.
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"the fraction held out must lie between 0 and 1, not {fraction}")
    sides = {group: unit_hash(f"{seed}/{group}") < fraction for group in set(groups)}
    if len(set(sides.values())) < 2:
        raise ValueError(f"{len(sides)} groups are too few to hold out a fraction of {fraction}")
    return torch.tensor([sides[group] for group in groups])


def unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return math.ldexp(int.from_bytes(digest, "big") >> 11, -53)
