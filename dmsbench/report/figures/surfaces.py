"""Joint corruptions as surfaces: the image's severity × the text's, with contour lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dmsbench.grid import Condition, View
from dmsbench.report.figures.chart import ENDS, Chart, Numbers, ends
from dmsbench.report.figures.heatmaps import SCORES, cells, colour_bar
from dmsbench.report.figures.names import slug
from dmsbench.report.figures.page import (
    DOUBLE,
    EDGE,
    LINE,
    SINGLE,
    SMALL,
    broken,
    cut,
    cut_to,
    page,
    place,
    write_at,
)
from dmsbench.report.formats import in_catalogue_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmsbench.scores import ConditionScore, Scorecard
    from dmsbench.scores.rows import FloatArray

_LEFT, _GAP, _FOOT = 0.5, 0.14, 0.80
_FEWEST = 2  # severities on either side; of fewer there is no surface
_FLAT = 1.0  # points: a surface that spans less has no contours


def surface_charts(cards: Mapping[str, Scorecard], score_name: str) -> list[Chart]:
    """A chart for every joint corruption whose grid crosses severities, a panel a model."""
    joint = {one.condition.corruption for card in cards.values() for one in _crossed(card)}
    charts = (_surface(cards, name, score_name) for name in in_catalogue_order(sorted(joint)))
    return [chart for chart in charts if chart is not None]


def _crossed(card: Scorecard) -> list[ConditionScore]:
    return [c for c in card.conditions if not (c.condition.image.is_clean or c.condition.text.is_clean)]


def _surface(cards: Mapping[str, Scorecard], name: str, score_name: str) -> Chart | None:
    """With the cells of either corruption alone, and clean, at severity 0 where the grid holds them."""
    members = [
        c.condition for card in cards.values() for c in _crossed(card) if c.condition.corruption == name
    ]
    image, text = members[0].image.corruption, members[0].text.corruption
    images, texts = (sorted({getattr(one, side).severity for one in members}) for side in ("image", "text"))
    scores = {
        model: {c.condition: c for c in card.conditions if c.score.defined} for model, card in cards.items()
    }
    wanted = [(x, y) for x in (0, *images) for y in (0, *texts)]
    found = {
        model: {at: own[c] for at in wanted if (c := _condition(image, text, at)) in own}
        for model, own in scores.items()
    }
    shown = {model: own for model, own in found.items() if _has_square(own, images, texts)}
    if not shown:
        return None
    numbers = Numbers(
        ("model", "image_severity", "text_severity", *(f"score{end}" for end in ENDS)),
        tuple((model, *at, *ends(one.score)) for model, own in shown.items() for at, one in own.items()),
    )
    grids = {
        model: np.array(
            [
                [own[x, y].score.value if (x, y) in own else math.nan for y in (0, *texts)]
                for x in (0, *images)
            ]
        )
        for model, own in shown.items()
    }
    return Chart(
        f"surface-{slug(name)}",
        numbers,
        lambda: _draw(grids, (image, text), ((0, *images), (0, *texts)), score_name),
    )


def _condition(image: str, text: str, at: tuple[int, int]) -> Condition:
    return Condition(View(image, at[0]) if at[0] else View(), View(text, at[1]) if at[1] else View())


def _has_square(own: Mapping[tuple[int, int], object], images: Sequence[int], texts: Sequence[int]) -> bool:
    """Whether two severities of one side are there with the same two of the other."""
    rows = [{text for text in texts if (image, text) in own} for image in images]
    return any(len(a & b) >= _FEWEST for i, a in enumerate(rows) for b in rows[:i])


def _draw(
    grids: Mapping[str, FloatArray],
    names: tuple[str, str],
    severities: tuple[Sequence[int], Sequence[int]],
    score_name: str,
) -> Figure:
    from matplotlib.colors import Normalize

    width = SINGLE if len(grids) < 3 else DOUBLE
    columns = min(len(grids), 2 if width == SINGLE else 4)
    wide = min(2.2, (width - _LEFT - EDGE - (columns - 1) * _GAP) / columns)
    tall = min(wide, 0.34 * len(severities[0]) + 0.1)
    n_lines = math.ceil(len(grids) / columns)
    step = LINE + 0.06 + tall + 0.22
    figure = page(width)
    height = EDGE + n_lines * step + _FOOT - 0.22
    cut_to(figure, height)
    known = np.concatenate([grid[~np.isnan(grid)] for grid in grids.values()])
    low, high = 100 * float(known.min()), 100 * float(known.max())
    norm = Normalize(low, high if high > low else low + 1)
    for i, (model, grid) in enumerate(grids.items()):
        row, column = divmod(i, columns)
        left, top = _LEFT + column * (wide + _GAP), EDGE + row * step + LINE + 0.04
        write_at(
            figure, left, top - 0.04, cut(figure, model, wide, weight="bold"), va="bottom", weight="bold"
        )
        axes = place(figure, left, top, wide, tall)
        cells(axes, grid, SCORES, norm, None)
        _contours(axes, grid)
        axes.set_xticks(range(len(severities[1])), [str(s) for s in severities[1]])
        axes.set_yticks(range(len(severities[0])), [str(s) for s in severities[0]])
        axes.tick_params(labelleft=column == 0)
    under = EDGE + n_lines * step - 0.02
    across = columns * wide + (columns - 1) * _GAP
    line = cut(figure, f"severity of {names[1]} (text)", across)
    write_at(figure, _LEFT + across / 2, under, line, ha="center")
    side = broken(figure, f"{names[0]} (image)", n_lines * step - 0.2)
    middle = EDGE + (n_lines * step - 0.02) / 2
    write_at(figure, 0.03, middle, "\n".join(side), rotation=90, va="center", ma="center")
    colour_bar(figure, _LEFT + 0.4, under + LINE + 0.12, across - 0.4, SCORES, norm, f"{score_name} (%)")
    return figure


def _contours(axes: Axes, grid: FloatArray) -> None:
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator

    values = np.ma.masked_invalid(100 * grid)
    low, high = float(values.min()), float(values.max())
    if high - low < _FLAT:
        return
    levels = [level for level in MaxNLocator(5).tick_values(low, high) if low < level < high]
    lines = axes.contour(values, levels=levels, colors="white", linewidths=0.9)
    lines.set_path_effects([withStroke(linewidth=1.7, foreground="black")])
    for label in lines.clabel(fontsize=SMALL, fmt="%g", colors="black"):
        # A box: an outlined text would be a drawing, no text, in SVG and PDF.
        label.set_bbox({"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"})
