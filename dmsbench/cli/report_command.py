"""``dmsbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dmsbench.cli.options import AnyPlace, Format, Out, Quiet, TableFormat, as_place


def report(
    run: Annotated[
        AnyPlace | None,
        typer.Argument(
            help="A run's folder; by default the newest run of --out.", parser=as_place, metavar="RUN"
        ),
    ] = None,
    out: Out = Path("results"),
    figures: Annotated[
        bool,
        typer.Option(
            "--figures", help="Figures for papers too: SVG, PDF and PNG, CSV, and tables for LaTeX."
        ),
    ] = False,
    format_: Format = None,
    quiet: Quiet = False,
) -> None:
    """Writes a run's page, leaderboard, curves and scores anew, from its records alone.

    report.html is one file that opens anywhere, offline; figures go to figures/. Exit code 3 where no model
    is finished. Examples:

      dmsbench report results/vqa-corrupt/0123456789ab

      dmsbench report --figures

      dmsbench report --format csv > scores.csv
    """
    from dmsbench.cli.output import emit, messages, tables, tell
    from dmsbench.report.build import placed, print_report, write_report
    from dmsbench.report.exports import report_columns, report_dict, report_sheet
    from dmsbench.report.run_scores import read_run
    from dmsbench.runner.find import newest
    from dmsbench.runner.store import RunFolder

    folder = newest(out) if run is None else RunFolder(run)
    found = read_run(folder, folder.manifest())
    built = write_report(found)
    if figures:
        from dmsbench.report.figures import write_figures

        drawn = placed(folder.path / "figures", lambda where: write_figures(found, where))
        tell(messages(quiet=quiet), f"{len(drawn)} files in {folder.path / 'figures'}")
    if format_ in (None, TableFormat.TABLE):
        console = tables(quiet=quiet and format_ is None)
        print_report(built, console)
        tell(console, f"in {folder.path}")
        return
    columns = report_columns if format_ is TableFormat.MARKDOWN else report_sheet
    unfinished = f"not finished, so not shown: {', '.join(built.unfinished)}"
    emit(
        format_,
        lambda: report_dict(built),
        lambda: columns(built),
        [unfinished] if built.unfinished and not quiet else (),
    )
