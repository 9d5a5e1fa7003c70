"""What scheduling could gain, how much of it a scheduler gains, and what a signal knows of corruption.

The candidates are fixed points of the modality simplex, static fusion among them. The oracle takes the best
one per condition: what a scheduler could reach that knew the condition and nothing about the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
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
from dmsbench.scores.rows import BoolArray, FloatArray
from dmsbench.scores.table import grid_sums, ratio


@dataclass(frozen=True, slots=True)
class Headroom:
    """Scores are equal-weight means over the conditions of mean scores; see ``headroom``.

    The best points are chosen on the rows that they are scored on, so ``oracle`` and ``best_constant`` are
    optimistic and ``closed`` is, for the scheduler, pessimistic. Intervals hold the choice fixed.
    """

    static: Estimate
    dms: Estimate
    best_constant: Estimate
    """The one candidate that is best on the mean."""
    oracle: Estimate
    """The best candidate of each condition."""
    gain: Estimate
    """dms − static, paired."""
    available: Estimate
    """oracle − static, never negative: the headroom."""
    over_constant: Estimate
    """dms − best constant, paired."""
    closed: Estimate
    """gain / available. NaN where there is no headroom; its interval is wide where there is little."""
    constant_point: str
    oracle_points: dict[str, str]
    """Condition → the candidate that is best there; static fusion where it is among the best."""
    n_rows: int
    """Rows with a score from everyone; the others are left out."""
    n_groups: int


def headroom(
    scores: npt.ArrayLike,
    dms: npt.ArrayLike,
    *,
    candidates: Sequence[str],
    conditions: Sequence[str],
    groups: Sequence[str],
    static: str = "uniform",
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Headroom:
    """Headroom closed = (dms − static)/(oracle − static), with intervals clustered by group.

    ``scores`` (N, C): every row's score under each of C fixed candidates; ``dms`` (N,): under the scheduler;
    NaN for an error. ``conditions`` and ``groups`` (N,): a row's condition and image. ``static`` names the
    candidate that is static fusion.

    Raises ValueError for shapes that do not fit, for a static candidate that is not there, and where no row
    has a score from everyone.
    """
    check_settings(replicates=replicates, level=level)
    table = np.asarray(scores, dtype=np.float64)
    own = np.asarray(dms, dtype=np.float64)
    if table.shape != (len(own), len(candidates)):
        raise ValueError(f"scores of shape {table.shape}, not {(len(own), len(candidates))}")
    if len(conditions) != len(own) or len(groups) != len(own):
        raise ValueError(f"{len(conditions)} conditions and {len(groups)} groups for {len(own)} rows")
    if static not in candidates:
        raise ValueError(f"no candidate '{static}' among {', '.join(candidates)}")
    everything = np.column_stack([table, own])
    kept = ~np.isnan(everything).any(axis=1)
    if not kept.any():
        raise ValueError("no row has a score from every candidate and from the scheduler")
    everything = everything[kept]
    # By hashes: to sort a million strings takes longer than the bootstrap.
    condition, names = pd.factorize(np.asarray(conditions, dtype=object)[kept], sort=True)
    cluster, clusters = pd.factorize(np.asarray(groups, dtype=object)[kept], sort=True)

    shape = (len(clusters), len(names))
    cell = cluster.astype(np.int64) * shape[1] + condition
    counts = grid_sums(cell, None, shape)
    sums = [grid_sums(cell, column, shape) for column in everything.T]
    means = np.column_stack([ratio(one.sum(axis=0), counts.sum(axis=0)) for one in sums])
    fixed = means[:, : len(candidates)]
    standing = list(candidates).index(static)
    constant = _first_best(fixed.mean(axis=0), standing)
    best = [_first_best(row, standing) for row in fixed]
    at_best = np.column_stack([sums[point][:, column] for column, point in enumerate(best)])

    arms = (sums[standing], sums[-1], sums[constant], at_best)
    drawn = replicate_means(
        np.column_stack(arms), np.column_stack([counts] * len(arms)), replicates=replicates, seed=seed
    )
    spread = [mean_over_cells(part) for part in np.split(drawn, len(arms), axis=1)]
    value = [float(ratio(arm.sum(axis=0), counts.sum(axis=0)).mean()) for arm in arms]

    def contrast(first: int, second: int) -> Estimate:
        return estimate(value[first] - value[second], spread[first] - spread[second], level)

    gain, available = value[1] - value[0], value[3] - value[0]
    closed = ratio(np.array([gain]), np.array([available]))[0]
    return Headroom(
        static=estimate(value[0], spread[0], level),
        dms=estimate(value[1], spread[1], level),
        best_constant=estimate(value[2], spread[2], level),
        oracle=estimate(value[3], spread[3], level),
        gain=contrast(1, 0),
        available=contrast(3, 0),
        over_constant=contrast(1, 2),
        closed=estimate(float(closed), ratio(spread[1] - spread[0], spread[3] - spread[0]), level),
        constant_point=candidates[constant],
        oracle_points={str(name): candidates[point] for name, point in zip(names, best, strict=True)},
        n_rows=int(kept.sum()),
        n_groups=len(clusters),
    )


def auroc(signal: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """The probability that a positive row's signal exceeds a negative one's, ties counting half.

    Exact, by midranks: (R⁺ − n⁺(n⁺ + 1)/2)/(n⁺ n⁻), the Mann–Whitney statistic. ``signal`` (N,), rows of NaN
    are left out; ``positive`` (N,) bool, such as "this modality is corrupted". NaN where a side is empty. A
    signal that falls with corruption, as confidence should, lies below ½.
    """
    values = np.asarray(signal, dtype=np.float64)
    marked: BoolArray = np.asarray(positive, dtype=np.bool_)
    if values.shape != marked.shape or values.ndim != 1:
        raise ValueError(f"signal of shape {values.shape} for marks of shape {marked.shape}")
    measured = ~np.isnan(values)
    values, marked = values[measured], marked[measured]
    n_positive, n_negative = int(marked.sum()), int((~marked).sum())
    if not n_positive or not n_negative:
        return float("nan")
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    midranks = np.cumsum(counts) - (counts - 1) / 2.0
    total = float(midranks[place][marked].sum())
    return (total - n_positive * (n_positive + 1) / 2.0) / (n_positive * n_negative)


def _first_best(means: FloatArray, preferred: int) -> int:
    """The index of the largest mean; ``preferred`` where it is as large, up to rounding."""
    best = int(np.argmax(means))
    return preferred if means[preferred] >= means[best] - 1e-12 else best
