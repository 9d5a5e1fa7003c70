"""Shares that look at nothing of the sample: the best constant, and the scheduler's own, dealt out anew."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dmsbench.fusion.objective import unit_hash
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Points

#: Entries of a bank at most.
BANK = 1024
_ROUNDS, _SETTLED = 2000, 1e-9


@dataclass(frozen=True, slots=True)
class ShareBank:
    """N rows of P shares of the points; ``conditions``: under which damage each was measured, or empty.

    A sample gets the entry that a hash of its name picks. With the scheduler's shares of other samples
    as the bank, the distribution of weights stays that of the scheduler and the match with the sample is
    lost. A bank of one entry is a constant. Of a fit of each token an entry is one token's shares, and a
    whole caption gets it: more uneven than a scheduler's captions are on the mean.
    """

    shares: tuple[tuple[float, ...], ...]
    conditions: tuple[str, ...] = ()
    points: Points = CORNERS_AND_UNIFORM

    def __post_init__(self) -> None:
        if not self.shares or len(self.conditions) not in (0, len(self.shares)):
            raise ValueError(f"{len(self.shares)} rows of shares under {len(self.conditions)} conditions")
        for row in self.shares:
            if len(row) != len(self.points) or not min(row) >= 0 or not abs(sum(row) - 1.0) < 1e-4:
                raise ValueError(f"{row} are no shares of {len(self.points)} points")

    def __len__(self) -> int:
        return len(self.shares)

    @classmethod
    def drawn(cls, shares: torch.Tensor, conditions: Sequence[str], points: Points, seed: int) -> ShareBank:
        """At most ``BANK`` of the rows of shares (N, P), drawn by the seed."""
        order = sorted(range(len(shares)), key=lambda row: unit_hash(f"bank/{seed}/{row}"))[:BANK]
        rows = shares.double().tolist()
        return cls(tuple(tuple(rows[row]) for row in order), tuple(conditions[row] for row in order), points)

    def of(self, names: Sequence[str]) -> torch.Tensor:
        """Shares (B, P) of samples, by their names alone: order and batch do not matter."""
        picked = [int(unit_hash(f"entry/{name}") * len(self.shares)) for name in names]
        return torch.tensor(self.shares)[torch.tensor(picked, dtype=torch.long)]

    def settings(self) -> dict[str, float | str]:
        """How many entries, and a fingerprint of them."""
        digest = hashlib.blake2b(repr(self.shares).encode(), digest_size=16).hexdigest()
        return {"scheduler": "constant" if len(self) == 1 else "permuted", "bank": digest}


def best_constant(log_likelihood: torch.Tensor, weights: torch.Tensor) -> tuple[float, ...]:
    """The P shares π that maximise Σ_b weights_b · ln Σ_p π_p exp(ll_bp), ll (B, P) and weights (B,).

    What a learned scheduler without features is fitted to, by expectation maximisation instead of gradient
    steps: for mixture shares alone the likelihood is concave, and EM climbs to its one maximum (Dempster,
    Laird and Rubin, J. R. Stat. Soc. B 39, 1977). Weights must be positive.
    """
    row = weights.double() / weights.double().sum()
    # Relative to a row's best point, which cancels in the responsibilities and keeps exp from underflow.
    likely = (log_likelihood.double() - log_likelihood.double().max(dim=1, keepdim=True).values).exp()
    found = torch.full((likely.shape[1],), 1.0 / likely.shape[1], dtype=torch.float64)
    for _ in range(_ROUNDS):
        joint = likely * found
        better = row @ (joint / joint.sum(dim=1, keepdim=True))
        settled = float((better - found).abs().max()) < _SETTLED
        found = better
        if settled:
            break
    return tuple((found / found.sum()).tolist())
