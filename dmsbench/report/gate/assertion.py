"""A gate as the message of a failing test: plain lines, the reason first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmsbench.plain_text import one_line, printable_lines
from dmsbench.report.gate.words import TITLES, figures, seen, verdict

if TYPE_CHECKING:
    from dmsbench.gate import GateCheck, Gated


def check_text(gated: Gated, check: GateCheck) -> str:
    """One check: why it failed or passed, its figures in points, and what was compared."""
    shown = zip(TITLES[1:-1], figures(check), strict=True)
    numbers = ", ".join(f"{title} {value}" for title, value in shown if value)
    if check.score:
        numbers += " (points)"
    sides = (
        f"candidate {one_line(gated.candidate.label)} against reference {one_line(gated.reference.label)}, "
        f"suite {one_line(gated.suite)}"
    )
    return printable_lines(f"{gated.result.title(check)}: {check.message}\n{numbers}\n{sides}")


def gate_text(gated: Gated) -> str:
    """The whole gate: the verdict, every failure, what could have been seen, notes."""
    result = gated.result
    lines = [verdict(gated), *(check_text(gated, check) for check in result.failures)]
    lines += filter(None, [seen(gated), *(f"note: {note}" for note in result.notes)])
    return printable_lines("\n".join(lines))
