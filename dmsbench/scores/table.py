"""Score sums and counts per group and condition: all that a bootstrap clustered by group needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dmsbench.grid import Condition
from dmsbench.scores.rows import BoolArray, FloatArray, IntArray, Rows, read_rows


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """One model's scores, G groups × C conditions. Errors are in no sum and no count."""

    groups: tuple[str, ...]
    """The G groups (images), sorted."""
    conditions: tuple[Condition, ...]
    """The C conditions, sorted."""
    sums: FloatArray
    """(G, C), sum of the scores of the rows that are ok."""
    counts: FloatArray
    """(G, C), number of rows that are ok (float64, for the matrix products)."""
    n_rows: IntArray
    """(C,), number of rows, errors included."""
    n_errors: IntArray
    """(C,), number of rows whose status is not ok."""
    n_unchanged: IntArray
    """(C,), number of ok rows whose image and text were left as they are when clean."""
    n_samples: int
    """Number of distinct samples over all conditions."""

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
            n_errors=per_condition(~rows.ok),
            n_unchanged=per_condition(rows.ok & ~rows.changed),
            n_samples=len(rows.samples),
        )

    def means(self) -> FloatArray:
        """(C,), ratio of sums: the mean score of each condition's ok rows, NaN where it has none."""
        return ratio(self.sums.sum(axis=0), self.counts.sum(axis=0))


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
