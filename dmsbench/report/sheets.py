"""One table as CSV or Markdown: what every command that prints a table gives to other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dmsbench.plain_text import csv_text, one_line
from dmsbench.report.formats import escaped, plain

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns and rows of equal length; numbers as numbers, None and NaN for what is undefined."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row of a sheet has as many cells as the sheet has columns")


def sheet_of(entries: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> Sheet:
    """Entries as rows, by default with every key that any of them has; a list in a cell is joined."""
    found = list(entries)
    names = tuple(columns) or tuple(dict.fromkeys(key for entry in found for key in entry))
    return Sheet(names, tuple(tuple(_cell(entry.get(name)) for name in names) for entry in found))


def to_csv(sheet: Sheet) -> str:
    """A header and a line a row: six decimals, empty where undefined; text on one line, never a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(csv_text, sheet.columns))
    writer.writerows(
        [csv_text(cell) if isinstance(cell, str) else _plain_text(cell) for cell in row] for row in sheet.rows
    )
    return out.getvalue()


def to_markdown(sheet: Sheet) -> str:
    """A table whose columns of numbers alone stand to the right; text is escaped."""
    numeric = [_is_numeric([row[i] for row in sheet.rows]) for i in range(len(sheet.columns))]
    lines = [
        _line(map(escaped, sheet.columns)),
        _line("--:" if right else ":--" for right in numeric),
        *(_line(escaped(_plain_text(cell)) for cell in row) for row in sheet.rows),
    ]
    return "\n".join(lines) + "\n"


def _is_numeric(cells: Sequence[Cell]) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> Cell:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str | int | float | None) else str(value)


def _plain_text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    value = plain(cell)
    return "" if value is None else one_line(str(value))
