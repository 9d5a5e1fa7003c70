"""Score or weight against severity: a panel a corruption, a line a model with its band."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dmsbench.report.curves import SEVERITIES, Curves, limits
from dmsbench.report.figures.chart import ENDS, Chart, Numbers, ends
from dmsbench.report.figures.page import (
    DOUBLE,
    EDGE,
    GREY,
    LINE,
    PALE,
    SINGLE,
    anchor,
    broken,
    cut_to,
    few_ticks,
    legend,
    model_style,
    page,
    place,
    write_at,
)
from dmsbench.report.formats import in_catalogue_order, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmsbench.scores import CurvePoint

_LEFT, _RIGHT, _GAP, _FOOT = 0.52, 0.10, 0.11, 0.36


def panels_chart(
    stem: str,
    curves: Mapping[str, Curves],
    order: Sequence[str],
    *,
    value: str,
    axis: str,
    reference: tuple[str, float] | None,
) -> Chart | None:
    """Curves by model; None where there is none. ``value`` heads the numbers' column, ``axis`` the axis.

    ``order`` names all models of the run: a model looks the same in all charts. ``reference``: a line to hold
    the curves against, its name and its height in [0, 1].
    """
    names = in_catalogue_order(part.name for card in curves.values() for part in card.corruptions)
    if not names:
        return None
    numbers = Numbers(
        ("model", "corruption", "severity", *(f"{value}{end}" for end in ENDS)),
        tuple(
            (model, name, point.severity, *ends(point.score))
            for name in names
            for model, card in curves.items()
            for point in _curve(card, name)
        ),
    )
    return Chart(stem, numbers, lambda: _draw(curves, names, order, axis, reference))


def _curve(card: Curves, name: str) -> Sequence[CurvePoint]:
    return [point for part in card.corruptions if part.name == name for point in part.curve]


def _draw(
    curves: Mapping[str, Curves],
    names: Sequence[str],
    order: Sequence[str],
    axis: str,
    reference: tuple[str, float] | None,
) -> Figure:
    columns = next(
        c for most, c in ((1, 1), (4, 2), (6, 3), (16, 4), (30, 5), (math.inf, 6)) if len(names) <= most
    )
    width = SINGLE if columns == 1 else DOUBLE
    wide = (width - _LEFT - _RIGHT - (columns - 1) * _GAP) / columns
    tall = {1: 1.9, 2: 1.6, 3: 1.2, 4: 0.95, 5: 0.85}.get(columns, 0.75)
    figure = page(width)
    key, key_height = _legend(figure, curves, order, reference)
    titles = [broken(figure, name, wide + 0.5 * _GAP) for name in names]
    heads = [
        LINE * max(len(title) for title in titles[start : start + columns]) + 0.05
        for start in range(0, len(names), columns)
    ]
    tops = [EDGE + key_height + 0.08]
    for head in heads:
        tops.append(tops[-1] + head + tall + 0.06)
    height = tops[-1] + _FOOT
    cut_to(figure, height)
    anchor(figure, key, EDGE)

    between = limits(curves, None if reference is None else reference[1])
    last = max(
        SEVERITIES, *(p.severity for card in curves.values() for part in card.corruptions for p in part.curve)
    )
    for i, name in enumerate(names):
        row, column = divmod(i, columns)
        left, top = _LEFT + column * (wide + _GAP), tops[row] + heads[row]
        axes = place(figure, left, top, wide, tall)
        for j, line in enumerate(reversed(titles[i])):
            write_at(figure, left, top - 0.05 - j * LINE, line, va="bottom")
        _panel(axes, curves, name, order, reference)
        axes.set_xlim(-0.3, last + 0.3)
        axes.set_xticks(range(last + 1))
        axes.set_ylim(*between)
        few_ticks(axes, "y", 4)
        below = i + columns >= len(names)
        axes.tick_params(labelleft=column == 0, labelbottom=below)
    middle = _LEFT + (width - _LEFT - _RIGHT) / 2
    write_at(figure, middle, height - 0.03, "severity (0 = clean)", ha="center", va="bottom")
    centre = (tops[0] + tops[-1]) / 2
    write_at(figure, 0.03, centre, axis, rotation=90, va="center")
    return figure


def _panel(
    axes: Axes,
    curves: Mapping[str, Curves],
    name: str,
    order: Sequence[str],
    reference: tuple[str, float] | None,
) -> None:
    if reference is not None:
        axes.axhline(100 * reference[1], **_reference_style())
    for model, card in curves.items():
        points, style = _curve(card, name), model_style(order.index(model))
        severities = [point.severity for point in points]
        low, high = ([100 * getattr(point.score, end) for point in points] for end in ("low", "high"))
        axes.fill_between(severities, low, high, color=style["color"], alpha=0.2, linewidth=0, zorder=2)
        if len(points) == 1:  # a band of no width
            axes.vlines(severities, low, high, color=style["color"], alpha=0.5, linewidth=1.5, zorder=2)
        axes.plot(severities, [100 * point.score.value for point in points], **style)
    axes.grid(axis="y", color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)


def _reference_style() -> dict[str, Any]:
    return {"color": GREY, "linestyle": ":", "linewidth": 1.0, "zorder": 1}


def _legend(
    figure: Figure,
    curves: Mapping[str, Curves],
    order: Sequence[str],
    reference: tuple[str, float] | None,
) -> tuple[Any, float]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Line2D([], [], **model_style(order.index(model))) for model in curves]
    labels = list(curves)
    if reference is not None:
        handles.append(Line2D([], [], **_reference_style()))
        labels.append(f"{reference[0]} ({100 * reference[1]:.1f} %)")
    levels = {card.level for card in curves.values()}
    if len(levels) == 1:
        handles.append(Patch(facecolor="#C4C4C4"))
        labels.append(f"{percent(levels.pop())} interval")
    return legend(figure, handles, labels)
