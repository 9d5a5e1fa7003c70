"""Quantiles of t against SciPy's."""

from __future__ import annotations

import pytest
from scipy.stats import t

from dmsbench.scores.student import t_quantile


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.975, 0.99])
def test_quantiles_are_scipy_s(level: float) -> None:
    for freedom in (3, 4, 7, 12, 30, 127, 10_000):
        assert t_quantile(level, freedom) == pytest.approx(t.ppf(level, freedom), rel=0.005, abs=1e-12)
    assert t_quantile(1 - level, 9) == pytest.approx(-t_quantile(level, 9))


def test_no_freedom_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        t_quantile(0.95, 0)
