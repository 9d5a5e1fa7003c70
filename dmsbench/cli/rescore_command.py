"""``dmsbench rescore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dmsbench.cli.options import Out


def rescore(
    score: Annotated[str, typer.Option("--score", help="A score by name: dmsbench list scores.")],
    run: Annotated[
        Path | None, typer.Argument(help="A run's folder; by default the newest of --out that was asked.")
    ] = None,
    out: Out = Path("results"),
) -> None:
    """Scores a finished run by another score, from its records alone; the old run stays as it is.

    Makes a run of its own beside the old one, which report, compare and gate take like any other. Runs of
    different scores are not compared. Example:

      dmsbench rescore results/vqa-corrupt/0123456789ab --score vqa_v2_official
    """
    from rich.console import Console

    from dmsbench.report.build import build_report, print_report
    from dmsbench.runner.find import newest
    from dmsbench.runner.rescore import is_rescored
    from dmsbench.runner.rescore import rescore as score_anew
    from dmsbench.runner.store import RunFolder

    folder = RunFolder(run) if run is not None else newest(out, lambda manifest: not is_rescored(manifest))
    done = score_anew(folder, score)
    console = Console()
    print_report(build_report(done.folder, done.manifest), console)
    if done.unfinished:
        console.print(
            f"not finished, so not rescored: {', '.join(done.unfinished)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    console.print(
        f"{done.rows:,} records of {', '.join(done.models)} scored by {score}, {done.changed:,} unlike in "
        f"{folder.path}; in {done.folder.path}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
