"""Score sums and counts per group and condition: all that a bootstrap clustered by group needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from dmsbench.grid import Condition
from dmsbench.scores.rows import BoolArray, FloatArray, IntArray, Rows, read_rows


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """One model's scores, G groups × C conditions. Errors and rows left out are in no sum and no count."""

    groups: tuple[str, ...]
    """The G groups (images), sorted."""
    conditions: tuple[Condition, ...]
    """The C conditions, sorted."""
    sums: FloatArray
    """(G, C), sum of the scores of the rows that are ok."""
    counts: FloatArray
    """(G, C), number of rows that are ok (float64, for the matrix products)."""
    n_rows: IntArray
    """(C,), number of rows, errors and rows left out included."""
    n_errors: IntArray
    """(C,), number of rows whose status is an error."""
    n_left_out: IntArray
    """(C,), number of rows left out."""
    n_unchanged: IntArray
    """(C,), number of ok rows whose image and text were left as they are when clean."""
    n_samples: int
    """Number of distinct samples over all conditions."""
    kept_clean: Mapping[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    """By corruption, for those alone that leave samples out: (G,) sums and (G,) counts of the clean rows of
    the samples that they keep, which are what their cells may be compared with."""

    @classmethod
    def from_records(cls, frame: pd.DataFrame) -> ScoreTable:
        """Sum up one model's records. Raises ValueError on invalid ones: see ``rows.read_rows``."""
        return cls.from_rows(read_rows(frame))

    @classmethod
    def from_rows(cls, rows: Rows) -> ScoreTable:
        groups = rows.groups
        shape = (len(groups), len(rows.conditions))
        cell = rows.row_groups() * shape[1] + rows.condition

        def per_condition(mask: BoolArray) -> IntArray:
            return np.bincount(rows.condition[mask], minlength=shape[1])

        return cls(
            groups=groups,
            conditions=rows.conditions,
            sums=grid_sums(cell[rows.ok], rows.score[rows.ok], shape),
            counts=grid_sums(cell[rows.ok], None, shape),
            n_rows=np.bincount(rows.condition, minlength=shape[1]),
            n_errors=per_condition(rows.error),
            n_left_out=per_condition(rows.left_out),
            n_unchanged=per_condition(rows.ok & ~rows.changed),
            n_samples=len(rows.samples),
            kept_clean=_kept_clean(rows),
        )

    def means(self) -> FloatArray:
        """(C,), ratio of sums: the mean score of each condition's ok rows, NaN where it has none."""
        return ratio(self.sums.sum(axis=0), self.counts.sum(axis=0))


def _kept_clean(rows: Rows) -> dict[str, tuple[FloatArray, FloatArray]]:
    """``ScoreTable.kept_clean``. A sample left out under one condition of a corruption counts as left out."""
    corruption = np.array([condition.corruption for condition in rows.conditions])[rows.condition]
    clean = rows.ok & np.array([c.is_clean for c in rows.conditions], dtype=np.bool_)[rows.condition]
    groups, shape = rows.row_groups(), (len(rows.groups), 1)
    found = {}
    for name in np.unique(corruption[rows.left_out]):
        lost = rows.sample[rows.left_out & (corruption == name)]
        kept = clean & ~np.isin(rows.sample, lost)
        sums = grid_sums(groups[kept], rows.score[kept], shape)
        found[str(name)] = (sums[:, 0], grid_sums(groups[kept], None, shape)[:, 0])
    return found


def grid_sums(cell: IntArray, values: FloatArray | None, shape: tuple[int, int]) -> FloatArray:
    """Sum ``values`` (None: count) by flat cell number into an array of ``shape``."""
    flat = np.bincount(cell, weights=values, minlength=shape[0] * shape[1])
    return flat.astype(np.float64).reshape(shape)


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Elementwise quotient, NaN (and no warning) where the denominator is not above 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    out = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out
