"""What confidence is worth under corruption: reliability, expected calibration error, overconfidence.

Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks" (ICML 2017): confidences in bins of
equal width, ECE = Σ_b (n_b/N) |score_b − confidence_b|. A score between 0 and 1 counts as a share of right.
ECE is never negative, so that of a perfectly calibrated model is above 0 on finite data; overconfidence (mean
confidence − mean score) has no such lean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dmsbench.families import by_family
from dmsbench.grid import Condition
from dmsbench.scores.bootstrap import LEVEL, REPLICATES, Estimate, estimate, group_weights
from dmsbench.scores.rows import BoolArray, FloatArray, Rows
from dmsbench.scores.table import grid_sums, ratio

MEASURES = ("confidence",)
"""The columns of the records that ``calibration`` reads."""
BINS = 15
"""As in the paper."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The rows whose confidence lies in [low, high), in the last bin [low, high]."""

    low: float
    high: float
    n_rows: int
    confidence: float
    """Mean; NaN in an empty bin."""
    score: float
    """Mean; NaN in an empty bin."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """One model over a set of conditions, its rows pooled; shares in [0, 1]."""

    name: str
    """``clean``, ``severity 3`` (of all corruptions) or a family of damage."""
    score: Estimate
    confidence: Estimate
    overconfidence: Estimate
    """confidence − score, in [−1, 1]: above 0 the model is surer than it is right."""
    ece: Estimate
    bins: tuple[Bin, ...]
    n_rows: int


def calibration(
    rows: Rows, *, replicates: int = REPLICATES, level: float = LEVEL, seed: int = 0
) -> tuple[Calibration, ...]:
    """Clean, every severity, every family, from rows read with ``MEASURES``; empty sets are not there.

    Intervals: bootstrap clustered by group. Raises ValueError for a confidence outside [0, 1].
    """
    confidence = rows.measures["confidence"]
    kept = rows.ok & ~np.isnan(confidence)
    if ((confidence[kept] < 0.0) | (confidence[kept] > 1.0)).any():
        raise ValueError("a confidence lies outside [0, 1]")
    found = []
    for name, member in _sets(rows.conditions).items():
        mask = kept & np.array([member(one) for one in rows.conditions], dtype=np.bool_)[rows.condition]
        if mask.any():
            found.append(_calibration(name, rows, mask, replicates, level, seed))
    return tuple(found)


def _sets(conditions: tuple[Condition, ...]) -> dict[str, Callable[[Condition], bool]]:
    severities = sorted({condition.severity for condition in conditions})
    sets: dict[str, Callable[[Condition], bool]] = {
        "clean" if severity == 0 else f"severity {severity}": lambda c, s=severity: c.severity == s  # type: ignore[misc]
        for severity in severities
    }
    for name, members in by_family(conditions).items():
        sets[name] = frozenset(members).__contains__
    return sets


def _calibration(
    name: str, rows: Rows, mask: BoolArray, replicates: int, level: float, seed: int
) -> Calibration:
    sure, score = rows.measures["confidence"][mask], rows.score[mask]
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    cell = rows.row_groups()[mask] * BINS + place
    shape = (len(rows.groups), BINS)
    parts = [grid_sums(cell, values, shape) for values in (None, sure, score)]  # (G, BINS) each
    counts, sures, scores = (part.sum(axis=0) for part in parts)
    figures = _figures(counts[None], sures[None], scores[None])
    drawn = [np.full(replicates, np.nan) for _ in figures]
    if shape[0] > 1:
        stacked = np.concatenate(parts, axis=1)
        for batch, weights in group_weights(shape[0], replicates, seed):
            for out, values in zip(drawn, _figures(*np.split(weights @ stacked, 3, axis=1)), strict=True):
                out[batch] = values
    found = [estimate(float(one[0]), spread, level) for one, spread in zip(figures, drawn, strict=True)]
    edges = np.linspace(0.0, 1.0, BINS + 1)
    means = ratio(sures, counts), ratio(scores, counts)
    bins = tuple(
        Bin(float(edges[i]), float(edges[i + 1]), int(counts[i]), float(means[0][i]), float(means[1][i]))
        for i in range(BINS)
    )
    return Calibration(name, found[0], found[1], found[2], found[3], bins, int(mask.sum()))


def _figures(
    counts: FloatArray, sures: FloatArray, scores: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(R, BINS) sums → (R,) score, confidence, overconfidence and ECE."""
    total = counts.sum(axis=1)
    score, sure = ratio(scores.sum(axis=1), total), ratio(sures.sum(axis=1), total)
    return score, sure, sure - score, ratio(np.abs(scores - sures).sum(axis=1), total)
