"""Holm's step-down adjustment of p-values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dmsbench.scores.rows import FloatArray


def holm(p_values: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> FloatArray:
    """Adjusted p-values, in the order given; each in [0, 1] and at least its raw value.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979): with
    p₍₁₎ ≤ … ≤ p₍ₘ₎, adjusted p₍ₖ₎ = max over j ≤ k of min(1, (m − j + 1)·p₍ⱼ₎). Rejecting those below α keeps
    the chance of any false rejection at or below α, whatever the dependence between the tests.

    With ``weights`` (above 0, only their ratios count) the same paper's weighted procedure: ordered by p/w,
    the j-th is multiplied by the sum of the weights from it on over its own. A test of a large weight is
    corrected little, the others more.

    NaN (a test that could not be made) stays NaN and does not count. Raises ValueError for a p-value
    outside [0, 1] and for weights that are not above 0 or not as many.
    """
    p = np.atleast_1d(np.asarray(p_values, dtype=np.float64))
    if p.ndim != 1:
        raise ValueError(f"expected a flat list of p-values, not shape {p.shape}")
    w = np.ones(p.shape) if weights is None else np.atleast_1d(np.asarray(weights, dtype=np.float64))
    if w.shape != p.shape or not (w > 0.0).all():
        raise ValueError("expected a weight above 0 for every p-value")
    tested = np.flatnonzero(~np.isnan(p))
    if ((p[tested] < 0.0) | (p[tested] > 1.0)).any():
        raise ValueError("a p-value lies outside [0, 1]")
    order = tested[np.argsort(p[tested] / w[tested], kind="stable")]
    adjusted = np.full(p.shape, np.nan)
    left = np.cumsum(w[order][::-1])[::-1]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(left / w[order] * p[order]))
    return adjusted
