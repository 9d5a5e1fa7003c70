"""Scores of retrieval by direction: recall at 1, 5 and 10, the median rank, and the sum of the recalls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dmsbench.scores.bootstrap import (
    LEVEL,
    REPLICATES,
    Estimate,
    check_settings,
    estimate,
    mean_over_cells,
    replicate_means,
)
from dmsbench.scores.rows import BoolArray, FloatArray, Rows
from dmsbench.scores.table import grid_sums, ratio
from dmsbench.tasks.retrieval import RECALLS, median_rank

DIRECTIONS = ("image_to_text", "text_to_image")


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, without corruption or as the equal-weight mean over the corrupted conditions."""

    recall: Mapping[int, Estimate]
    """By place, the share of the queries with a right candidate up to there."""
    median_rank: float
    """Of the queries, from 1; of several conditions the mean of their medians. NaN where nothing is ok."""


@dataclass(frozen=True, slots=True)
class DirectionScore:
    """One model's scores on the queries of one direction."""

    direction: str
    n_samples: int
    clean: Found
    mean: Found


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """One model's scores of retrieval, of the directions that were asked."""

    directions: tuple[DirectionScore, ...]
    rsum_clean: Estimate
    """The sum of all recalls of all directions in per cent, out of ``rsum_of``."""
    rsum_mean: Estimate
    """The same of the means over the corrupted conditions."""

    @property
    def rsum_of(self) -> int:
        """The highest possible sum: 300 for each direction."""
        return 100 * len(RECALLS) * len(self.directions)


def sample_directions(frame: pd.DataFrame) -> dict[str, str]:
    """The direction of each sample of a model's records, by id."""
    firsts = frame.drop_duplicates("sample_id")
    pairs = zip(firsts["sample_id"], firsts["direction"], strict=True)
    return {str(sample): str(direction) for sample, direction in pairs if not pd.isna(direction)}


def retrieval_scores(
    rows: Rows,
    directions: Mapping[str, str],
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
    level: float = LEVEL,
) -> RetrievalScores:
    """One model's scores of retrieval; ``rows`` are read with the measure ``rank``.

    ``directions`` gives samples their direction by id; samples that it does not hold are in no score. All
    intervals are of one bootstrap clustered by image, so that the sum's knows how the directions hang
    together. Raises ValueError where an ok row of theirs has no rank, or one that
    is no whole number from 1.
    """
    check_settings(replicates=replicates, level=level)
    rank = rows.measures["rank"]
    of_sample = np.array([directions.get(sample, "") for sample in rows.samples], dtype=object)[rows.sample]
    if (rows.ok & (of_sample != "") & np.isnan(rank)).any():
        raise ValueError("a record of retrieval has status ok and no rank")
    if (rows.ok & (of_sample != "") & ~((rank >= 1) & (rank == np.floor(rank)))).any():
        raise ValueError("a record of retrieval has a rank that is no whole number from 1")
    asked = [name for name in DIRECTIONS if (of_sample == name).any()]
    is_clean = np.array([condition.is_clean for condition in rows.conditions], dtype=np.bool_)
    shape = (len(rows.groups), len(rows.conditions))
    cell = rows.row_groups() * shape[1] + rows.condition
    sums, counts = [], []
    for name in asked:
        own = rows.ok & (of_sample == name)
        count = grid_sums(cell[own], None, shape)
        for place in RECALLS:
            sums.append(grid_sums(cell[own], (rank[own] <= place).astype(np.float64), shape))
            counts.append(count)
    if not asked:
        undefined = estimate(float("nan"), np.empty(0), level)
        return RetrievalScores((), undefined, undefined)
    summed, counted = np.hstack(sums), np.hstack(counts)
    boot = replicate_means(summed, counted, replicates=replicates, seed=seed)
    table = np.vstack([ratio(summed.sum(axis=0), counted.sum(axis=0)), boot])
    cells = table.reshape(len(table), len(sums), shape[1])

    def over(mask: BoolArray) -> tuple[list[FloatArray], Estimate]:
        """(B + 1,) of each direction and place, the value first; and their sum."""
        found = [mean_over_cells(cells[:, column, mask]) for column in range(len(sums))]
        total = 100.0 * np.sum(found, axis=0)
        return found, estimate(float(total[0]), total[1:], level)

    (clean, rsum_clean), (mean, rsum_mean) = over(is_clean), over(~is_clean)

    def shown(values: list[FloatArray], number: int, mask: BoolArray) -> Found:
        own = values[number * len(RECALLS) : (number + 1) * len(RECALLS)]
        of_direction = rows.ok & (of_sample == asked[number])
        medians = [
            median_rank(rank[of_direction & (rows.condition == condition)].astype(np.int64))
            for condition in np.flatnonzero(mask)
        ]
        return Found(
            {k: estimate(float(v[0]), v[1:], level) for k, v in zip(RECALLS, own, strict=True)},
            float(mean_over_cells(np.array([medians], dtype=np.float64))[0]),
        )

    scores = tuple(
        DirectionScore(
            name,
            sum(directions.get(sample) == name for sample in rows.samples),
            shown(clean, number, is_clean),
            shown(mean, number, ~is_clean),
        )
        for number, name in enumerate(asked)
    )
    return RetrievalScores(scores, rsum_clean, rsum_mean)
