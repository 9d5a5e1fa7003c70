"""A page of print: its sizes in inches, its fonts, and where things lie on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dmsbench.plain_text import one_line
from dmsbench.report.curves import line_style, settings
from dmsbench.report.formats import shortened

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmsbench.scores import Estimate

SINGLE, DOUBLE = 3.3, 6.9
"""Widths of one column and of two."""
DPI = 300
SIZE, SMALL = 8.0, 7.0
"""Points: of all text, and of numbers inside a cell."""
LINE = 0.145
"""From one line of text to the next."""
EDGE = 0.04
GREY, PALE = "#6B6B6B", "#E4E4E4"
_OVERHANG = 0.09  # half a tick's label, which reaches past its axis


@contextmanager
def print_settings() -> Iterator[None]:
    """Matplotlib's settings for print, for a while; text stays text in SVG, fonts are TrueType in PDF."""
    import matplotlib

    with settings():
        matplotlib.rcParams.update(
            {
                "pdf.fonttype": 42,
                "pdf.compression": 6,
                "font.size": SIZE,
                "axes.labelsize": SIZE,
                "axes.titlesize": SIZE,
                "axes.labelpad": 3.0,
                "axes.linewidth": 0.6,
                "axes.unicode_minus": True,
                "xtick.labelsize": SIZE,
                "ytick.labelsize": SIZE,
                "legend.fontsize": SIZE,
                "xtick.major.size": 2.0,
                "ytick.major.size": 2.0,
                "xtick.major.width": 0.6,
                "ytick.major.width": 0.6,
                "xtick.major.pad": 2.0,
                "ytick.major.pad": 2.0,
            }
        )
        yield


def page(width: float) -> Figure:
    """A figure to measure text on; ``cut_to`` gives it its height."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 1.0), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def cut_to(figure: Figure, height: float) -> None:
    """Sets the height; before anything is placed."""
    width, _ = figure.get_size_inches()
    figure.set_size_inches(width, height)


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes by their upper left corner, from the page's."""
    whole, tall = figure.get_size_inches()
    return figure.add_axes((left / whole, 1 - (top + height) / tall, width / whole, height / tall))


def write_at(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    """Text by its upper left corner; ``style`` may say otherwise."""
    whole, tall = figure.get_size_inches()
    figure.text(left / whole, 1 - top / tall, text, **{"va": "top", "ha": "left", **style})


def text_width(figure: Figure, text: str, size: float = SIZE, weight: str = "normal") -> float:
    """Inches that a line of text takes."""
    probe = figure.text(0, 0, text, size=size, weight=weight)
    width = extent(figure, probe)[0]
    probe.remove()
    return width


def extent(figure: Figure, artist: Artist) -> tuple[float, float]:
    """Width and height of what the artist covers."""
    canvas: Any = figure.canvas
    box = artist.get_window_extent(canvas.get_renderer())
    return box.width / DPI, box.height / DPI


def cut(figure: Figure, text: str, width: float, size: float = SIZE, weight: str = "normal") -> str:
    """The text in one line, shortened in the middle to at most ``width``."""
    line = one_line(text)
    length = len(line)
    while length > 3 and (wide := text_width(figure, line, size, weight)) > width:
        length = max(3, min(length - 1, int(length * width / wide)))
        line = shortened(text, length)
    return line


def broken(figure: Figure, text: str, width: float) -> list[str]:
    """The text in one line, in two where it is wider than ``width``: split after ``+``, ``_`` or a space."""
    line = one_line(text)
    if text_width(figure, line) <= width:
        return [line]
    ends = [i + 1 for i, c in enumerate(line[:-1]) if c == "+"]
    ends = ends or [i + 1 for i, c in enumerate(line[:-1]) if c in "_- "]
    if not ends:
        return [cut(figure, line, width)]
    end = min(ends, key=lambda i: abs(2 * i - len(line)))
    return [cut(figure, part, width) for part in (line[:end], line[end:])]


def label_room(figure: Figure, labels: Iterable[str], most: float) -> tuple[list[str], float]:
    """Labels of at most ``most``, and the width of the widest."""
    shown = [cut(figure, label, most) for label in labels]
    return shown, max((text_width(figure, label) for label in shown), default=0.0)


def model_style(i: int) -> dict[str, Any]:
    """The look of model ``i``'s line: as in the other reports, as thin as print wants it."""
    return {**line_style(i), "linewidth": 1.0, "markersize": 3.2, "markeredgewidth": 0.4}


def legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> tuple[Any, float]:
    """A legend in as few lines as the page's width allows, and its height; ``anchor`` puts it in place."""
    width = float(figure.get_size_inches()[0]) - 2 * EDGE
    shown = [cut(figure, label, min(2.2, width - 0.6)) for label in labels]
    for lines in range(1, len(handles) + 1):
        columns = math.ceil(len(handles) / lines)
        found = figure.legend(
            handles,
            [f"label {i}" for i in range(len(handles))],  # a label that starts with "_" would be left out
            loc="upper left",
            ncols=columns,
            frameon=False,
            handlelength=2.2,
            handletextpad=0.5,
            columnspacing=1.2,
            labelspacing=0.35,
            borderpad=0.0,
            borderaxespad=0.0,
        )
        for text, label in zip(found.get_texts(), shown, strict=True):
            text.set_text(label)
        if columns == 1 or extent(figure, found)[0] <= width:
            break
        found.remove()
    return found, extent(figure, found)[1]


def anchor(figure: Figure, found: Any, top: float, left: float = EDGE) -> None:
    """Puts a legend's upper left corner where it belongs, once the page has its height."""
    whole, tall = figure.get_size_inches()
    found.set_bbox_to_anchor((left / whole, 1 - top / tall), transform=figure.transFigure)


def whisker(axes: Axes, estimate: Estimate, y: float, *, fill: bool = True, **style: Any) -> None:
    """A value in per cent with its interval, at height ``y``; nothing where it is undefined."""
    if not estimate.defined:
        return
    colour = style.pop("color")
    if not math.isnan(estimate.low):
        axes.plot([100 * estimate.low, 100 * estimate.high], [y, y], color=colour, linewidth=1.0, zorder=2)
    face = colour if fill else "white"
    look = {"marker": "o", "markersize": 4.0, "zorder": 3, "linestyle": "none", **style}
    axes.plot([100 * estimate.value], [y], color=colour, markerfacecolor=face, markeredgecolor=colour, **look)


def rows_axes(figure: Figure, left: float, top: float, height: float, n_rows: int) -> Axes:
    """Axes for ``n_rows`` lines of dots, the first at the top; the labels are the caller's."""
    width = float(figure.get_size_inches()[0]) - left - EDGE - _OVERHANG
    axes = place(figure, left, top, width, height)
    axes.set_ylim(n_rows - 0.5, -0.5)
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return axes


def few_ticks(axes: Axes, which: str, most: int) -> None:
    """At most ``most`` + 1 round ticks."""
    from matplotlib.ticker import MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
