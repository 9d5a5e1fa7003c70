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
    figures: Annotated[
        bool,
        typer.Option(
            "--figures", help="Figures for papers too: SVG, PDF and PNG, CSV, and tables for LaTeX."
        ),
    ] = False,
) -> None:
    """Writes a run's page, leaderboard, curves and scores anew, from its records alone.

    report.html is one file that opens anywhere, offline; figures go to figures/. Examples:

      dmsbench report results/vqa-corrupt/0123456789ab

      dmsbench report --figures
    """
    from rich.console import Console

    from dmsbench.report.build import print_report, write_report
    from dmsbench.report.run_scores import read_run
    from dmsbench.runner.find import newest
    from dmsbench.runner.store import RunFolder

    folder = newest(out) if run is None else RunFolder(run)
    console = Console()
    found = read_run(folder, folder.manifest())
    print_report(write_report(found), console)
    if figures:
        from dmsbench.report.figures import write_figures

        into = folder.path / "figures"
        drawn = write_figures(found, into)
        console.print(f"{len(drawn)} files in {into}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"in {folder.path}", highlight=False, markup=False, soft_wrap=True)
