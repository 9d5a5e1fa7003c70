"""Curves as block characters."""

from __future__ import annotations

import math

import pytest

from dmsbench.grid import Condition, View
from dmsbench.report.sparklines import BLOCKS, can_show, comparison_curves, span, sparkline
from dmsbench.scores import Comparison
from dmsbench.scores.paired import ConditionPair


def compared(*cells: ConditionPair) -> Comparison:
    return Comparison(
        overall=None,
        clean=None,
        corruptions=(),
        conditions=cells,
        n_samples=1,
        n_groups=1,
        n_pairs=1,
        n_error_pairs=0,
        n_left_out=0,
        n_errors_a=0,
        n_errors_b=0,
        alpha=0.05,
        level=0.95,
        replicates=1,
        seed=0,
    )


def cell(condition: Condition, a: float, b: float) -> ConditionPair:
    return ConditionPair(condition, a, b, b - a, 0 if math.isnan(a) else 1)


def test_height_is_the_score() -> None:
    assert sparkline([i / 7 for i in range(8)], 0.0, 1.0) == BLOCKS
    assert sparkline([1.0, 0.5, 0.0], 0.0, 1.0) == "█▅▁"


def test_beyond_the_scale_and_unknown() -> None:
    assert sparkline([-1.0, 2.0, math.nan], 0.0, 1.0) == "▁█ "
    assert sparkline([0.3, 0.3], 0.3, 0.3) == "██"
    assert sparkline([], 0.0, 1.0) == ""


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", True), ("ascii", False), ("latin-1", False), (None, False), ("no such", False)],
)
def test_only_where_the_encoding_holds_them(encoding: str | None, shown: bool) -> None:
    assert can_show(encoding) is shown


def test_curves_begin_with_clean_and_joint_severities_are_averaged() -> None:
    fog, key = View("fog", 1), View("keyboard", 3)
    severities, curves = comparison_curves(
        compared(
            cell(Condition(), 0.9, 0.8),
            cell(Condition(image=fog), 0.5, 0.6),
            cell(Condition(image=fog, text=key), 0.2, 0.4),
            cell(Condition(image=View("fog", 3), text=key), 0.4, 0.6),
            cell(Condition(image=View("fog", 3)), math.nan, math.nan),
        )
    )
    assert severities == (0, 1, 3)
    assert curves["fog"][0] == pytest.approx((0.9, 0.5, math.nan), nan_ok=True)
    assert curves["fog+keyboard"][0] == pytest.approx((0.9, math.nan, 0.3), nan_ok=True)
    assert curves["fog+keyboard"][1] == pytest.approx((0.8, math.nan, 0.5), nan_ok=True)
    assert "clean" not in curves
    assert span(curve for pair in curves.values() for curve in pair) == pytest.approx((0.3, 0.9))


def test_a_scale_of_nothing() -> None:
    assert all(map(math.isnan, span([(math.nan,), ()])))
