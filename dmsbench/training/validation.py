"""What a fitted scheduler reaches on validation images, beside static fusion, constants and the oracle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import torch

from dmsbench.fusion.objective import condition_weights, mixture_log_likelihood
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points, mix, modality_weights
from dmsbench.training.collect import Collected

#: Steps of the grid of constant shares.
STEPS = 10


@dataclass(frozen=True, slots=True)
class Reached:
    """Means over conditions: of right first tokens, and of the log-probability of the right answer."""

    accuracy: float
    log_likelihood: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A condition's validation rows: accuracies, and the learned scheduler's mean image weight."""

    rows: int
    static: float
    learned: float
    oracle: float
    image_weight: float


@dataclass(frozen=True, slots=True)
class Figures:
    """On rows that the fit has not seen. ``best_constant``: the shares that were best on those it has seen.

    ``oracle``: the best constant of each condition, chosen on the measured rows themselves: an upper end.
    ``headroom_closed``: (learned − static)/(oracle − static) of the accuracies, None without headroom.
    """

    rows: int
    static: Reached
    best_constant: Reached
    learned: Reached
    oracle: float
    headroom_closed: float | None
    constant_shares: tuple[float, ...]
    conditions: Mapping[str, Cell]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, rounded."""
        found: dict[str, Any] = _rounded(
            {**{k: getattr(self, k) for k in self.__slots__}, "constant_shares": list(self.constant_shares)}
        )
        return found


def figures(shares: torch.Tensor, found: Collected, held_out: torch.Tensor, points: Points) -> Figures:
    """Of the learned ``shares`` (N, P) on the rows ``held_out`` (N,); constants are chosen on the others.

    The others should be all that the scheduler was fitted and stopped on: then both have had the same rows.
    """
    constants = _grid(len(points))
    right = torch.stack([_hits(constant.expand(len(found), -1), found) for constant in constants])
    training = condition_weights(
        [c for c, out in zip(found.conditions, held_out.tolist(), strict=True) if not out]
    )
    best = int((right[:, ~held_out] @ training).argmax())
    names = [c for c, out in zip(found.conditions, held_out.tolist(), strict=True) if out]
    weights = condition_weights(names)
    static = torch.zeros(len(points))
    static[points.uniform] = 1.0
    mine = _hits(shares, found)[held_out]
    plain = _hits(static.expand(len(found), -1), found)[held_out]
    image = modality_weights(shares, points)[held_out, 0].double()
    cells = {}
    for name in sorted(set(names), key=lambda name: (name != "clean", name)):
        at = torch.tensor([other == name for other in names])
        cells[name] = Cell(
            int(at.sum()),
            float(plain[at].mean()),
            float(mine[at].mean()),
            float(right[:, held_out][:, at].mean(dim=1).max()),
            float(image[at].mean()),
        )
    likelihood = found.log_likelihood[held_out].double().clamp_min(-30.0)

    def reached(hits: torch.Tensor, mixture: torch.Tensor) -> Reached:
        gain = mixture_log_likelihood(mixture.double(), likelihood)
        return Reached(float(hits @ weights), float(gain @ weights))

    count = int(held_out.sum())
    oracle = sum(cell.oracle for cell in cells.values()) / len(cells)
    base, ours = reached(plain, static.expand(count, -1)), reached(mine, shares[held_out])
    room = oracle - base.accuracy
    return Figures(
        count,
        base,
        reached(right[best][held_out], constants[best].expand(count, -1)),
        ours,
        oracle,
        (ours.accuracy - base.accuracy) / room if room > 1e-9 else None,
        tuple(constants[best].tolist()),
        cells,
    )


def unimodal(evidence: Evidence, found: Collected, rows: torch.Tensor) -> dict[str, dict[str, float]]:
    """How often probes (``evidence``, at the corners) and the checkpoint's corners begin a right answer.

    By modality, plain means over the bool ``rows`` (N,).
    """
    corners = found.evidence.probabilities[:, list(CORNERS_AND_UNIFORM.corners)]
    each = {"probe": evidence.probabilities, "corner": corners}
    return {
        modality: {
            name: round(
                float(found.right.gather(1, told[:, m].argmax(dim=1, keepdim=True))[rows].double().mean()), 4
            )
            for name, told in each.items()
        }
        for m, modality in enumerate(CORNERS_AND_UNIFORM.modalities)
    }


def _hits(shares: torch.Tensor, found: Collected) -> torch.Tensor:
    """1 where the mixture's most probable outcome begins a right answer, else 0: (N,) float64."""
    best = mix(shares, found.said).argmax(dim=1, keepdim=True)
    return found.right.gather(1, best)[:, 0].double()


def _grid(points: int) -> torch.Tensor:
    """Constant shares in steps of 1/STEPS, (C, P)."""
    counts = [row for row in product(range(STEPS + 1), repeat=points) if sum(row) == STEPS]
    return torch.tensor(counts).float() / STEPS


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, Reached | Cell):
        return _rounded(asdict(value))
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
