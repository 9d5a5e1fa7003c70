"""Boards for the terminal, as rich tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmsbench.plain_text import one_line
from dmsbench.report.board.build import Board
from dmsbench.report.board.markdown import COLUMNS, cells
from dmsbench.report.formats import percent
from dmsbench.report.tables import blank_table, literal

if TYPE_CHECKING:
    from rich.table import Table

_WIDE, _MEDIUM = 110, 92
"""Columns that every interval on one line takes, and that retention takes where they are broken in two."""
_SHOWN = tuple(title for title in COLUMNS if title not in ("above-chance retention", "samples"))


def board_table(board: Board, width: int = 80) -> Table:
    """A row a model, each value above its interval; retention where ``width`` allows.

    Every column but retention is there in 80, intervals then on two lines.
    """
    info = board.leaderboard.info
    table = blank_table(
        one_line(f"{info.suite}: {info.dataset}, {info.n_samples} samples, seed {info.seed}"),
        f"points, with {percent(board.leaderboard.level)} intervals clustered by image; rank: the places "
        f"that paired tests leave open, after Holm; score {info.score.partition('|')[0]}; suite "
        f"{info.fingerprint}",
    )
    shown = [title for title in _SHOWN if title != "retention" or width >= _MEDIUM]
    for title in shown:
        words = title in ("model", "worst condition")
        table.add_column(
            literal(title.replace(" the ", "\nthe ")),
            justify="left" if words else "right",
            overflow="fold",
            no_wrap=title != "model",
            min_width=10 if title == "model" else None,
        )
    for entry in board.entries:
        own = dict(zip(COLUMNS, cells(entry), strict=True))
        table.add_row(*(literal(_stacked(own[title], title, width)) for title in shown))
    return table


def _stacked(cell: str, title: str, width: int) -> str:
    """A value above its interval, a condition above its score."""
    text = one_line(cell)
    if title == "worst condition":
        return text.replace(" ", "\n", 1).replace("+", "+\n")
    if title == "model":
        return text
    text = text.replace(" [", "\n[")
    return text if width >= _WIDE else text.replace(", ", ",\n")
