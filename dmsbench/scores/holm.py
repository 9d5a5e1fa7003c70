"""Holm's step-down adjustment of p-values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dmsbench.scores.rows import FloatArray


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Adjusted p-values, in the order given; each in [0, 1] and at least its raw value.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979): with
    p₍₁₎ ≤ … ≤ p₍ₘ₎, adjusted p₍ₖ₎ = max over j ≤ k of min(1, (m − j + 1)·p₍ⱼ₎). Rejecting those below α keeps
    the chance of any false rejection at or below α, whatever the dependence between the tests. NaN (a test
    that could not be made) stays NaN and does not count in m. Raises ValueError outside [0, 1].
    """
    p = np.atleast_1d(np.asarray(p_values, dtype=np.float64))
    if p.ndim != 1:
        raise ValueError(f"expected a flat list of p-values, not shape {p.shape}")
    tested = np.flatnonzero(~np.isnan(p))
    if ((p[tested] < 0.0) | (p[tested] > 1.0)).any():
        raise ValueError("a p-value lies outside [0, 1]")
    order = tested[np.argsort(p[tested], kind="stable")]
    adjusted = np.full(p.shape, np.nan)
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order]))
    return adjusted
