"""What ``dmsbench run`` says: the plan of a dry run, the end of a run, and with --verbose what was loaded
and where the time went."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dmsbench.cli.options import TableFormat
from dmsbench.cli.output import emit, messages, tables, tell
from dmsbench.errors import StoppedRunError

if TYPE_CHECKING:
    from dmsbench.cli.run_command import How
    from dmsbench.report.build import Report
    from dmsbench.runner.arms import Arm, Tally
    from dmsbench.runner.batch_size import BatchSize
    from dmsbench.runner.cluster.shares import Loaded
    from dmsbench.runner.estimate import Estimate
    from dmsbench.runner.run import Job
    from dmsbench.runner.verify import Verified
    from dmsbench.suite import Suite
    from dmsbench.tracking.trackers import Tracker

STOPPING = "stopping: the piece in hand is finished first; once more stops at once"


def ended(
    job: Job,
    tally: Tally,
    manifest: dict[str, Any],
    names: list[str],
    how: How,
    batch_size: int,
    trackers: Sequence[Tracker],
    verified: Sequence[Verified] | None = None,
) -> int:
    """What follows once the records are there; returns the exit code.

    Raises StoppedRunError for a run that was stopped.
    """
    from dmsbench.cli.track_command import tell_trackers

    console = messages(quiet=how.quiet)
    tell(messages(), *mended_lines(tally, batch_size))
    if tally.stopped:
        raise StoppedRunError(stopped_line(job, tally, names))
    if verified is not None:
        tell(console, *verified_lines(verified, batch_size))
    if how.verbose:
        tell(console, *time_lines(tally, manifest, names))
    return finish(
        job,
        manifest,
        tally,
        names,
        how.format_,
        how.quiet,
        lambda report: tell_trackers(trackers, job.folder, manifest, report, names, quiet=how.quiet),
    )


def finish(
    job: Job,
    manifest: dict[str, Any],
    tally: Tally,
    names: list[str],
    format_: TableFormat | None,
    quiet: bool,
    on_report: Callable[[Report], None] = lambda _report: None,
) -> int:
    """Writes and prints the report of a run; returns the exit code, 4 for too many errors.

    ``on_report`` gets what was written, before anything is said of too many errors.
    """
    from dmsbench.report.build import build_report, print_report
    from dmsbench.report.exports import report_columns, report_dict, report_sheet

    report = build_report(job.folder, manifest)
    notes = [_commonest(tally)] if sum(tally.errors.values()) else []
    notes.append(_summary(tally, names, job))
    if format_ in (None, TableFormat.TABLE):
        console = tables(quiet=quiet and format_ is None)
        print_report(report, console)
        tell(console, *notes)
    else:
        columns = report_columns if format_ is TableFormat.MARKDOWN else report_sheet
        emit(
            format_,
            lambda: report_dict(report) | {"run": run_dict(tally, names)},
            lambda: columns(report),
            () if quiet else notes,
        )
    on_report(report)
    for name in names:
        rate = tally.error_rate(name)
        if rate > job.suite.max_error_rate:
            tell(
                messages(),
                f"dmsbench: {rate:.1%} of {name}'s rows failed, the suite allows "
                f"{job.suite.max_error_rate:.1%} (max_error_rate)",
            )
            return 4
    return 0


def mended_lines(tally: Tally, batch_size: int) -> list[str]:
    """What a run met and got over, a line each: broken files of an earlier run, too little memory."""
    short = [
        f"memory is short: {name} was asked {rows} rows at once instead of {batch_size} (--batch-size {rows})"
        for name, rows in tally.rows_at_once.items()
        if rows < batch_size
    ]
    return [_recomputed(line) for line in tally.damaged] + short


def _recomputed(line: str) -> str:
    return f"{line.partition('; run the suite again')[0]}; computed again"


def stopped_line(job: Job, tally: Tally, names: Sequence[str]) -> str:
    """The last words of a run that was asked to stop."""
    done, total = sum(tally.rows.values()), job.plan.samples * job.plan.conditions * len(names)
    return (
        f"stopped after {done:,} of {total:,} records; nothing finished is lost: the same command continues; "
        f"in {job.folder.path}"
    )


def verified_lines(found: Sequence[Verified], batch_size: int) -> list[str]:
    """What asking one by one has shown, a line a model."""
    return [
        f"batches of {batch_size} against one by one, {one.model}: {one.predictions:,} of {one.rows:,} "
        "answers differ"
        + (f" (none by a margin above {one.margin:.2g})" if one.predictions else "")
        + (f", confidences by {one.confidence:.2g} at most" if one.confidence == one.confidence else "")
        + (f", {one.statuses:,} failed in one way only" if one.statuses else "")
        for one in found
    ]


def run_dict(tally: Tally, names: Sequence[str]) -> dict[str, Any]:
    """What a run did, by model: ``{NAME: {records, answered, errors, left_out, reused, model_seconds}}``."""
    return {
        name: {
            "records": tally.rows.get(name, 0),
            "answered": tally.answered.get(name, 0),
            "errors": tally.errors.get(name, 0),
            "left_out": tally.left_out.get(name, 0),
            "reused": tally.reused.get(name, 0),
            "model_seconds": tally.seconds.get(name, 0.0),
        }
        for name in names
    }


def _summary(tally: Tally, names: Sequence[str], job: Job) -> str:
    total, errors = sum(tally.rows.values()), sum(tally.errors.values())
    reused, left_out = sum(tally.reused.values()), sum(tally.left_out.values())
    return (
        f"{total:,} records of {', '.join(names)}, {errors:,} errors"
        + (f", {left_out:,} left out" if left_out else "")
        + (f", {reused:,} from an earlier run" if reused else "")
        + f"; in {job.folder.path}"
    )


def _commonest(tally: Tally, most: int = 3) -> str:
    """The commonest reasons of errors with their counts, in one line."""
    shown = [f"{count:,} × {reason}" for reason, count in tally.reasons.most_common(most)]
    more = len(tally.reasons) - len(shown)
    return f"errors: {'; '.join(shown)}" + (f"; and {more:,} other reasons" if more else "")


def cluster_lines(loaded: Loaded, took: float) -> list[str]:
    """What the first worker of a cluster has loaded, in a line; ``took`` seconds."""
    versions = ", ".join(f"{name} {version}" for name, version in loaded.versions.items())
    return [
        f"workers: {versions}; device {loaded.device}, {loaded.batch}; the first was ready after {took:.1f} s"
    ]


def loaded_lines(
    job: Job,
    arms: Sequence[Arm[Any]],
    entries: dict[str, dict[str, Any]],
    device: str,
    batch: BatchSize,
    took: float,
) -> list[str]:
    """Versions, device, data and models, a line each; ``took`` is the seconds that loading took."""
    import torch
    import transformers

    from dmsbench import __version__

    data = job.dataset
    images = max(len({sample.group for sample in block.samples}) for block in job.plan.blocks)
    return [
        f"dmsbench {__version__}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}",
        f"device {device}, {torch.get_num_threads()} threads, {batch}",
        f"data: {len(data.samples):,} samples of {data.name}/{data.split} ({data.fingerprint[:8]}), "
        f"{job.plan.samples:,} asked, {images:,} images a block at most",
        *(f"model {arm.name}: {_described(entries[arm.name], arm.model)}" for arm in arms),
        f"loaded in {took:.1f} s; records in {job.folder.path}",
    ]


def _described(entry: dict[str, Any], model: Any) -> str:
    loaded = entry.get("loaded", {})
    count = getattr(model, "parameters", loaded.get("parameters"))
    places = ", ".join(f"{parts} on {place}" for place, parts in loaded.get("placement", {}).items())
    how = entry["settings"].get("quantization")
    return "".join(
        (
            str(entry["spec"]),
            f", {count:,} parameters" if isinstance(count, int) else "",
            f", commit {loaded['commit']}" if "commit" in loaded else "",
            f", quantised: {' by '.join(how.values())}" if how else "",
            f", modules: {places}" if places else "",
        )
    )


def time_lines(tally: Tally, manifest: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Where the time of a run went: each model, and what lies between them."""
    timing = manifest["models"][names[0]]["timing"]
    wall, asked = timing["wall_seconds_of_all_models"], sum(tally.seconds.values())
    return [
        *(
            f"{name}: {tally.answered.get(name, 0):,} rows encoded and answered in "
            f"{tally.seconds.get(name, 0.0):.1f} s"
            for name in names
        ),
        f"corrupting, scoring, reading and writing: {max(0.0, wall - asked):.1f} s; {wall:.1f} s in all",
    ]


def print_plan(
    job: Job, found: Sequence[Estimate], batch: BatchSize, format_: TableFormat | None, quiet: bool
) -> None:
    """What a run would do, how long it may take, and what of it is there already."""
    from dmsbench.report.sheets import sheet_of

    if format_ not in (None, TableFormat.TABLE):
        emit(
            format_,
            lambda: plan_dict(job, found, batch),
            lambda: sheet_of(plan_dict(job, found, batch)["models"]),
        )
        return
    from dmsbench.report.tables import blank_table, literal

    console = tables(quiet=quiet and format_ is None)
    table = blank_table(f"{job.suite.name}: dry run", "")
    table.caption = None
    table.add_column(literal("model"), overflow="fold")
    for title in ("rows", "cached", "to do", "estimated time"):
        table.add_column(literal(title), justify="right", no_wrap=True)
    for one in found:
        figures = (f"{one.rows:,}", f"{one.cached:,}", f"{one.rows - one.cached:,}", f"{one.seconds:.0f} s")
        table.add_row(*map(literal, (one.model, *figures)))
    console.print(table)
    tell(
        console,
        f"{len(job.suite.conditions)} conditions × {job.plan.samples} samples of {job.dataset.name}/"
        f"{job.dataset.split}; {batch}; would write to {job.folder.path}",
    )
    for name, severities in cells(job.suite).items():
        shown = ", ".join(map(str, severities))
        tell(console, f"  {name}: {shown}" if shown else f"  {name}")
    tell(console, *job.truth_lines)


def plan_dict(job: Job, found: Sequence[Estimate], batch: BatchSize) -> dict[str, Any]:
    """The stable JSON of ``run --dry-run``.

    ``{suite, dataset, samples, conditions, corruptions: {NAME: [severity]}, models: [{model, rows, cached,
    to_do, seconds}], batch_size, batch: {rows, how, bytes_per_row, free_bytes}, folder, truth: [line]}``; the
    last two of ``batch`` where they were measured.
    """
    return {
        "suite": job.suite.name,
        "dataset": f"{job.dataset.name}/{job.dataset.split}",
        "samples": job.plan.samples,
        "conditions": len(job.suite.conditions),
        "corruptions": cells(job.suite),
        "models": [
            {
                "model": one.model,
                "rows": one.rows,
                "cached": one.cached,
                "to_do": one.rows - one.cached,
                "seconds": one.seconds,
            }
            for one in found
        ],
        "batch_size": batch.rows,
        "batch": batch.entry(),
        "folder": str(job.folder.path),
        "truth": job.truth_lines,
    }


def cells(suite: Suite) -> dict[str, list[int]]:
    """The conditions, a corruption with its severities: ``{"fog": [1, 3, 5], "clean": []}``."""
    found: dict[str, list[int]] = {}
    for condition in suite.conditions:
        severities = found.setdefault(condition.corruption, [])
        # Joint conditions of unequal severities share their larger one.
        if not condition.is_clean and condition.severity not in severities:
            severities.append(condition.severity)
    return found
