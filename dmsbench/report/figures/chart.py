"""A chart and the numbers behind it, and the files of both."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dmsbench.files import write_atomically
from dmsbench.plain_text import csv_text as _cell_text
from dmsbench.report.figures.page import DPI, print_settings
from dmsbench.report.formats import DECIMALS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dmsbench.scores import Estimate

Cell: TypeAlias = str | int | float | None
ENDS = ("", "_low", "_high")
"""What the columns of an estimate add to its name."""
_METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """The content of a CSV file: shares in [0, 1] as they are, NaN where undefined."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that can be drawn, and what it shows."""

    stem: str
    """The files' name without suffix."""
    numbers: Numbers
    draw: Callable[[], Figure]


def ends(estimate: Estimate) -> tuple[float, float, float]:
    """An estimate's cells, in the order of ``ENDS``."""
    return estimate.value, estimate.low, estimate.high


def with_ends(names: Iterable[str]) -> tuple[str, ...]:
    """The columns of estimates."""
    return tuple(f"{name}{end}" for name in names for end in ENDS)


def csv_text(numbers: Numbers) -> str:
    """Six decimals; nothing for NaN and None; names in one line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell_text(name) for name in numbers.columns])
    writer.writerows([_shown(cell) for cell in row] for row in numbers.rows)
    return out.getvalue()


def _shown(cell: Cell) -> str:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{round(cell, DECIMALS) + 0.0:.{DECIMALS}f}"
    return "" if cell is None else _cell_text(str(cell))


def write_charts(charts: Sequence[Chart], folder: Path) -> list[Path]:
    """Each chart's .csv, .svg, .pdf and .png; their paths. The same input gives the same bytes.

    Raises OSError where a file cannot be written.
    """
    paths = []
    for chart in charts:
        path = folder / f"{chart.stem}.csv"
        write_atomically(path, csv_text(chart.numbers).encode())
        paths.append(path)
        with print_settings():
            figure = chart.draw()
            for suffix, metadata in _METADATA.items():
                content = io.BytesIO()
                figure.savefig(content, format=suffix, dpi=DPI, metadata=metadata)
                path = folder / f"{chart.stem}.{suffix}"
                write_atomically(path, content.getvalue())
                paths.append(path)
    return paths
