"""``dmsbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dmsbench.cli.options import Out


def report(
    run: Annotated[
        Path | None, typer.Argument(help="A run's folder; by default the newest run of --out.")
    ] = None,
    out: Out = Path("results"),
) -> None:
    """Writes leaderboard, scores and curves of a run anew, from its records alone.

    Example:  dmsbench report results/vqa-corrupt/0123456789ab
    """
    from rich.console import Console

    from dmsbench.report.build import build_report, print_report
    from dmsbench.runner.find import newest
    from dmsbench.runner.store import RunFolder

    folder = newest(out) if run is None else RunFolder(run)
    console = Console()
    built = build_report(folder, folder.manifest())
    print_report(built, console)
    console.print(f"in {folder.path}", highlight=False, markup=False, soft_wrap=True)
