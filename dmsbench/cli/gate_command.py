"""``dmsbench gate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmsbench.cli.options import Out, Seed

if TYPE_CHECKING:
    from dmsbench.gate import GateCheck


def gate(
    reference: Annotated[
        str, typer.Option("--reference", help="The run to hold: FOLDER, FOLDER:MODEL or a model's name.")
    ],
    candidate: Annotated[
        str, typer.Option("--candidate", help="The run to judge: FOLDER, FOLDER:MODEL or a model's name.")
    ],
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Largest drop that passes, as a score: 0.02 is two points.")
    ] = 0.02,
    out: Out = Path("results"),
    seed: Seed = 0,
) -> None:
    """Fails (exit 1) where a score drops by more than the tolerance and noise does not explain it.

    A check fails where the drop exceeds the tolerance and the paired interval of the change lies below 0,
    after Holm's correction over all checks. Missing conditions fail. Exit 3 where the two cannot be
    compared. Example:

      dmsbench gate --reference results/reference:baseline --candidate baseline --tolerance 0.02
    """
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from dmsbench import gate as gating
    from dmsbench.runner.find import check_comparable, pair

    first, second = pair(reference, candidate, out)
    check_comparable(first, second)
    result = gating.evaluate(first.records(), second.records(), tolerance=tolerance, seed=seed)
    table = Table(title="dmsbench gate, points and 95 % intervals", box=SIMPLE)
    table.add_column("check", no_wrap=True)
    for column in ("reference", "candidate", "change", "interval"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("result")
    for check in result.checks:
        table.add_row(check.name, *_figures(check), "pass" if check.passed else "FAIL")
    console = Console()
    console.print(table)
    for note in result.notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    for failure in result.failures:
        console.print(f"FAIL {failure.message}", highlight=False, soft_wrap=True, markup=False)
    verdict = "passed" if result.passed else f"failed: {len(result.failures)} of {len(result.checks)} checks"
    console.print(f"gate {verdict} (tolerance {tolerance:g})", highlight=False, style="bold")
    raise typer.Exit(0 if result.passed else 1)


def _figures(check: GateCheck) -> tuple[str, str, str, str]:
    """Reference, candidate, change and interval: scores in points, counts as they are."""
    from rich.markup import escape

    from dmsbench.gate import CheckKind
    from dmsbench.report.formats import interval, points, signed_points

    if check.kind is CheckKind.CONDITIONS:
        return f"{check.reference:.0f}", f"{check.candidate:.0f}", f"{check.change:+.0f}", ""
    between = interval(check.ci_low, check.ci_high, signed=True) if check.kind is CheckKind.SCORE else ""
    return points(check.reference), points(check.candidate), signed_points(check.change), escape(between)
