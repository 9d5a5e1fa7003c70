"""``dmsbench rescore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import AnyPlace, Format, Out, Quiet, TableFormat, as_place


def rescore(
    score: Annotated[
        str,
        typer.Option(
            "--score", autocompletion=completion.scores, help="A score by name: dmsbench list scores."
        ),
    ],
    run: Annotated[
        AnyPlace | None,
        typer.Argument(
            help="A run's folder; by default the newest of --out that was asked.",
            parser=as_place,
            metavar="RUN",
        ),
    ] = None,
    out: Out = Path("results"),
    format_: Format = None,
    quiet: Quiet = False,
) -> None:
    """Scores a finished run by another score, from its records alone; the old run stays as it is.

    Makes a run of its own beside the old one, which report, compare and gate take like any other. Runs of
    different scores are not compared. Exit code 3 where no model is finished. Example:

      dmsbench rescore results/vqa-corrupt/0123456789ab --score vqa_v2_official
    """
    from dmsbench.cli.output import emit, tables, tell
    from dmsbench.report.build import build_report, print_report
    from dmsbench.report.exports import report_columns, report_dict, report_sheet
    from dmsbench.runner.find import newest
    from dmsbench.runner.rescore import is_rescored
    from dmsbench.runner.rescore import rescore as score_anew
    from dmsbench.runner.store import RunFolder

    folder = RunFolder(run) if run is not None else newest(out, lambda manifest: not is_rescored(manifest))
    done = score_anew(folder, score)
    built = build_report(done.folder, done.manifest)
    unfinished = f"not finished, so not rescored: {', '.join(done.unfinished)}"
    notes = [
        *([unfinished] if done.unfinished else []),
        f"{done.rows:,} records of {', '.join(done.models)} scored by {score}, {done.changed:,} unlike in "
        f"{folder.path}; in {done.folder.path}",
    ]
    if format_ in (None, TableFormat.TABLE):
        console = tables(quiet=quiet and format_ is None)
        print_report(built, console)
        tell(console, *notes)
        return
    columns = report_columns if format_ is TableFormat.MARKDOWN else report_sheet
    rescored = {
        "from": str(folder.path),
        "score": score,
        "models": list(done.models),
        "records": done.rows,
        "changed": done.changed,
        "unfinished": list(done.unfinished),
    }
    emit(
        format_,
        lambda: report_dict(built) | {"rescored": rescored},
        lambda: columns(built),
        () if quiet else notes,
    )
