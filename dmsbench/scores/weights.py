"""How a scheduler's weights answer to corruption: the image's mean weight by corruption and severity.

Every row with weights counts: one whose image is absent has all of its weight on the text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from dmsbench.scores.bootstrap import LEVEL, REPLICATES, Estimate
from dmsbench.scores.robustness import CurvePoint, Scorecard, scorecard_of_table
from dmsbench.scores.rows import FloatArray, Rows
from dmsbench.scores.table import ScoreTable

WEIGHTS = ("weight_image", "weight_text")
MEASURES = (*WEIGHTS, "consistency")
"""The columns of the records that ``weight_response`` reads."""
_ROUNDING = 1e-6  # weights are recorded in single precision

_SINGLE = 1e-4
"""Room for weights that were rounded to single precision, or half."""


class Trend(str, Enum):
    """What a curve does with severity, by its means alone, from the smallest severity to the largest."""

    FALLS = "falls"
    RISES = "rises"
    CONSTANT = "constant"
    NEITHER = "neither"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class CorruptionWeights:
    """One corruption over its severities; severity 0 is clean, on the samples that it keeps."""

    name: str
    curve: tuple[CurvePoint, ...]
    """The image's mean weight, in [0, 1]; the text has the rest."""
    entropy: tuple[CurvePoint, ...]
    """H(w)/ln 2, in [0, 1]: 1 where the weights are uniform, 0 at a corner."""
    trend: Trend
    """Of ``curve``; monotone trends may stand still on the way."""


@dataclass(frozen=True, slots=True)
class WeightResponse:
    """One scheduler's weights; means over conditions give each corrupted condition equal weight."""

    clean: Estimate
    mean: Estimate
    entropy_clean: Estimate
    entropy_mean: Estimate
    corruptions: tuple[CorruptionWeights, ...]
    """By name."""
    level: float
    n_rows: int
    """Rows with weights."""


def weight_response(
    rows: Rows, *, replicates: int = REPLICATES, level: float = LEVEL, seed: int = 0
) -> WeightResponse | None:
    """The response of one model's rows, read with ``MEASURES``; None where no row was scheduled: where
    none had both modalities, of which signals are measured.

    Intervals are those of the scorecard: bootstrap clustered by group. Raises ValueError for weights outside
    [0, 1] beyond rounding.
    """
    image, text = (rows.measures[name] for name in WEIGHTS)
    weighted = rows.ok & ~np.isnan(image) & ~np.isnan(text)
    for own in (image[weighted], text[weighted]):
        if ((own < -_SINGLE) | (own > 1.0 + _SINGLE)).any():
            raise ValueError("a modality's weight lies outside [0, 1]")
    if not (weighted & ~np.isnan(rows.measures["consistency"])).any():
        return None

    def card(values: FloatArray) -> Scorecard:
        own = replace(rows, score=values, ok=weighted, changed=rows.changed & weighted, measures={})
        return scorecard_of_table(ScoreTable.from_rows(own), replicates=replicates, level=level, seed=seed)

    weights, entropies = card(image), card(entropy(image, text))
    shown = [
        (one, other)
        for one, other in zip(weights.corruptions, entropies.corruptions, strict=True)
        if any(point.severity for point in one.curve)
    ]
    return WeightResponse(
        clean=weights.clean,
        mean=weights.mean,
        entropy_clean=entropies.clean,
        entropy_mean=entropies.mean,
        corruptions=tuple(
            CorruptionWeights(one.name, one.curve, other.curve, trend(one.curve)) for one, other in shown
        ),
        level=level,
        n_rows=int(weighted.sum()),
    )


def entropy(image: FloatArray, text: FloatArray) -> FloatArray:
    """(N,) H(w)/ln 2 of the weights (w, 1 − w), 0 · ln 0 being 0."""
    shares = np.clip(np.stack([image, text]), 0.0, 1.0)
    bits = -(shares * np.log2(np.where(shares > 0.0, shares, 1.0))).sum(axis=0)
    clipped: FloatArray = np.clip(bits, 0.0, 1.0)
    return clipped


def trend(curve: tuple[CurvePoint, ...]) -> Trend:
    """The trend of a curve's values; of a single point there is none."""
    steps = np.diff([point.score.value for point in curve])
    if not steps.size:
        return Trend.NEITHER
    if (np.abs(steps) <= _ROUNDING).all():
        return Trend.CONSTANT
    if (steps <= _ROUNDING).all():
        return Trend.FALLS
    return Trend.RISES if (steps >= -_ROUNDING).all() else Trend.NEITHER
