"""Two models' records side by side, row by row, or a plain word on why they cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmsbench.errors import NotComparableError
from dmsbench.grid import Condition
from dmsbench.scores.rows import FloatArray, IntArray, Rows
from dmsbench.scores.table import grid_sums

_NAMED = 5  # how many missing things a message names
_ROUNDING = 1e-12  # a sum of differences smaller than this is a sum of equal scores


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Score sums of the rows that are ok in both frames, G groups × C conditions."""

    groups: tuple[str, ...]
    conditions: tuple[Condition, ...]
    a_sums: FloatArray
    """(G, C)."""
    b_sums: FloatArray
    """(G, C)."""
    differences: FloatArray
    """(G, C), sum of b − a, pair by pair; exactly 0 where the scores are equal up to rounding."""
    counts: FloatArray
    """(G, C), number of pairs."""
    n_samples: int
    n_pairs: int
    n_error_pairs: int
    """Rows of the grid that are an error in A, in B or in both."""
    n_left_out: IntArray
    """(C,), rows left out of both, because the corruption would make their answer wrong."""
    n_errors_a: int
    n_errors_b: int
    squares: FloatArray
    """(C,), sum of (b − a)² over the pairs; of right-or-wrong scores the number of those that differ."""


def pair_rows(a: Rows, b: Rows, names: tuple[str, str] = ("A", "B")) -> Pairs:
    """Pair by (sample id, condition); only rows ok in both count.

    Raises NotComparableError where the conditions, the sample ids, a sample's group or the rows present
    differ, or where one leaves out what the other asks, naming what is missing. A row with an error status
    is present.
    """
    check_same_rows(a, b, names)
    both = a.ok & b.ok
    shape = (len(a.groups), len(a.conditions))
    cell = (a.row_groups() * shape[1] + a.condition)[both]
    by_row = b.score[both] - a.score[both]
    differences = grid_sums(cell, by_row, shape)
    differences[np.abs(differences) < _ROUNDING] = 0.0
    return Pairs(
        groups=a.groups,
        conditions=a.conditions,
        a_sums=grid_sums(cell, a.score[both], shape),
        b_sums=grid_sums(cell, b.score[both], shape),
        differences=differences,
        counts=grid_sums(cell, None, shape),
        n_samples=len(a.samples),
        n_pairs=int(both.sum()),
        n_error_pairs=int((a.error | b.error).sum()),
        n_left_out=np.bincount(a.condition[a.left_out], minlength=shape[1]),
        n_errors_a=int(a.error.sum()),
        n_errors_b=int(b.error.sum()),
        squares=np.bincount(a.condition[both], weights=np.square(by_row), minlength=shape[1]).astype(
            np.float64
        ),
    )


def check_same_rows(a: Rows, b: Rows, names: tuple[str, str] = ("A", "B")) -> None:
    """Raises NotComparableError as ``pair_rows``; otherwise the arrays of both stand side by side."""
    problems = [
        *missing("conditions", a.conditions, b.conditions, names),
        *missing("samples", a.samples, b.samples, names),
    ]
    if problems:
        raise NotComparableError("; ".join(problems))
    for sample, group_a, group_b in zip(a.samples, a.sample_groups, b.sample_groups, strict=True):
        if group_a != group_b:
            raise NotComparableError(
                f"sample '{sample}' is of the group '{group_a}' in {names[0]} and '{group_b}' in {names[1]}"
            )
    if not np.array_equal(a.cell, b.cell):
        raise NotComparableError("; ".join([*_missing_rows(a, b, names[1]), *_missing_rows(b, a, names[0])]))

    for one, other, whose in ((a, b, names), (b, a, names[::-1])):
        alone = np.flatnonzero(one.left_out & ~other.left_out)
        if alone.size:
            raise NotComparableError(
                f"{whose[0]} leaves out {alone.size} records that {whose[1]} holds, "
                f"{_named(one, int(alone[0]))} the first: run both with the same include_false"
            )


def missing(what: str, a: Sequence[object], b: Sequence[object], names: tuple[str, str]) -> list[str]:
    """``["B lacks 3 of 96 conditions: fog@1, …"]``, for each side that lacks some of the other's."""
    out = []
    for name, own, other in ((names[1], b, a), (names[0], a, b)):
        present = set(own)
        lacking = [item for item in other if item not in present]
        if lacking:
            out.append(f"{name} lacks {len(lacking)} of {len(other)} {what}: {listed(lacking)}")
    return out


def listed(items: Sequence[object]) -> str:
    """The first few, and whether there are more."""
    return ", ".join(str(item) for item in items[:_NAMED]) + (", …" if len(items) > _NAMED else "")


def _missing_rows(whole: Rows, part: Rows, name: str) -> list[str]:
    absent = np.flatnonzero(~np.isin(whole.cell, part.cell))
    if absent.size == 0:
        return []
    example = _named(whole, int(absent[0]))
    return [f"{name} is incomplete: it lacks {absent.size} of {whole.cell.size} records, {example} the first"]


def _named(rows: Rows, row: int) -> str:
    return f"sample '{rows.samples[rows.sample[row]]}' under {rows.conditions[rows.condition[row]]}"
