"""Curves as a few block characters: one character a severity, its height the score."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dmsbench.grid import CLEAN_NAME

if TYPE_CHECKING:
    from dmsbench.scores import Comparison

BLOCKS = "▁▂▃▄▅▆▇█"
"""From the lowest to the highest score."""
UNKNOWN = " "
"""Where there is no score."""

Curve = tuple[float, ...]


def can_show(encoding: str | None) -> bool:
    """Whether an encoding holds the block characters: ``utf-8`` does, ``ascii`` and ``latin-1`` do not."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def sparkline(values: Iterable[float], low: float, high: float) -> str:
    """A character a value: ``low`` and below are the lowest block, ``high`` and above the highest.

    NaN is a blank. Where all is alike (``low`` not below ``high``) every block is the highest.
    """
    return "".join(_block(value, low, high) for value in values)


def _block(value: float, low: float, high: float) -> str:
    if math.isnan(value):
        return UNKNOWN
    if not low < high:
        return BLOCKS[-1]
    height = min(1.0, max(0.0, (value - low) / (high - low)))
    return BLOCKS[min(len(BLOCKS) - 1, int(height * len(BLOCKS)))]


def comparison_curves(
    comparison: Comparison,
) -> tuple[tuple[int, ...], Mapping[str, tuple[Curve, Curve]]]:
    """The severities, 0 (clean) first, and by corruption the scores of A and of B at each of them.

    Scores are shares in [0, 1], NaN where a condition has no pair or is not in the grid; of conditions of
    one severity (joint ones of unequal severities have the larger one) the mean.
    """
    cells: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for one in comparison.conditions:
        found = cells.setdefault((one.condition.corruption, one.condition.severity), [])
        if not math.isnan(one.difference):
            found.append((one.a, one.b))
    severities = tuple(sorted({severity for _, severity in cells}))
    curves = {}
    for name in dict.fromkeys(name for name, _ in cells if name != CLEAN_NAME):
        pairs = [
            _mean(cells.get((name if severity else CLEAN_NAME, severity), [])) for severity in severities
        ]
        curves[name] = (tuple(a for a, _ in pairs), tuple(b for _, b in pairs))
    return severities, curves


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    if not pairs:
        return math.nan, math.nan
    return sum(a for a, _ in pairs) / len(pairs), sum(b for _, b in pairs) / len(pairs)


def span(curves: Iterable[Sequence[float]]) -> tuple[float, float]:
    """The lowest and the highest score of all curves: one scale for all; NaN twice where there is none."""
    known = [value for curve in curves for value in curve if not math.isnan(value)]
    return (min(known), max(known)) if known else (math.nan, math.nan)
