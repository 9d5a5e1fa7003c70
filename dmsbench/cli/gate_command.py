"""``dmsbench gate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dmsbench.cli.options import Format, Out, Quiet, Seed, TableFormat


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
    format_: Format = None,
    quiet: Quiet = False,
) -> None:
    """Fails (exit 1) where a score drops by more than the tolerance and noise does not explain it.

    A check fails where the drop exceeds the tolerance and the paired interval of the change lies below 0
    (for single corruptions after Holm's correction). Missing conditions fail. Exit 3 where the two cannot
    be compared. Examples:

      dmsbench gate --reference results/smoke/0123456789ab:baseline --candidate mine

      dmsbench gate --reference baseline --candidate mine --format json
    """
    from dmsbench import gate as gating
    from dmsbench.cli.output import emit, tables, tell
    from dmsbench.report.exports import gate_dict, gate_sheet
    from dmsbench.report.tables import gate_table
    from dmsbench.runner.find import check_comparable, pair
    from dmsbench.scores.rows import COLUMNS

    first, second = pair(reference, candidate, out)
    check_comparable(first, second)
    result = gating.evaluate(first.records(COLUMNS), second.records(COLUMNS), tolerance=tolerance, seed=seed)
    verdict = "passed" if result.passed else f"failed: {len(result.failures)} of {len(result.checks)} checks"
    lines = [
        *(f"note: {note}" for note in result.notes),
        *(f"FAIL {failure.name}: {failure.message}" for failure in result.failures),
    ]
    last = f"gate {verdict} (tolerance {tolerance:g})"
    if format_ in (None, TableFormat.TABLE):
        console = tables(quiet=quiet and format_ is None)
        console.print(gate_table(result))
        tell(console, *lines)
        tell(console, last, style="bold")
    else:
        emit(
            format_,
            lambda: gate_dict(result),
            lambda: gate_sheet(result),
            () if quiet else (*lines, last),
        )
    raise typer.Exit(0 if result.passed else 1)
