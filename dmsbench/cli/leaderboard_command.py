"""``dmsbench leaderboard``."""

from __future__ import annotations

import io
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmsbench.cli.options import AnyPlace, Out, as_place

if TYPE_CHECKING:
    from dmsbench.places import Place
    from dmsbench.report.board.build import Board

MANY = 20
"""Of more models a word is said before their pairs are tested."""


class BoardFormat(str, Enum):
    """How boards are printed."""

    TABLE = "table"
    MARKDOWN = "markdown"
    HTML = "html"
    CSV = "csv"
    JSON = "json"


def leaderboard(
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Run folders, FOLDER:MODEL or results folders; by default all runs of --out."),
    ] = None,
    out: Out = Path("results"),
    suite: Annotated[str | None, typer.Option("--suite", help="Only runs of this suite.")] = None,
    by_suite: Annotated[
        bool, typer.Option("--by-suite", help="One table for each suite, instead of refusing to mix.")
    ] = False,
    format_: Annotated[BoardFormat, typer.Option("--format", help="How to print.")] = BoardFormat.TABLE,
    output: Annotated[
        AnyPlace | None,
        typer.Option("--output", help="A file instead of the terminal.", parser=as_place, metavar="PATH"),
    ] = None,
) -> None:
    """Merges runs of the same suite, data and seed into one leaderboard, with ranks as ranges.

    All models are tested with each other, paired by sample: a range holds the places that the tests leave
    open. Runs that may not be mixed are refused with exit code 3. Examples:

      dmsbench leaderboard --suite vqa-corrupt

      dmsbench leaderboard mine/ theirs/ --suite vqa-corrupt --format html --output board.html

      dmsbench leaderboard --by-suite --format markdown --output LEADERBOARD.md
    """
    from dmsbench.cli.output import messages, tell
    from dmsbench.report.board.build import build_board
    from dmsbench.report.board.markdown import repeated
    from dmsbench.report.board.merge import merge
    from dmsbench.report.board.select import selected

    merged = merge(selected(runs or [], out, suite), by_suite=by_suite)
    if merged.unfinished:
        names = ", ".join(model.label for model in merged.unfinished)
        tell(messages(), f"not finished, so not shown: {names}")
    for group in merged.groups:
        models = len(group.finished)
        if models > MANY:
            tell(messages(), f"testing {models * (models - 1) // 2:,} pairs of {models} models takes minutes")
    boards = [build_board(group) for group in merged.groups]
    tell(messages(), *(line for board in boards for line in repeated(board)))
    if format_ is BoardFormat.TABLE:
        _print(boards, output)
    else:
        words = ["dmsbench leaderboard", *(["--suite", suite] if suite else []), *(["--by-suite"] * by_suite)]
        _keep(_document(boards, format_, " ".join([*words, "--format", format_.value])), output)


def _print(boards: Sequence[Board], output: Place | None) -> None:
    from rich.console import Console

    from dmsbench.cli.output import PIPED, tables
    from dmsbench.report.board.terminal import board_table

    text = io.StringIO()
    console = tables() if output is None else Console(file=text, width=PIPED)
    for board in boards:
        console.print(board_table(board, console.width))
    if output is not None:
        _keep(text.getvalue(), output)


def _document(boards: Sequence[Board], format_: BoardFormat, command: str) -> str:
    from dmsbench.report.board import data, html, markdown

    if format_ is BoardFormat.MARKDOWN:
        return markdown.to_markdown(boards, command)
    if format_ is BoardFormat.HTML:
        return html.to_html(boards)
    return data.to_csv(boards) if format_ is BoardFormat.CSV else data.to_json(boards)


def _keep(text: str, output: Place | None) -> None:
    """To stdout, or into the file."""
    from dmsbench.cli.output import messages, tell
    from dmsbench.files import write_atomically

    if output is None:
        typer.echo(text, nl=False)
        return
    write_atomically(output, text.encode("utf-8", "replace"))
    tell(messages(), f"written: {output}")
