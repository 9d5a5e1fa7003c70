"""What confidence is worth: reliability diagrams, and calibration error and overconfidence by severity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dmsbench.report.curves import PALETTE
from dmsbench.report.figures.chart import ENDS, Chart, Numbers, ends
from dmsbench.report.figures.names import slug
from dmsbench.report.figures.page import (
    DOUBLE,
    EDGE,
    GREY,
    LINE,
    PALE,
    SINGLE,
    anchor,
    cut,
    cut_to,
    few_ticks,
    legend,
    model_style,
    page,
    place,
    write_at,
)
from dmsbench.report.formats import percent, points
from dmsbench.scores.bootstrap import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmsbench.scores.calibration import Calibration

FIGURES = ("score", "confidence", "overconfidence", "ece")
"""The estimates of a ``Calibration``."""
_LEFT, _GAP, _LEAST_DOT, _DOT = 0.5, 0.14, 3.0, 60.0
_SIDES = (("ece", "ECE (points)"), ("overconfidence", "overconfidence (points)"))


def severity_of(one: Calibration) -> int | None:
    """0 of clean, the severity of ``severity 3``, None of a family."""
    if one.name == "clean":
        return 0
    found = re.fullmatch(r"severity (\d+)", one.name)
    return int(found[1]) if found else None


def reliability_charts(found: Mapping[str, Sequence[Calibration]], score_name: str) -> list[Chart]:
    """A diagram a model: clean, and the least, the middle and the largest severity."""
    charts = []
    for model, sets in found.items():
        chosen = _chosen(sets)
        if chosen:
            charts.append(_reliability(model, chosen, score_name))
    return charts


def _chosen(sets: Sequence[Calibration]) -> list[Calibration]:
    by_severity = {s: one for one in sets if (s := severity_of(one)) is not None}
    harmed = sorted(severity for severity in by_severity if severity)
    wanted = {harmed[0], harmed[len(harmed) // 2], harmed[-1]} if harmed else set()
    return [by_severity[s] for s in sorted(wanted | ({0} & by_severity.keys()))]


def _reliability(model: str, chosen: Sequence[Calibration], score_name: str) -> Chart:
    numbers = Numbers(
        ("set", "low", "high", "n_rows", "confidence", "score"),
        tuple((one.name, b.low, b.high, b.n_rows, b.confidence, b.score) for one in chosen for b in one.bins),
    )
    return Chart(f"reliability-{slug(model)}", numbers, lambda: _diagrams(model, chosen, score_name))


def _diagrams(model: str, chosen: Sequence[Calibration], score_name: str) -> Figure:
    width = SINGLE if len(chosen) < 3 else DOUBLE
    right = EDGE + 0.10
    wide = min(2.0, (width - _LEFT - right - (len(chosen) - 1) * _GAP) / len(chosen))
    figure = page(width)
    head = EDGE + LINE + 0.05
    top, share = head + 2 * LINE + 0.03, 0.28
    cut_to(figure, top + wide + 0.07 + share + 0.36)
    write_at(figure, EDGE, EDGE, cut(figure, model, width - 2 * EDGE, weight="bold"), weight="bold")
    most = max(100 * b.n_rows / one.n_rows for one in chosen for b in one.bins)
    for i, one in enumerate(chosen):
        left = _LEFT + i * (wide + _GAP)
        write_at(figure, left, head, one.name)
        write_at(figure, left, head + LINE, f"ECE {points(one.ece.value)}", color=GREY)
        axes = place(figure, left, top, wide, wide)
        _diagram(axes, one)
        axes.tick_params(labelleft=i == 0, labelbottom=False)
        below = place(figure, left, top + wide + 0.07, wide, share)
        _shares(below, one, most)
        below.tick_params(labelleft=i == 0)
    across = len(chosen) * (wide + _GAP) - _GAP
    write_at(figure, 0.03, top + wide / 2, f"{score_name} (%)", rotation=90, va="center")
    foot = top + wide + 0.07 + share + 0.19
    write_at(figure, _LEFT + across / 2, foot, "confidence (%); below: share of the answers (%)", ha="center")
    return figure


def _diagram(axes: Axes, one: Calibration) -> None:
    """A dot a bin, by its area the bin's share of the rows; the line to the diagonal is what it is off."""
    axes.plot([0, 100], [0, 100], color=GREY, linestyle=":", linewidth=1.0, zorder=1)
    filled = [b for b in one.bins if b.n_rows]
    x, y = ([100 * getattr(b, side) for b in filled] for side in ("confidence", "score"))
    axes.vlines(x, x, y, color=PALETTE[1], linewidth=0.9, zorder=2)
    areas = [max(_LEAST_DOT, _DOT * b.n_rows / one.n_rows) for b in filled]
    axes.scatter(x, y, s=areas, color=PALETTE[0], edgecolors="white", linewidths=0.3, zorder=3)
    axes.set_xlim(-4, 104)
    axes.set_ylim(-4, 104)
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks([0, 25, 50, 75, 100])
    axes.grid(color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)


def _shares(axes: Axes, one: Calibration, most: float) -> None:
    shares = [100 * b.n_rows / one.n_rows for b in one.bins]
    lows = [100 * b.low for b in one.bins]
    axes.bar(lows, shares, width=100 / len(one.bins), align="edge", color="#B8B8B8", linewidth=0)
    axes.set_xlim(-4, 104)
    axes.set_ylim(0, 1.05 * most)
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "", "50", "", "100"])
    few_ticks(axes, "y", 2)


def calibration_chart(found: Mapping[str, Sequence[Calibration]], order: Sequence[str]) -> Chart | None:
    """ECE and overconfidence against severity; None without a severity. The numbers hold families too."""
    if not any(severity_of(one) is not None for sets in found.values() for one in sets):
        return None
    numbers = Numbers(
        ("model", "set", "n_rows", *(f"{name}{end}" for name in FIGURES for end in ENDS)),
        tuple(
            (model, one.name, one.n_rows, *(cell for name in FIGURES for cell in ends(getattr(one, name))))
            for model, sets in found.items()
            for one in sets
        ),
    )
    return Chart("calibration", numbers, lambda: _by_severity(found, order))


def _by_severity(found: Mapping[str, Sequence[Calibration]], order: Sequence[str]) -> Figure:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure = page(DOUBLE)
    handles = [Line2D([], [], **model_style(order.index(model))) for model in found]
    band = Patch(facecolor="#C4C4C4")
    key, key_height = legend(figure, [*handles, band], [*found, f"{percent(LEVEL)} interval"])
    gap, tall = 0.55, 1.7
    wide = (DOUBLE - _LEFT - EDGE - 0.06 - gap) / 2
    top = EDGE + key_height + 0.1
    cut_to(figure, top + tall + 0.36)
    anchor(figure, key, EDGE)
    for i, (field, label) in enumerate(_SIDES):
        left = _LEFT + i * (wide + gap)
        axes = place(figure, left, top, wide, tall)
        for model, sets in found.items():
            _line(axes, sets, field, order.index(model))
        if field == "overconfidence":
            axes.axhline(0, color=GREY, linewidth=0.6, zorder=1)
        axes.grid(axis="y", color=PALE, linewidth=0.5)
        axes.set_axisbelow(True)
        severities = sorted(
            {s for sets in found.values() for one in sets if (s := severity_of(one)) is not None}
        )
        axes.set_xticks(severities)
        axes.set_xlim(min(severities) - 0.3, max(severities) + 0.3)
        few_ticks(axes, "y", 5)
        write_at(figure, left - _LEFT + 0.03, top + tall / 2, label, rotation=90, va="center")
        write_at(figure, left + wide / 2, top + tall + 0.19, "severity (0 = clean)", ha="center")
    return figure


def _line(axes: Axes, sets: Sequence[Calibration], field: str, i: int) -> None:
    shown = [(s, getattr(one, field)) for one in sets if (s := severity_of(one)) is not None]
    shown.sort(key=lambda pair: pair[0])
    style, severities = model_style(i), [s for s, _ in shown]
    low, high = ([100 * getattr(estimate, end) for _, estimate in shown] for end in ("low", "high"))
    axes.fill_between(severities, low, high, color=style["color"], alpha=0.2, linewidth=0, zorder=2)
    if len(shown) == 1:  # a band of no width
        axes.vlines(severities, low, high, color=style["color"], alpha=0.5, linewidth=1.5, zorder=2)
    axes.plot(severities, [100 * estimate.value for _, estimate in shown], **style)
