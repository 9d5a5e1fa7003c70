"""``dmsbench run``."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from dmsbench.cli.options import Out, parse_severities
from dmsbench.errors import DmsbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmsbench.runner.arms import Arm, Tally
    from dmsbench.runner.run import Job
    from dmsbench.suite import Suite


def run(
    suite: Annotated[str, typer.Option("--suite", help="A suite by name, or a suite file.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", help="NAME[=SPEC]; a builtin name, a folder or a hub id, with options. Repeatable."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Your own JSONL or Parquet file instead of the suite's data."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Image folder of --data; by default the file's own folder."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="Samples; 0 takes all of them.")] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option("--corruption", help="Keep this corruption; clean keeps none. Repeatable."),
    ] = None,
    include_false: Annotated[
        list[str] | None,
        typer.Option(
            "--include-false",
            help="Apply this corruption to samples whose own answer it makes wrong, too. Repeatable.",
        ),
    ] = None,
    severity: Annotated[
        str | None, typer.Option("--severity", help="Severities, such as 1,3,5 or 1-5.")
    ] = None,
    score: Annotated[
        str | None, typer.Option("--score", help="Another score than the suite's; see: dmsbench list scores")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of all corruptions.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[str, typer.Option("--batch-size", help="Rows a batch, or auto.")] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; by default all cores.")
    ] = None,
    out: Out = Path("results"),
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be done and how long it may take; write nothing."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute these models' records anew instead of continuing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no tables.")] = False,
) -> None:
    """Corrupts the data, asks the models, keeps every record.

    A run that was stopped continues where it was. Examples:

      dmsbench run --suite vqa-corrupt

      dmsbench run --suite vqa-corrupt --limit 0 --corruption occlusion --severity 1,3,5

      dmsbench run --suite vqa-corrupt --data mine.jsonl --model mine=./checkpoint

      dmsbench run --suite caption-corrupt --data mine.jsonl --score cider_d --model mine=./checkpoint
    """
    from dmsbench.suite import DatasetConfig, load_suite

    if images is not None and data is None:
        raise DmsbenchError("--images belongs to --data: give the question file too")
    loaded = load_suite(suite).changed(
        seed=seed,
        limit=limit or None,
        severities=None if severity is None else parse_severities(severity),
        only=corruption or (),
        models=model or (),
        include_false=include_false or (),
        dataset=None if data is None else DatasetConfig(name="local", path=data, images=images),
        score=score,
    )
    if limit == 0:
        loaded = loaded.model_copy(update={"limit": None})
    raise typer.Exit(
        _run(loaded, out, device, batch_size, threads, dry_run=dry_run, fresh=fresh, quiet=quiet)
    )


def _run(
    suite: Suite,
    out: Path,
    device: str,
    batch_size: str,
    threads: int | None,
    *,
    dry_run: bool,
    fresh: bool,
    quiet: bool,
) -> int:
    from rich.console import Console

    from dmsbench.models.spec import parse

    if batch_size != "auto" and not (batch_size.isdecimal() and int(batch_size) > 0):
        raise DmsbenchError(f"--batch-size '{batch_size}': use a positive number or auto")
    if not suite.models:
        raise DmsbenchError(f"suite '{suite.name}' names no models: give --model NAME=SPEC")
    for text in suite.models:
        parse(text)  # a misspelt model must not cost the seconds that importing torch takes
    suite.differing()  # nor a missing backend

    import torch
    from transformers.utils import logging as transformers_logging

    from dmsbench.cli.progress import watching
    from dmsbench.models.zoo import pick_device
    from dmsbench.runner.memory import keep_freed_memory
    from dmsbench.runner.run import automatic_batch_size, execute, load_arms, prepare

    messages = Console(stderr=True, quiet=quiet)
    transformers_logging.disable_progress_bar()
    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    with messages.status("loading data and models"):
        job = prepare(suite, out)
        arms, entries = load_arms(job, device=device)
    rows = automatic_batch_size(arms, pick_device(device)) if batch_size == "auto" else int(batch_size)
    if dry_run:
        return _dry_run(job, arms, rows, fresh=fresh)
    messages.print(
        f"{suite.name}: {len(suite.conditions)} conditions × {job.plan.samples} samples × {len(arms)} models",
        markup=False,
    )
    for line in job.truth_lines:
        messages.print(line, highlight=False, markup=False, soft_wrap=True)
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        with watching(messages, job.plan, [arm.name for arm in arms]) as on_progress:
            tally, manifest = execute(
                job, arms, entries, batch_size=rows, fresh=fresh, on_progress=on_progress
            )
    finally:
        signal.signal(signal.SIGTERM, previous)
    return _finish(job, manifest, tally, [arm.name for arm in arms], quiet=quiet)


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _finish(job: Job, manifest: dict[str, Any], tally: Tally, names: list[str], *, quiet: bool) -> int:
    from rich.console import Console

    from dmsbench.report.build import build_report, print_report

    console = Console(quiet=quiet)
    report = build_report(job.folder, manifest)
    print_report(report, console)
    total, errors = sum(tally.rows.values()), sum(tally.errors.values())
    reused, left_out = sum(tally.reused.values()), sum(tally.left_out.values())
    if errors:
        console.print(_commonest(tally), highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"{total:,} records of {', '.join(names)}, {errors:,} errors"
        + (f", {left_out:,} left out" if left_out else "")
        + (f", {reused:,} from an earlier run" if reused else "")
        + f"; in {job.folder.path}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for name in names:
        rate = tally.error_rate(name)
        if rate > job.suite.max_error_rate:
            Console(stderr=True).print(
                f"dmsbench: {rate:.1%} of {name}'s rows failed, the suite allows "
                f"{job.suite.max_error_rate:.1%} (max_error_rate)",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
            return 4
    return 0


def _commonest(tally: Tally, most: int = 3) -> str:
    """The commonest reasons of errors with their counts, in one line."""
    shown = [f"{count:,} × {reason}" for reason, count in tally.reasons.most_common(most)]
    more = len(tally.reasons) - len(shown)
    return f"errors: {'; '.join(shown)}" + (f"; and {more:,} other reasons" if more else "")


def _dry_run(job: Job, arms: Sequence[Arm[Any]], batch_size: int, *, fresh: bool) -> int:
    from rich.console import Console
    from rich.table import Table

    from dmsbench.runner.estimate import estimate

    found = estimate(job, arms, batch_size, fresh=fresh)
    console = Console()
    table = Table("model", "rows", "cached", "to do", "estimated time", title=f"{job.suite.name}: dry run")
    for line in found:
        table.add_row(
            line.model,
            f"{line.rows:,}",
            f"{line.cached:,}",
            f"{line.rows - line.cached:,}",
            f"{line.seconds:.0f} s",
        )
    console.print(table)
    console.print(
        f"{len(job.suite.conditions)} conditions × {job.plan.samples} samples of {job.dataset.name}/"
        f"{job.dataset.split}; batches of {batch_size} rows; would write to {job.folder.path}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for name, severities in _cells(job.suite).items():
        console.print(f"  {name}: {severities}" if severities else f"  {name}", highlight=False)
    for told in job.truth_lines:
        console.print(told, highlight=False, markup=False, soft_wrap=True)
    return 0


def _cells(suite: Suite) -> dict[str, str]:
    """The conditions, a corruption with its severities: ``{"fog": "1, 3, 5", "clean": ""}``."""
    found: dict[str, list[str]] = {}
    for condition in suite.conditions:
        severity = [] if condition.is_clean else [str(condition.severity)]
        found.setdefault(condition.corruption, []).extend(severity)
    return {name: ", ".join(severities) for name, severities in found.items()}
