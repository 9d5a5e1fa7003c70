"""Controls: schedulers that must not win if scheduling is what helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dmsbench.fusion.objective import unit_hash
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points, PointScheduler


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """All share on the point of this name in every row: image only, text only, static."""

    name: str
    points: Points = CORNERS_AND_UNIFORM

    def __post_init__(self) -> None:
        if self.name not in self.points.names:
            raise ValueError(f"no point '{self.name}' among {', '.join(self.points.names)}")

    @property
    def needs_typicality(self) -> bool:
        """Never."""
        return False

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P), one-hot."""
        share = torch.zeros(len(evidence), len(self.points))
        share[:, self.points.names.index(self.name)] = 1.0
        return share

    def settings(self) -> dict[str, float | str]:
        """Its name and point."""
        return {"scheduler": "fixed_point", "point": self.name}


@dataclass(frozen=True, slots=True)
class Permuted:
    """Another scheduler's shares, each row given those of another row: the mean stays, the match is lost.

    The rows of one call are permuted among themselves, by ``evidence.keys``: whoever wants a permutation
    over a whole data set has to pass it whole, or permute afterwards with ``permuted``.
    """

    scheduler: PointScheduler
    seed: int = 0

    @property
    def points(self) -> Points:
        """The scheduler's points."""
        return self.scheduler.points

    @property
    def needs_typicality(self) -> bool:
        """As the scheduler."""
        return self.scheduler.needs_typicality

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P). ValueError for evidence without a key for each row."""
        if len(evidence.keys) != len(evidence):
            raise ValueError(f"{len(evidence.keys)} keys for {len(evidence)} rows to permute")
        return permuted(self.scheduler.mixture(evidence), evidence.keys, self.seed)

    def settings(self) -> dict[str, float | str]:
        """The scheduler's settings, the control and its seed."""
        return {**self.scheduler.settings(), "control": "permuted", "control_seed": self.seed}


def permuted(
    shares: torch.Tensor, keys: Sequence[str], seed: int = 0, *, strata: Sequence[str] | None = None
) -> torch.Tensor:
    """Shares (B, P) with every row's taken from another row of its stratum, by ``donors``."""
    return shares[torch.tensor(donors(keys, seed, strata=strata), dtype=torch.long, device=shares.device)]


def donors(keys: Sequence[str], seed: int = 0, *, strata: Sequence[str] | None = None) -> list[int]:
    """Per row the index of the row whose shares it gets; a permutation.

    Within a stratum rows stand in a circle in the order of the hash of their keys, and each gets the next
    one's: no row keeps its own unless it is alone, and who gets whose depends on the keys and the seed, not
    on the order of rows. Strata default to one for all; with the conditions as strata the control keeps the
    scheduler's mean per condition, and only what it tells apart within one is lost.

    Raises ValueError for keys that are not distinct.
    """
    if len(set(keys)) != len(keys):
        raise ValueError("the keys of the rows must be distinct")
    if strata is not None and len(strata) != len(keys):
        raise ValueError(f"{len(strata)} strata for {len(keys)} rows")
    circles: dict[str, list[int]] = {}
    for row in range(len(keys)):
        circles.setdefault("" if strata is None else strata[row], []).append(row)
    found = [0] * len(keys)
    for rows in circles.values():
        circle = sorted(rows, key=lambda row: (unit_hash(f"{seed}/{keys[row]}"), keys[row]))
        for row, donor in zip(circle, circle[1:] + circle[:1], strict=True):
            found[row] = donor
    return found
