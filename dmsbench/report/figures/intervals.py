"""Values with their intervals, a line each: means by rank, headroom, gains by corruption."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dmsbench.report.curves import PALETTE
from dmsbench.report.figures.chart import Chart, Numbers, ends, with_ends
from dmsbench.report.figures.names import pair
from dmsbench.report.figures.page import (
    EDGE,
    GREY,
    LINE,
    SINGLE,
    anchor,
    cut,
    cut_to,
    few_ticks,
    label_room,
    legend,
    page,
    rows_axes,
    whisker,
    write_at,
)
from dmsbench.report.formats import in_catalogue_order, percent, with_interval
from dmsbench.scores import Estimate, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dmsbench.report.leaderboard import Leaderboard
    from dmsbench.report.run_scores import PairScores
    from dmsbench.report.scheduling import Scheduling
    from dmsbench.scores import Contrast
    from dmsbench.scores.headroom import Headroom

_BLUE, _RED, _GREEN = PALETTE[0], PALETTE[1], PALETTE[2]
_ROW, _FOOT, _LABEL = 0.19, 0.36, 1.35
_ARMS: Mapping[str, tuple[str, str]] = {
    "static": ("static", GREY),
    "dms": ("scheduled", _BLUE),
    "best_constant": ("best constant", _GREEN),
    "oracle": ("oracle", _RED),
}
"""Of ``Headroom``, in the order shown: what each is called, and its colour."""


def means_chart(board: Leaderboard, score_name: str) -> Chart:
    """The mean over conditions and the clean score of every model, by rank."""
    numbers = Numbers(
        ("rank", "model", *with_ends(("mean", "clean"))),
        tuple((row.rank, row.model, *ends(row.mean), *ends(row.clean)) for row in board.rows),
    )
    return Chart("means", numbers, lambda: _means(board, score_name))


def _means(board: Leaderboard, score_name: str) -> Figure:
    kinds = [("mean over conditions", "mean", _BLUE, True), ("clean", "clean", GREY, False)]
    kinds = [kind for kind in kinds if any(getattr(row, kind[1]).defined for row in board.rows)]
    figure = page(SINGLE)
    handles: list[Any] = [_dot(colour, fill) for _, _, colour, fill in kinds]
    names = [name for name, *_ in kinds]
    if board.chance is not None:
        handles.append(_line(GREY, ":"))
        names.append(f"chance ({100 * board.chance:.1f} %)")
    handles.append(_line(GREY, "-"))
    names.append(f"{percent(board.level)} interval")
    key, key_height = legend(figure, handles, names)
    labels, room = label_room(figure, [row.model for row in board.rows], _LABEL)
    top = EDGE + key_height + 0.08
    tall = _ROW * len(board.rows)
    cut_to(figure, top + tall + _FOOT)
    anchor(figure, key, EDGE)
    axes = rows_axes(figure, EDGE + room + 0.07, top, tall, len(board.rows))
    if board.chance is not None:
        axes.axvline(100 * board.chance, color=GREY, linestyle=":", linewidth=1.0, zorder=1)
    for y, row in enumerate(board.rows):
        for _, field, colour, fill in kinds:
            whisker(axes, getattr(row, field), y, color=colour, fill=fill)
    axes.set_yticks(range(len(labels)), labels)
    few_ticks(axes, "x", 5)
    _below(figure, f"{score_name} (%)")
    return figure


def headroom_chart(found: Sequence[Scheduling], score_name: str) -> Chart | None:
    """Static fusion, the scheduler, the best constant and the oracle; None where there is no headroom."""
    rooms = [(one, one.headroom) for one in found if one.headroom is not None]
    if not rooms:
        return None
    numbers = Numbers(
        ("model", "static_model", "constant_point", *with_ends((*_ARMS, "gain", "available", "closed"))),
        tuple(
            (
                one.model,
                one.static,
                room.constant_point,
                *(cell for name in _ARMS for cell in ends(getattr(room, name))),
                *(cell for name in ("gain", "available", "closed") for cell in ends(getattr(room, name))),
            )
            for one, room in rooms
        ),
    )
    return Chart("headroom", numbers, lambda: _headroom(rooms, score_name))


def _headroom(rooms: Sequence[tuple[Scheduling, Headroom]], score_name: str) -> Figure:
    figure = page(SINGLE)
    names, kinds = [], []
    for one, room in rooms:
        models = {"static": one.static, "dms": one.model, "best_constant": room.constant_point}
        names += ["", *(_called(name, models.get(name)) for name in _ARMS)]
        kinds += [None, *_ARMS]
    labels, left = label_room(figure, names, 1.55)
    tall = _ROW * len(labels)
    cut_to(figure, EDGE + tall + _FOOT)
    axes = rows_axes(figure, EDGE + left + 0.07, EDGE, tall, len(labels))
    for y, kind in enumerate(kinds):
        room = rooms[y // (1 + len(_ARMS))][1]
        if kind is not None:
            whisker(axes, getattr(room, kind), y, color=_ARMS[kind][1])
    axes.set_yticks(range(len(labels)), labels)
    few_ticks(axes, "x", 5)
    for i, (one, room) in enumerate(rooms):
        top = EDGE + i * _ROW * (1 + len(_ARMS)) + 0.04
        closed = f"closes {with_interval(room.closed)} % of the headroom"
        name = cut(figure, one.model, 0.9, weight="bold")
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # no grid line through the words
        write_at(figure, SINGLE - EDGE, top, f"{name} {closed}", ha="right", bbox=box)
    _below(figure, f"{score_name}, mean over conditions (%)")
    return figure


def _called(arm: str, model: str | None) -> str:
    word = _ARMS[arm][0]
    return word if model is None or model == word else f"{word}: {model}"


def gains_chart(one: PairScores) -> Chart | None:
    """b − a overall, clean and by corruption; None where no corruption has a pair."""
    comparison = one.comparison
    by_name = {contrast.name: contrast for contrast in comparison.corruptions}
    heads = [contrast for contrast in (comparison.overall, comparison.clean) if contrast is not None]
    shown = [*heads, *(by_name[name] for name in in_catalogue_order(by_name))]
    if all(math.isnan(contrast.difference) for contrast in shown):
        return None
    fields = ("a", "b", "difference", "ci_low", "ci_high", "p_value", "p_adjusted")
    numbers = Numbers(
        ("condition", *fields, "n_conditions", "n_pairs", "verdict"),
        tuple(
            (c.name, *(getattr(c, name) for name in fields), c.n_conditions, c.n_pairs, str(c.verdict))
            for c in shown
        ),
    )
    defined = [contrast for contrast in shown if not math.isnan(contrast.difference)]
    n_heads = sum(contrast in heads for contrast in defined)
    return Chart(
        f"gains-{pair(one.a, one.b)}", numbers, lambda: _gains(one, defined, n_heads, comparison.level)
    )


def _gains(one: PairScores, shown: Sequence[Contrast], n_heads: int, level: float) -> Figure:
    figure = page(SINGLE)
    a, b = (cut(figure, name, 1.1) for name in (one.a, one.b))
    looks = {
        Verdict.B_BETTER: (f"{b} better", _BLUE, True),
        Verdict.A_BETTER: (f"{a} better", _RED, True),
        Verdict.NO_DIFFERENCE: ("not significant", GREY, False),
    }
    handles = [*(_dot(colour, fill) for _, colour, fill in looks.values()), _line(GREY, "-")]
    names = [*(name for name, *_ in looks.values()), f"{percent(level)} interval"]
    key, key_height = legend(figure, handles, names)
    labels, room = label_room(figure, [contrast.name for contrast in shown], 1.62)
    top = EDGE + key_height + 0.08
    row = 0.158
    tall = row * len(shown)
    cut_to(figure, top + tall + _FOOT)
    anchor(figure, key, EDGE)
    axes = rows_axes(figure, EDGE + room + 0.07, top, tall, len(shown))
    axes.axvline(0, color="black", linewidth=0.6, zorder=1)
    if 0 < n_heads < len(shown):
        axes.axhline(n_heads - 0.5, color=GREY, linewidth=0.5)
    for y, contrast in enumerate(shown):
        _, colour, fill = looks[contrast.verdict]
        estimate = Estimate(contrast.difference, contrast.ci_low, contrast.ci_high)
        marker = "D" if y < n_heads else "o"
        whisker(axes, estimate, y, color=colour, fill=fill, marker=marker, markersize=3.4)
    axes.set_yticks(range(len(labels)), labels)
    few_ticks(axes, "x", 4)
    _below(figure, f"{b} \N{MINUS SIGN} {a} (points)")
    return figure


def _below(figure: Figure, label: str) -> None:
    """The label of the horizontal axis, right under it."""
    height = float(figure.get_size_inches()[1])
    write_at(figure, SINGLE - EDGE, height - 0.03 - LINE, label, ha="right")


def _dot(colour: str, fill: bool) -> Any:
    from matplotlib.lines import Line2D

    face = colour if fill else "white"
    style = {"markerfacecolor": face, "markeredgecolor": colour, "linestyle": "none", "markersize": 4.0}
    return Line2D([], [], marker="o", **style)  # type: ignore[arg-type]


def _line(colour: str, dashes: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linestyle=dashes, linewidth=1.0)
