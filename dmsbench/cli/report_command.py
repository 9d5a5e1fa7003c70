"""``dmsbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dmsbench.cli.options import Out
from dmsbench.errors import DmsbenchError


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
    from dmsbench.runner.find import runs
    from dmsbench.runner.store import RunFolder

    if run is None:
        found = runs(out)
        if not found:
            raise DmsbenchError(f"{out}: no runs here; start with: dmsbench run --suite vqa-corrupt")
        folder = found[0]
    else:
        folder = RunFolder(run)
    console = Console()
    built = build_report(folder, folder.manifest())
    print_report(built, console)
    console.print(f"in {folder.path}", highlight=False, markup=False, soft_wrap=True)
