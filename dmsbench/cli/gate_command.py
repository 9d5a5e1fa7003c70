"""``dmsbench gate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dmsbench.cli.options import Out, Seed


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

    A check fails where the drop exceeds the tolerance and the paired interval of the change lies below 0
    (for single corruptions after Holm's correction). Missing conditions fail. Exit 3 where the two cannot
    be compared. Example:

      dmsbench gate --reference results/smoke/0123456789ab:baseline --candidate mine
    """
    from rich.console import Console

    from dmsbench import gate as gating
    from dmsbench.report.tables import gate_table
    from dmsbench.runner.find import check_comparable, pair

    first, second = pair(reference, candidate, out)
    check_comparable(first, second)
    result = gating.evaluate(first.records(), second.records(), tolerance=tolerance, seed=seed)
    console = Console()
    console.print(gate_table(result))
    for note in result.notes:
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    for failure in result.failures:
        console.print(
            f"FAIL {failure.name}: {failure.message}", highlight=False, soft_wrap=True, markup=False
        )
    verdict = "passed" if result.passed else f"failed: {len(result.failures)} of {len(result.checks)} checks"
    console.print(f"gate {verdict} (tolerance {tolerance:g})", highlight=False, style="bold")
    raise typer.Exit(0 if result.passed else 1)
