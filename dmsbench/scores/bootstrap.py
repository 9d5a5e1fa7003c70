"""The bootstrap clustered by group (image): intervals for anything computed from cell means.

Whole groups are drawn with replacement, each with all its rows, since the questions about one image are
not independent: Field & Welsh, "Bootstrapping clustered data", JRSS B 69 (2007); Cameron, Gelbach & Miller,
"Bootstrap-based improvements for inference with clustered errors", REStat 90 (2008), the "pairs cluster
bootstrap". A replicate is a row of multinomial group weights, so replicates are matrix products.
Intervals are percentile intervals. They are known to be somewhat too short for few groups (below about 30)
and have no width where every group agrees exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dmsbench.scores.rows import FloatArray
from dmsbench.scores.table import ratio

REPLICATES = 2000
LEVEL = 0.95
_BATCH_ENTRIES = 1_000_000  # weights held at once: 8 MB


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval, in the units of the value. NaN means undefined, never zero.

    ``value`` is NaN where the quantity has no meaning on these records (the metric's docstring says when).
    ``low`` and ``high`` are NaN where the value is, where there are fewer than two groups, or where the
    quantity is undefined in more than half a tail of the replicates (2.5 % at level 0.95), so that no
    percentile of them can be trusted: a cell with scores from fewer than four groups, a clean score that is
    not reliably above chance.
    """

    value: float
    low: float
    high: float

    @property
    def defined(self) -> bool:
        return not np.isnan(self.value)

    def as_dict(self) -> dict[str, float | None]:
        """``{value, low, high}`` with None for NaN, as JSON wants it."""
        pairs = (("value", self.value), ("low", self.low), ("high", self.high))
        return {name: None if np.isnan(number) else number for name, number in pairs}


UNDEFINED = Estimate(float("nan"), float("nan"), float("nan"))


def check_settings(*, replicates: int, level: float) -> None:
    """Raise ValueError unless ``replicates`` ≥ 1 and 0 < ``level`` < 1."""
    if replicates < 1:
        raise ValueError(f"replicates must be at least 1, not {replicates}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"the level must lie between 0 and 1, not {level}")


def batches(n_columns: int, replicates: int) -> Iterator[slice]:
    """Slices of the replicates such that (batch, n_columns) float64 stays at some 8 MB."""
    size = max(1, _BATCH_ENTRIES // max(1, n_columns))
    for start in range(0, replicates, size):
        yield slice(start, min(start + size, replicates))


def generator(seed: int | Sequence[int]) -> np.random.Generator:
    """A counter-based generator of its own; no global one is read or written."""
    return np.random.Generator(np.random.Philox(seed))


def group_weights(
    n_groups: int, replicates: int, seed: int | Sequence[int] = 0
) -> Iterator[tuple[slice, FloatArray]]:
    """Batches of (b, G) multinomial weights: how often each group was drawn; every row sums to G."""
    rng = generator(seed)
    for batch in batches(n_groups, replicates):
        draws = rng.integers(0, n_groups, size=(batch.stop - batch.start, n_groups), dtype=np.int32)
        weights = np.empty(draws.shape)
        for row, drawn in zip(weights, draws, strict=True):
            row[:] = np.bincount(drawn, minlength=n_groups)
        yield batch, weights


def replicate_means(
    sums: FloatArray,
    counts: FloatArray,
    *,
    replicates: int = REPLICATES,
    seed: int | Sequence[int] = 0,
) -> FloatArray:
    """Bootstrap the C ratios of sums of (G, C) arrays.

    Returns (B, C): column means Σ w·sums / Σ w·counts, NaN where a replicate drew no row of the column,
    and NaN throughout for a single group, which shows no spread. Memory: (B, C) and some 20 MB.
    """
    n_groups, n_columns = sums.shape
    if counts.shape != sums.shape:
        raise ValueError(f"sums and counts differ in shape: {sums.shape} and {counts.shape}")
    out = np.full((replicates, n_columns), np.nan)
    if n_groups < 2:
        return out
    if n_columns and (counts == counts[:, :1]).all():  # the usual case: no errors, one product less
        counts = counts[:, :1]
    for batch, weights in group_weights(n_groups, replicates, seed):
        out[batch] = ratio(weights @ sums, weights @ counts)
    return out


def percentile_interval(replicates: FloatArray, level: float = LEVEL) -> tuple[float, float]:
    """The central ``level`` of (B,) replicates; (NaN, NaN) where too many are NaN (see ``Estimate``)."""
    defined = replicates[~np.isnan(replicates)]
    tail = (1.0 - level) / 2.0
    if defined.size == 0 or 1.0 - defined.size / replicates.size > tail:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)


def estimate(value: float, replicates: FloatArray, level: float = LEVEL) -> Estimate:
    """The value with the percentile interval of its (B,) replicates."""
    if np.isnan(value):
        return UNDEFINED
    return Estimate(float(value), *percentile_interval(replicates, level))


def mean_over_cells(cells: FloatArray) -> FloatArray:
    """(R, C) → (R,): equal-weight mean over the cells that have scores; NaN where none has."""
    defined = ~np.isnan(cells)
    return ratio(np.where(defined, cells, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64))
