"""Curves: score or weight against severity, one panel a corruption, one line a model with its band."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dmsbench.files import write_atomically
from dmsbench.plain_text import one_line
from dmsbench.report.formats import in_catalogue_order, percent, shortened

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.transforms import Bbox

    from dmsbench.scores import CurvePoint

DPI = 150
SEVERITIES = 5
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito (2008), colours that the colour-blind can tell apart; without yellow, too pale on white."""
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (6, 1.5, 1, 1.5)), (0, (2, 1)), (0, (6, 1, 1, 1, 1, 1)))
_CHANCE_GREY = "#767676"
_TEXT_GREY = "#555555"

# Inches.
_LEFT, _RIGHT, _BOTTOM, _TOP = 0.75, 0.2, 0.62, 0.16
_GAP_X, _GAP_Y = 0.16, 0.40
_LINE = 0.24
_EDGE = 0.12
_MIN_WIDTH = 6.0
_TITLE_SIZE, _SMALLEST_TITLE = 9.5, 6.5  # points


class Curve(Protocol):
    """One corruption of one model."""

    @property
    def name(self) -> str: ...

    @property
    def curve(self) -> Sequence[CurvePoint]: ...


class Curves(Protocol):
    """One model: a scorecard, or anything else that has curves with intervals of one level."""

    @property
    def corruptions(self) -> Sequence[Curve]: ...

    @property
    def level(self) -> float: ...


@dataclass(frozen=True, slots=True)
class _Layout:
    """The grid of panels, in inches."""

    columns: int
    rows: int
    panel_width: float
    panel_height: float

    @property
    def width(self) -> float:
        panels = self.columns * self.panel_width + (self.columns - 1) * _GAP_X
        return max(_MIN_WIDTH, _LEFT + panels + _RIGHT)

    @property
    def panels_height(self) -> float:
        return self.rows * self.panel_height + (self.rows - 1) * _GAP_Y


def _layout(n_panels: int) -> _Layout:
    columns = next(
        c for most, c in ((1, 1), (2, 2), (9, 3), (16, 4), (30, 5), (math.inf, 6)) if n_panels <= most
    )
    rows = math.ceil(n_panels / columns)
    width, height = {1: (5.0, 3.2), 2: (3.6, 2.7), 3: (2.8, 2.1), 4: (2.35, 1.85)}.get(columns, (2.1, 1.7))
    return _Layout(columns, rows, width, height)


def draw_curves(
    scorecards: Mapping[str, Curves],
    *,
    title: str,
    subtitle: str = "",
    chance: float | None = None,
    folder: Path,
    score_name: str = "accuracy",
    chance_name: str = "chance",
    file: str = "curves",
) -> list[Path]:
    """Write ``file``.png (150 dpi) and .svg into the folder, made where it is not there; their paths.

    One panel a corruption, in the order of the catalogue, joint ones (``fog+ocr``) last; severity 0 to 5 (0
    is clean) against the score in per cent, on one range for all panels that starts just under the lowest
    value shown. ``scorecards``: models by name, drawn in this order; ``chance``: the score of guessing, in
    [0, 1], or another value to hold the curves against, as ``chance_name`` calls it. Severities without a
    score are left out of the line. The same input gives the same bytes.

    Raises ValueError where no scorecard has a corruption, OSError where a file cannot be written.
    """
    names = in_catalogue_order(part.name for card in scorecards.values() for part in card.corruptions)
    if not names:
        raise ValueError("nothing to draw: no scorecard holds a corrupted condition")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{file}.png", folder / f"{file}.svg"]
    with settings():
        figure = _figure(scorecards, names, title, subtitle, chance, score_name, chance_name)
        for path, metadata in zip(paths, ({"Software": None}, {"Date": None, "Creator": None}), strict=True):
            content = io.BytesIO()
            figure.savefig(content, format=path.suffix[1:], dpi=DPI, metadata=metadata)
            write_atomically(path, content.getvalue())
    return paths


@contextmanager
def settings() -> Iterator[None]:
    """Matplotlib's defaults and ours for a while, whatever the user's own are."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "dmsbench",
                "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and copied
                "text.parse_math": False,
                "font.family": ["DejaVu Sans", "sans-serif"],
                "font.size": 9.0,
                "axes.linewidth": 0.8,
                "axes.spines.top": False,
                "axes.spines.right": False,
            }
        )
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # names in other scripts
        yield


def _figure(
    scorecards: Mapping[str, Curves],
    names: Sequence[str],
    title: str,
    subtitle: str,
    chance: float | None,
    score_name: str,
    chance_name: str = "chance",
) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layout = _layout(len(names))
    figure = Figure(figsize=(layout.width, 1.0), dpi=DPI)
    FigureCanvasAgg(figure)
    legend = _legend(figure, scorecards, chance, chance_name, layout.width)
    room = layout.width - 2 * _EDGE
    head = [(line, 11.0, "bold", "black") for line in _wrapped(figure, title, room, 11.0, "bold")]
    head += [(line, 9.0, "normal", _TEXT_GREY) for line in _wrapped(figure, subtitle, room, 9.0, "normal")]
    legend_height = _extent(figure, legend).height / DPI
    above = _TOP + _LINE * len(head) + legend_height + 0.42
    height = above + layout.panels_height + _BOTTOM
    figure.set_size_inches(layout.width, height)

    left = _LEFT + (layout.width - _LEFT - _RIGHT - _panels_width(layout)) / 2
    for i, (line, size, weight, colour) in enumerate(head):
        y = 1 - (_TOP + _LINE * i) / height
        figure.text(_EDGE / layout.width, y, line, size=size, weight=weight, color=colour, va="top")
    corner = (_EDGE / layout.width, 1 - (_TOP + _LINE * len(head)) / height)
    legend.set_bbox_to_anchor(corner, transform=figure.transFigure)

    span = limits(scorecards, chance)
    titles, title_size = _fitted(figure, names, layout.panel_width + 0.6 * _GAP_X)
    for i, name in enumerate(names):
        row, column = divmod(i, layout.columns)
        x = left + column * (layout.panel_width + _GAP_X)
        y = height - above - layout.panel_height - row * (layout.panel_height + _GAP_Y)
        axes = figure.add_axes(
            (x / layout.width, y / height, layout.panel_width / layout.width, layout.panel_height / height)
        )
        _panel(axes, scorecards, name, chance)
        axes.set_title(titles[i], size=title_size, loc="left", pad=5)
        axes.set_ylim(*span)
        axes.tick_params(
            labelleft=column == 0, labelbottom=i + layout.columns >= len(names), length=3, color=_TEXT_GREY
        )
    middle = (left + _panels_width(layout) / 2) / layout.width
    figure.text(middle, 0.14 / height, "severity (0 = clean)", ha="center", va="bottom", size=10)
    y = (_BOTTOM + layout.panels_height / 2) / height
    label = shortened(f"{score_name} (%)", 30)
    figure.text((left - 0.6) / layout.width, y, label, rotation=90, ha="left", va="center", size=10)
    return figure


def _panels_width(layout: _Layout) -> float:
    return layout.columns * layout.panel_width + (layout.columns - 1) * _GAP_X


def _text_width(figure: Figure, text: str, size: float, weight: str = "normal") -> float:
    """Inches that a line of text takes."""
    probe = figure.text(0, 0, text, size=size, weight=weight)
    width: float = _extent(figure, probe).width / DPI
    probe.remove()
    return width


def _wrapped(figure: Figure, text: str, width: float, size: float, weight: str) -> list[str]:
    """The text in lines of at most ``width`` inches; a longer word is shortened."""
    lines: list[str] = []
    for word in one_line(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_width(figure, longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(_cut(figure, word, width, size, weight))
    return lines


def _cut(figure: Figure, text: str, width: float, size: float, weight: str = "normal") -> str:
    """The text, shortened in the middle to at most ``width`` inches."""
    line = one_line(text)
    length = len(line)
    while length > 3 and _text_width(figure, line, size, weight) > width:
        length = max(3, min(length - 1, int(length * width / _text_width(figure, line, size, weight))))
        line = shortened(text, length)
    return line


def _fitted(figure: Figure, names: Sequence[str], width: float) -> tuple[list[str], float]:
    """Panel titles and their one size: smaller where the longest needs it, cut where that is too small."""
    longest = max(_text_width(figure, one_line(name), _TITLE_SIZE) for name in names)
    size = max(_SMALLEST_TITLE, min(_TITLE_SIZE, _TITLE_SIZE * width / max(longest, 1e-6)))
    return [_cut(figure, name, 1.01 * width, size) for name in names], size


def _panel(axes: Axes, scorecards: Mapping[str, Curves], name: str, chance: float | None) -> None:
    if chance is not None:
        axes.axhline(100 * chance, **_chance_style())
    for i, card in enumerate(scorecards.values()):
        points = [point for part in card.corruptions if part.name == name for point in part.curve]
        severities = [point.severity for point in points]
        style = line_style(i)
        low, high = ([100 * getattr(point.score, end) for point in points] for end in ("low", "high"))
        axes.fill_between(severities, low, high, color=style["color"], alpha=0.16, linewidth=0, zorder=2)
        if len(points) == 1:  # a band of no width
            axes.vlines(severities, low, high, color=style["color"], alpha=0.5, linewidth=2, zorder=2)
        axes.plot(severities, [100 * point.score.value for point in points], **style)
    axes.set_xlim(-0.25, SEVERITIES + 0.25)
    axes.set_xticks(range(SEVERITIES + 1))
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)


def line_style(i: int) -> dict[str, Any]:
    """Line ``i``'s look: colour, marker and dashes each tell the lines apart."""
    return {
        "color": PALETTE[i % len(PALETTE)],
        "marker": _MARKERS[i % len(_MARKERS)],
        "linestyle": _DASHES[i % len(_DASHES)],
        "linewidth": 1.6,
        "markersize": 4.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
        "zorder": 3,
    }


def _chance_style() -> dict[str, Any]:
    return {"color": _CHANCE_GREY, "linestyle": ":", "linewidth": 1.4, "zorder": 1}


def limits(scorecards: Mapping[str, Curves], chance: float | None) -> tuple[float, float]:
    """One y range in per cent for all panels: multiples of 5 around all that is shown, at least 10 apart."""
    shown = [] if chance is None else [chance]
    for card in scorecards.values():
        scores = [point.score for part in card.corruptions for point in part.curve]
        shown += [value for s in scores for value in (s.value, s.low, s.high) if not math.isnan(value)]
    low, high = 100 * min(shown, default=0.0), 100 * max(shown, default=1.0)
    bottom = max(0.0, 5 * math.floor((low - 1) / 5))
    top = min(100.0, max(5.0 * math.ceil((high + 1) / 5), bottom + 10))
    bottom = min(bottom, top - 10)
    margin = 0.03 * (top - bottom)  # room for markers at the very edge
    return bottom - margin, top + margin


def _legend(
    figure: Figure, scorecards: Mapping[str, Curves], chance: float | None, chance_name: str, width: float
) -> Legend:
    """The legend at the top left, in as many columns as fit."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **line_style(i)) for i in range(len(scorecards))]
    labels = [_cut(figure, name, min(4.5, width - 1.0), 9.0) for name in scorecards]
    if chance is not None:
        handles.append(Line2D([], [], **_chance_style()))
        labels.append(f"{chance_name} ({100 * chance:.1f} %)")
    levels = {card.level for card in scorecards.values()}
    if len(levels) == 1:
        from matplotlib.patches import Patch

        handles.append(Patch(facecolor="#B0B0B0", alpha=0.5))  # type: ignore[arg-type]
        labels.append(f"{percent(levels.pop())} interval")
    for rows in range(1, len(handles) + 1):
        columns = math.ceil(len(handles) / rows)
        legend = figure.legend(
            handles,
            [f"label {i}" for i in range(len(handles))],  # a label that starts with "_" would be left out
            loc="upper left",
            ncols=columns,
            frameon=False,
            fontsize=9,
            handlelength=3.2,
            columnspacing=1.6,
            borderpad=0.1,
            borderaxespad=0.0,
        )
        for text, label in zip(legend.get_texts(), labels, strict=True):
            text.set_text(label)
        if columns == 1 or _extent(figure, legend).width / DPI <= width - 2 * _EDGE:
            break
        legend.remove()
    return legend


def _extent(figure: Figure, artist: Artist) -> Bbox:
    """What the artist covers, in pixels; the figure draws with Agg."""
    canvas: Any = figure.canvas
    return artist.get_window_extent(canvas.get_renderer())
