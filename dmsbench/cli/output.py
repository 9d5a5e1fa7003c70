"""Where a command's words go: data to stdout, messages to stderr; nothing else decides that.

What a table says in its own lines (title, notes under it) is data of ``--format table``. The other formats
leave one document on stdout and nothing beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from dmsbench.cli.options import TableFormat
from dmsbench.plain_text import json_text, printable

if TYPE_CHECKING:
    from rich.console import Console

    from dmsbench.report.sheets import Sheet

#: Columns of a table that goes to a file or a pipe, which have no width of their own.
PIPED = 140
_NO = ("", "0", "false", "no")


def tables(*, quiet: bool = False) -> Console:
    """The console of stdout: as wide as its terminal or COLUMNS, else ``PIPED``."""
    from rich.console import Console

    wide = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    return Console(width=None if wide else PIPED, quiet=quiet, **_colours())


def messages(*, quiet: bool = False) -> Console:
    """The console of stderr."""
    from rich.console import Console

    return Console(stderr=True, quiet=quiet, **_colours())


def _colours() -> dict[str, Any]:
    # NO_COLOR alone would leave rich its bold and dim.
    return {"color_system": None} if os.environ.get("NO_COLOR") else {}


def lively(console: Console, environment: Mapping[str, str]) -> bool:
    """Whether bars may be drawn: a terminal that can, no NO_COLOR and no CI."""
    in_ci = environment.get("CI", "").lower() not in _NO
    return (
        console.is_terminal
        and console.is_interactive
        and not console.quiet
        and environment.get("TERM") != "dumb"
        and not environment.get("NO_COLOR")
        and not in_ci
    )


def tell(console: Console, *lines: str, style: str | None = None) -> None:
    """Prints lines as they are: names are no markup, nothing is wrapped or coloured, nothing commands."""
    for line in lines:
        console.print(printable(line), highlight=False, markup=False, soft_wrap=True, style=style)


def warn(line: str) -> None:
    """A line on stderr that --quiet does not leave out."""
    tell(messages(), line)


def as_json(document: Any) -> str:
    """A document as JSON, six decimals, null for NaN, newline at the end; ASCII where stdout is."""
    from dmsbench.report.formats import plain

    ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()
    return json_text(plain(document), ascii_only=ascii_only) + "\n"


def emit(
    format_: TableFormat, document: Callable[[], Any], sheet: Callable[[], Sheet], notes: Iterable[str] = ()
) -> None:
    """Prints a document as JSON, or its one table as CSV or Markdown; notes go to stderr."""
    from dmsbench.report.sheets import to_csv, to_markdown

    if format_ is TableFormat.JSON:
        text = as_json(document())
    else:
        text = (to_markdown if format_ is TableFormat.MARKDOWN else to_csv)(sheet())
    typer.echo(text, nl=False)
    tell(messages(), *notes)
