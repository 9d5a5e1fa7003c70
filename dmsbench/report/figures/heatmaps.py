"""Corruption × severity, a cell a score: of one model, and the difference of two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dmsbench.report.figures.chart import ENDS, Chart, Numbers, ends
from dmsbench.report.figures.names import pair, slug
from dmsbench.report.figures.page import (
    DOUBLE,
    EDGE,
    LINE,
    SINGLE,
    SMALL,
    cut,
    cut_to,
    label_room,
    page,
    place,
    write_at,
)
from dmsbench.report.formats import in_catalogue_order, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    from dmsbench.report.run_scores import PairScores
    from dmsbench.scores import Scorecard
    from dmsbench.scores.rows import FloatArray

SCORES, DIFFERENCES = "cividis", "PuOr"
"""Colour maps that the colour-blind read too: even in lightness; and two hues from a white middle."""
MISSING = "#F2F2F2"
_ROW, _WIDEST_LABEL, _FOOT = 0.158, 1.62, 0.56
_MOST_ROWS = 46  # in one block: what a page is high
_LEAST = 0.01  # a scale of differences reaches at least one point either way


@dataclass(frozen=True, slots=True)
class _Grid:
    """Shares by corruption and severity, NaN where there is none."""

    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    values: FloatArray


def heatmap_charts(cards: Mapping[str, Scorecard], score_name: str) -> list[Chart]:
    """One chart a model that has scores, all on one scale. Joint corruptions are rows like the others."""
    grids = {model: _scores(card) for model, card in cards.items()}
    shown = [grid.values[~np.isnan(grid.values)] for grid in grids.values()]
    everything = np.concatenate(shown)
    span = (float(everything.min()), float(everything.max())) if everything.size else (0.0, 1.0)
    return [
        _heatmap(model, cards[model], grid, span, score_name)
        for model, grid in grids.items()
        if not np.isnan(grid.values).all()
    ]


def _scores(card: Scorecard) -> _Grid:
    found = {
        (part.name, point.severity): point.score.value
        for part in card.corruptions
        for point in part.curve
        if point.severity
    }
    return _grid(found)


def _grid(found: Mapping[tuple[str, int], float]) -> _Grid:
    names = in_catalogue_order(name for name, _ in found)
    severities = sorted({severity for _, severity in found})
    values = [[found.get((name, severity), math.nan) for severity in severities] for name in names]
    return _Grid(tuple(names), tuple(severities), np.array(values, dtype=np.float64).reshape(len(names), -1))


def _heatmap(model: str, card: Scorecard, grid: _Grid, span: tuple[float, float], score_name: str) -> Chart:
    by_name = {part.name: part for part in card.corruptions}
    numbers = Numbers(
        ("corruption", "severity", *(f"score{end}" for end in ENDS)),
        tuple(
            (name, point.severity, *ends(point.score))
            for name in grid.corruptions
            for point in by_name[name].curve
        ),
    )

    def draw() -> Figure:
        from matplotlib.colors import Normalize

        low, high = (100 * end for end in span)
        clean = f"clean {points(card.clean.value)}" if card.clean.defined else ""
        norm = Normalize(low, high if high > low else low + 1)
        return _draw(grid, [model], clean, f"{score_name} (%)", SCORES, norm, points)

    return Chart(f"heatmap-{slug(model)}", numbers, draw)


def difference_chart(one: PairScores) -> Chart | None:
    """b − a per cell; None where no corrupted cell has a pair."""
    cells: dict[tuple[str, int], list[tuple[float, float, float, int]]] = {}
    for found in one.comparison.conditions:
        if not found.condition.is_clean and not math.isnan(found.difference):
            key = (found.condition.corruption, found.condition.severity)
            cells.setdefault(key, []).append((found.a, found.b, found.difference, found.n_pairs))
    if not cells:
        return None
    means = {
        key: tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))
        for key, rows in cells.items()
    }
    grid = _grid({key: mean[2] for key, mean in means.items()})
    numbers = Numbers(
        ("corruption", "severity", "a", "b", "difference", "n_conditions", "n_pairs"),
        tuple(
            (name, severity, *means[name, severity][:3], len(rows), sum(row[3] for row in rows))
            for name in grid.corruptions
            for severity in grid.severities
            if (rows := cells.get((name, severity)))
        ),
    )

    def draw() -> Figure:
        from matplotlib.colors import Normalize

        reach = 100 * max(_LEAST, float(np.nanmax(np.abs(grid.values))))
        norm = Normalize(-reach, reach)
        title = [one.b, "\N{MINUS SIGN}", one.a]
        return _draw(grid, title, "", "difference (points)", DIFFERENCES, norm, _signed)

    return Chart(f"heatmap-difference-{pair(one.a, one.b)}", numbers, draw)


def _signed(share: float) -> str:
    value = round(100 * share, 1) + 0.0
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}") if value else "0.0"


def _draw(
    grid: _Grid, title: Sequence[str], note: str, axis: str, colours: str, norm: Normalize, shown: Any
) -> Figure:
    blocks = math.ceil(len(grid.corruptions) / _MOST_ROWS)
    per_block = math.ceil(len(grid.corruptions) / blocks)
    width = SINGLE if blocks == 1 else DOUBLE
    figure = page(width)
    labels, room = label_room(figure, grid.corruptions, _WIDEST_LABEL if blocks < 3 else 1.0)
    each = (width - EDGE) / blocks
    top = EDGE + LINE + (LINE if note else 0.0) + 0.06
    height = top + per_block * _ROW + _FOOT
    cut_to(figure, height)
    words = [w for w in title if len(w) == 1]
    room_a_name = (width - 2 * EDGE - 0.2 * len(words)) / (len(title) - len(words) or 1)
    head = " ".join(cut(figure, part, room_a_name, weight="bold") for part in title)
    write_at(figure, EDGE, EDGE, head, weight="bold")
    if note:
        write_at(figure, EDGE, EDGE + LINE, note)
    for block in range(blocks):
        start = block * per_block
        part = grid.values[start : start + per_block]
        left = block * each + EDGE + room + 0.06
        wide = each - room - 0.06 - 2 * EDGE
        axes = place(figure, left, top, wide, len(part) * _ROW)
        cells(axes, part, colours, norm, shown)
        axes.set_yticks(range(len(part)), labels[start : start + per_block])
        axes.set_xticks(range(len(grid.severities)), [str(severity) for severity in grid.severities])
        if block == 0:
            under = top + per_block * _ROW
            colour_bar(figure, left, under + 0.24, wide, colours, norm, axis)
        write_at(figure, left - 0.06, top + len(part) * _ROW + 0.03, "severity", ha="right")
    return figure


def cells(axes: Axes, values: FloatArray, colours: str, norm: Normalize, shown: Any) -> None:
    """A cell a value, the first row at the top; ``shown`` says what is written in it, None nothing."""
    import matplotlib

    colour_map = matplotlib.colormaps[colours].with_extremes(bad=MISSING)
    masked = np.ma.masked_invalid(100 * values)
    n_rows, n_columns = values.shape
    edges = np.arange(n_columns + 1) - 0.5, np.arange(n_rows + 1) - 0.5
    axes.pcolormesh(*edges, masked, cmap=colour_map, norm=norm, edgecolors="white", linewidth=0.5)
    axes.set_ylim(n_rows - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if shown is None:
        return
    for (row, column), value in np.ndenumerate(values):
        if not math.isnan(value):
            ink = "white" if _luminance(colour_map(float(norm(100 * value)))) < 0.4 else "black"
            style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": ink, "size": SMALL}
            axes.text(column, row, shown(value), **style)


def _luminance(colour: Sequence[float]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return math.sqrt(0.2126 * red + 0.7152 * green + 0.0722 * blue)  # as light as it looks


def colour_bar(
    figure: Figure, left: float, top: float, width: float, colours: str, norm: Normalize, axis: str
) -> None:
    """A level bar under the cells with its label."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import MaxNLocator

    axes = place(figure, left, top, width, 0.07)
    bar = figure.colorbar(
        ScalarMappable(norm=norm, cmap=colours), cax=axes, orientation="horizontal", ticks=MaxNLocator(4)
    )
    bar.outline.set_visible(False)
    write_at(figure, left - 0.06, top - 0.03, axis.replace(" (", "\n("), ha="right", linespacing=1.05)
