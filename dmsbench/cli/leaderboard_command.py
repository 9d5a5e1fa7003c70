"""``dmsbench leaderboard``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from dmsbench.cli.options import Out


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
    output: Annotated[Path | None, typer.Option("--output", help="A file instead of the terminal.")] = None,
) -> None:
    """Merges runs of the same suite, data and seed into one leaderboard, with ranks as ranges.

    All models are tested with each other, paired by sample: a range holds the places that the tests leave
    open. Runs that may not be mixed are refused with exit code 3. Examples:

      dmsbench leaderboard --suite vqa-corrupt

      dmsbench leaderboard mine/ theirs/ --suite vqa-corrupt --format html --output board.html

      dmsbench leaderboard --by-suite --format markdown --output LEADERBOARD.md
    """
    from dmsbench.cli.output import messages, tables, tell
    from dmsbench.files import write_atomically
    from dmsbench.report.board.build import build_board
    from dmsbench.report.board.merge import merge
    from dmsbench.report.board.select import selected

    merged = merge(selected(runs or [], out, suite), by_suite=by_suite)
    if merged.unfinished:
        names = ", ".join(model.label for model in merged.unfinished)
        tell(messages(), f"not finished, so not shown: {names}")
    boards = [build_board(group) for group in merged.groups]
    if format_ is BoardFormat.TABLE and output is None:
        from dmsbench.report.board.terminal import board_table

        console = tables()
        for board in boards:
            console.print(board_table(board, console.width))
        return
    from dmsbench.report.board import data, html, markdown

    write = {
        BoardFormat.TABLE: markdown.to_markdown,
        BoardFormat.MARKDOWN: markdown.to_markdown,
        BoardFormat.HTML: html.to_html,
        BoardFormat.CSV: data.to_csv,
        BoardFormat.JSON: data.to_json,
    }[format_]
    text = write(boards)
    if output is None:
        typer.echo(text, nl=False)
        return
    write_atomically(output, text.encode("utf-8", "replace"))
    tell(messages(), f"written: {output}")
