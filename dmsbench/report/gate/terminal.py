"""A gate's tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dmsbench.plain_text import one_line
from dmsbench.report.formats import shortened
from dmsbench.report.gate.words import TITLES, figures, legend
from dmsbench.report.tables import blank_table, literal, stacked_name

if TYPE_CHECKING:
    from rich.table import Table

    from dmsbench.gate import Flip, Gated

#: Characters of a question or an answer.
_LONG = 48


def gate_table(gated: Gated) -> Table:
    """Every check: reference, candidate, change with its interval, what is allowed, whether it passes."""
    result = gated.result
    table = blank_table("dmsbench gate", legend(result.checks))
    table.add_column(literal(TITLES[0]), no_wrap=True)
    for title in TITLES[1:-1]:
        table.add_column(literal(title), justify="right", no_wrap=True)
    table.add_column(literal(TITLES[-1]), no_wrap=True)
    for check in result.checks:
        cell = literal("pass") if check.passed else literal("FAIL", style="bold")
        name = literal(stacked_name(one_line(result.title(check))))
        table.add_row(name, *map(literal, figures(check)), cell)
    return table


def flips_table(found: Sequence[Flip], total: int) -> Table:
    """Samples that went from right to wrong, so many as are given."""
    table = blank_table(
        "right before, wrong now: worst condition first",
        f"{len(found):,} of {total:,}; a file takes them all",
    )
    for title in ("condition", "sample", "question", "right answer", "before", "after"):
        table.add_column(literal(title), overflow="fold")
    for flip in found:
        texts = (flip.question, ", ".join(flip.references), "?" if flip.before is None else flip.before)
        cells = (str(flip.condition), flip.sample, *texts, flip.after)
        table.add_row(*(literal(shortened(cell, _LONG)) for cell in cells))
    return table
