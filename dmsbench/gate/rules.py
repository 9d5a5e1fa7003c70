"""The two rules by which a check of a score fails, and how the error is shared out; on arrays."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dmsbench.gate.config import Part, Planned, Rule
from dmsbench.scores.rows import BoolArray

#: A drop of exactly the tolerance passes, whatever its floating-point sum.
ROUNDING = 1e-12
#: Sign patterns are as many that the smallest p is this many times below what the least check needs.
_ROOM = 10
_MOST_PATTERNS = 200_000


def regressed(
    change: npt.ArrayLike,
    ci_high: npt.ArrayLike,
    p_adjusted: npt.ArrayLike,
    tolerance: npt.ArrayLike,
    alpha: float,
) -> BoolArray:
    """Where a drop is larger than the tolerance and significant; NaN shows nothing.

    Significant: the interval of the change lies below 0 and the p-value, after Holm, below ``alpha``.
    """
    beyond = -np.asarray(change) > np.asarray(tolerance) + ROUNDING
    found: BoolArray = beyond & (np.asarray(ci_high) < 0.0) & (np.asarray(p_adjusted) < alpha)
    return found


def not_shown_as_good(bound: npt.ArrayLike, tolerance: npt.ArrayLike) -> BoolArray:
    """Where the lower bound of the change does not lie above −tolerance; NaN shows nothing, so it fails.

    A bound of exactly 0 passes a tolerance of 0: it is what equal answers have.
    """
    bound, tolerance = np.asarray(bound), np.asarray(tolerance)
    shown: BoolArray = (bound > -tolerance) | ((tolerance == 0.0) & (bound >= 0.0))
    found: BoolArray = ~shown
    return found


def weights(checks: Sequence[Planned]) -> list[float]:
    """What share of the error each check under ``regression`` has, summing to 1; 1 for those under the other.

    Scores share equally; of a score overall, clean, the families and the corruptions have equal shares, as
    many as there are, which the families and the corruptions divide among themselves: a question that is
    asked as one is not corrected for how many others there are.
    """
    tested = [check for check in checks if check.rule is Rule.REGRESSION]
    members = Counter((check.score, check.part) for check in tested)
    parts: dict[str, set[Part]] = {}
    for check in tested:
        parts.setdefault(check.score, set()).add(check.part)
    return [
        1.0
        if check.rule is not Rule.REGRESSION
        else 1.0 / (len(parts) * len(parts[check.score]) * members[check.score, check.part])
        for check in checks
    ]


def sign_patterns(shares: Sequence[float], replicates: int, alpha: float) -> int:
    """How many sign patterns the tests need so that the check of the least share can be significant."""
    least = min(shares, default=1.0)
    return max(replicates, min(_MOST_PATTERNS, math.ceil(_ROOM / (alpha * least))))
