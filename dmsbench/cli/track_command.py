"""``dmsbench track``, and what ``run --track`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmsbench.cli.options import Out, Quiet
from dmsbench.errors import DmsbenchError

if TYPE_CHECKING:
    from dmsbench.report.build import Report
    from dmsbench.runner.store import RunFolder
    from dmsbench.tracking.trackers import Tracker


def track(
    run: Annotated[
        Path | None, typer.Argument(help="A run's folder; by default the newest run of --out.")
    ] = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="mlflow or wandb. Repeatable.")] = None,
    out: Out = Path("results"),
    quiet: Quiet = False,
) -> None:
    """Logs a finished run in an experiment tracker, from its records alone.

    Each model is a run there, with its suite, parameters, versions, scores, severity curves and reports. The
    trackers' own settings hold (MLFLOW_TRACKING_URI, WANDB_MODE …). Exit code 3 where no model is finished.
    Example:

      dmsbench track results/vqa-corrupt/0123456789ab --to mlflow
    """
    from dmsbench.tracking.trackers import TRACKERS, usable

    if not to:
        raise DmsbenchError(f"give a tracker: --to {' or --to '.join(TRACKERS)}")
    asked = usable(to)

    from dmsbench.cli.output import messages, tell
    from dmsbench.report.build import build_report
    from dmsbench.runner.find import newest
    from dmsbench.runner.store import RunFolder
    from dmsbench.tracking.trackers import send

    folder = RunFolder(run) if run is not None else newest(out)
    manifest = folder.manifest()
    report = build_report(folder, manifest)
    console = messages(quiet=quiet)
    for tracker in asked:
        place = send(tracker, _content(folder, manifest, report, list(report.scorecards)))
        tell(console, f"{tracker.name}: {', '.join(report.scorecards)}; in {place}")


def tell_trackers(
    asked: Sequence[Tracker],
    folder: RunFolder,
    manifest: Mapping[str, Any],
    report: Report,
    models: Sequence[str],
    *,
    quiet: bool,
) -> None:
    """Tells trackers of a run's models. One that fails costs a line: the run is whole without it."""
    from dmsbench.cli.output import messages, tell
    from dmsbench.tracking.trackers import send

    for tracker in asked:
        try:
            place = send(tracker, _content(folder, manifest, report, models))
        except DmsbenchError as error:
            again = f"dmsbench track {folder.path} --to {tracker.name}"
            tell(messages(), f"dmsbench: {error}; nothing of the run is lost, later: {again}")
        else:
            tell(messages(quiet=quiet), f"{tracker.name}: {', '.join(models)}; in {place}")


def _content(
    folder: RunFolder, manifest: Mapping[str, Any], report: Report, models: Sequence[str]
) -> tuple[Any, ...]:
    from dmsbench.tracking.content import tracked

    return tracked(folder.path.resolve(), manifest, report.scorecards, models)
