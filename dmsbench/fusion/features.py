"""From evidence to a learned scheduler's input: named columns in groups that can be switched.

``PAPER`` are the three signals of arXiv 2506.12724, measured at every point of the mixture. The other groups
are additions of dmsbench and are reported apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch

from dmsbench.fusion.points import Evidence, Points
from dmsbench.fusion.signals import confidence

#: The paper's signals: confidence and uncertainty per point, consistency per row.
PAPER = ("confidence", "uncertainty", "consistency")
#: Without typicality: nothing that has to be fitted on clean features.
ANSWERS = (*PAPER, "margin", "agreement")
#: Every group, in the order of the columns.
GROUPS = (*ANSWERS, "typicality")
#: The numbers of ``Evidence.typicality`` per modality.
DISTANCES = ("distance", "residual")
#: Standardised values are cut here, so that a corruption never seen in fitting cannot throw the network.
LARGEST = 6.0
_MEASURED = 1e-6  # a standard deviation below this is rounding: the column says nothing


def check_groups(groups: Iterable[str]) -> tuple[str, ...]:
    """The groups in canonical order. ValueError for one that does not exist or comes twice."""
    given = list(groups)
    unknown = sorted(set(given) - set(GROUPS))
    if unknown or len(set(given)) != len(given):
        raise ValueError(f"feature groups must be distinct and among {', '.join(GROUPS)}, not {given}")
    return tuple(group for group in GROUPS if group in given)


def columns(points: Points, groups: Iterable[str]) -> tuple[str, ...]:
    """The names of the F columns, such as ``confidence(image)`` or ``agreement(image,text)``."""
    pairs = [f"{first},{second}" for first, second in combinations(points.names, 2)]
    found: list[str] = []
    for group in check_groups(groups):
        if group in ("confidence", "uncertainty"):
            found += [f"{group}({point})" for point in points.names]
        elif group == "consistency":
            found.append(group)
        elif group == "margin":
            found += [f"{what}({point})" for what in ("top", "margin") for point in points.names]
        elif group == "agreement":
            found += [f"{group}({pair})" for pair in pairs]
        else:
            found += [f"{what}({modality})" for modality in points.modalities for what in DISTANCES]
    return tuple(found)


def raw_features(evidence: Evidence, points: Points, groups: Iterable[str]) -> torch.Tensor:
    """The columns (B, F), float32, not standardised; all but typicality lie in [0, 1].

    - confidence: 1 − H(p)/ln K at each point;
    - uncertainty, consistency: as the evidence has them;
    - margin: the largest probability and its lead over the next, at each point;
    - agreement: the Bhattacharyya coefficient of each two points' distributions;
    - typicality: two log distances per modality, NaN where not measured.

    Raises ValueError for typicality that the evidence does not hold, and for evidence of other points.
    """
    wanted = check_groups(groups)
    shape = evidence.probabilities.shape
    if len(shape) != 3 or shape[1] != len(points):
        raise ValueError(f"probabilities of shape {tuple(shape)}, not (rows, {len(points)} points, outcomes)")
    parts = [torch.zeros(len(evidence), 0)]
    for group in wanted:
        if group == "confidence":
            parts.append(confidence(evidence.probabilities))
        elif group == "uncertainty":
            parts.append(evidence.uncertainty)
        elif group == "consistency":
            parts.append(evidence.consistency[:, None])
        elif group == "margin":
            parts.extend(top_and_margin(evidence.probabilities))
        elif group == "agreement":
            parts.append(agreement(evidence.probabilities))
        else:
            parts.append(_typicality(evidence, points))
    return torch.cat([part.detach().float().cpu() for part in parts], dim=1)


def top_and_margin(probabilities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest probability of (…, K) and its lead over the second, both (…) in [0, 1]; 1 for K = 1."""
    if probabilities.shape[-1] < 2:
        one = torch.ones(probabilities.shape[:-1])
        return one, one
    best = probabilities.topk(2, dim=-1).values
    return best[..., 0], best[..., 0] - best[..., 1]


def agreement(probabilities: torch.Tensor) -> torch.Tensor:
    """The Bhattacharyya coefficient Σ_k √(p_k q_k) of each two of P distributions (B, P, K).

    Output (B, P(P−1)/2) in [0, 1], pairs in the order of ``itertools.combinations``: 1 for equal
    distributions, 0 for disjoint ones. Bhattacharyya, Bull. Calcutta Math. Soc. 35 (1943).
    """
    roots = probabilities.clamp_min(0.0).sqrt()
    pairs = list(combinations(range(probabilities.shape[1]), 2))
    if not pairs:
        return probabilities.new_zeros(len(probabilities), 0)
    found = [(roots[:, first] * roots[:, second]).sum(dim=-1) for first, second in pairs]
    return torch.stack(found, dim=1).clamp(0.0, 1.0)


def _typicality(evidence: Evidence, points: Points) -> torch.Tensor:
    if evidence.typicality is None:
        raise ValueError("the evidence holds no typicality: leave the group out or measure it")
    expected = (len(evidence), len(points.modalities), len(DISTANCES))
    if evidence.typicality.shape != expected:
        raise ValueError(f"typicality of shape {tuple(evidence.typicality.shape)}, not {expected}")
    return evidence.typicality.flatten(1)


@dataclass(frozen=True, slots=True)
class Standardiser:
    """Centre and scale of each column on the training rows; the same numbers for every row ever after."""

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = (*self.mean, *self.std)
        if not len(self.columns) == len(self.mean) == len(self.std):
            raise ValueError(f"{len(self.columns)} columns, {len(self.mean)} means, {len(self.std)} scales")
        if not all(math.isfinite(number) for number in numbers) or min(self.std, default=1.0) <= 0:
            raise ValueError("means must be finite and deviations positive")

    @classmethod
    def fit(cls, names: Sequence[str], values: torch.Tensor) -> Standardiser:
        """From training rows (N, F). NaN entries are passed over; a column that does not vary gets std 1.

        Raises ValueError for values of another width than the names, and for infinite ones.
        """
        if values.ndim != 2 or values.shape[1] != len(names):
            raise ValueError(f"values of shape {tuple(values.shape)} for {len(names)} columns")
        if values.isinf().any():
            raise ValueError("features must not be infinite")
        exact = values.double()
        measured = ~exact.isnan()
        count = measured.sum(dim=0).clamp_min(1)
        mean = exact.nan_to_num(0.0).sum(dim=0) / count
        centred = torch.where(measured, exact - mean, 0.0)
        std = (centred.square().sum(dim=0) / count).sqrt()
        std = torch.where(std > _MEASURED, std, 1.0)
        return cls(tuple(names), tuple(mean.tolist()), tuple(std.tolist()))

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """(B, F) → (B, F) float32 in [−6, 6]; what was not measured (NaN) becomes 0, the training mean."""
        if values.ndim != 2 or values.shape[1] != len(self.columns):
            raise ValueError(f"values of shape {tuple(values.shape)} for {len(self.columns)} columns")
        mean, std = torch.tensor(self.mean).double(), torch.tensor(self.std).double()
        scaled = (values.double() - mean) / std
        return scaled.nan_to_num(0.0).clamp(-LARGEST, LARGEST).float()
