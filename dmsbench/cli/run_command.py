"""``dmsbench run``."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import (
    MOST_THREADS,
    AllowOutside,
    Data,
    Format,
    Out,
    Quiet,
    TableFormat,
    TrustRemoteCode,
    check_loudness,
    data_named,
    parse_severities,
)
from dmsbench.errors import DmsbenchError, StoppedRunError

if TYPE_CHECKING:
    from dmsbench.suite import DatasetConfig, Suite
    from dmsbench.tracking.trackers import Tracker

#: Rows a batch at most: what no machine's memory holds is a slip of the finger.
MOST_ROWS = 1_000_000
#: Worker processes at most.
MOST_WORKERS = 256
#: Workers that ``auto`` takes at most beside an accelerator: more were never busy.
AUTOMATIC_WORKERS = 8


@dataclass(frozen=True, slots=True)
class _How:
    """How a run is carried out; nothing of it decides what its records say, but for rounding."""

    out: Path
    device: str
    batch_size: str
    threads: int | None
    workers: str
    time_limit: float
    dry_run: bool
    fresh: bool
    retry_errors: bool
    verify_batch: bool
    track: tuple[str, ...]
    format_: TableFormat | None
    quiet: bool
    verbose: bool


def run(
    suite: Annotated[
        str,
        typer.Option("--suite", autocompletion=completion.suites, help="A suite by name, or a suite file."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            autocompletion=completion.models,
            help="NAME[=SPEC]; a builtin name, a folder or a hub id, with options. Repeatable.",
        ),
    ] = None,
    data: Data = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Image folder of --data; by default the file's own folder."),
    ] = None,
    allow_outside: AllowOutside = False,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="Samples; 0 takes all of them.")] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option(
            "--corruption",
            autocompletion=completion.conditions,
            help="Keep this corruption; clean keeps none. Repeatable.",
        ),
    ] = None,
    include_false: Annotated[
        list[str] | None,
        typer.Option(
            "--include-false",
            autocompletion=completion.corruption_names,
            help="Apply this corruption to samples whose own answer it makes wrong, too. Repeatable.",
        ),
    ] = None,
    severity: Annotated[
        str | None, typer.Option("--severity", help="Severities, such as 1,3,5 or 1-5.")
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(
            "--score",
            autocompletion=completion.scores,
            help="Another score than the suite's; see: dmsbench list scores",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of all corruptions.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[
        str, typer.Option("--batch-size", help="Rows a batch, or auto: what memory holds.")
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, max=MOST_THREADS, help="CPU threads; by default all cores."),
    ] = None,
    workers: Annotated[
        str,
        typer.Option(
            "--workers",
            help="Processes that corrupt pictures ahead of the models, or auto: none on a CPU, "
            "up to 8 beside an accelerator.",
        ),
    ] = "auto",
    time_limit: Annotated[
        float,
        typer.Option(
            "--time-limit",
            min=0,
            max=1e6,
            help="Seconds that a model may take over one batch before its rows count as errors; 0: no limit.",
        ),
    ] = 1800,
    trust_remote_code: TrustRemoteCode = False,
    out: Out = Path("results"),
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be done and how long it may take; write nothing."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute these models' records anew instead of continuing.")
    ] = False,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Ask again where a model failed in an earlier run."),
    ] = False,
    verify_batch: Annotated[
        bool,
        typer.Option(
            "--verify-batch",
            help="Ask some rows again one by one, and say how far the batch size moves the answers.",
        ),
    ] = False,
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track",
            help="Log the models in a tracker when the run is done: mlflow or wandb. Repeatable; a tracker "
            "that fails costs a line and no more.",
        ),
    ] = None,
    format_: Format = None,
    quiet: Quiet = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Versions, device, what is loaded, and where the time goes."),
    ] = False,
) -> None:
    """Corrupts the data, asks the models, keeps every record.

    A run that was stopped (Ctrl-C finishes the piece in hand) continues where it was. Exit code 4 where a
    model fails on more rows than the suite allows, 130 where the run was stopped. Examples:

      dmsbench run --suite vqa-corrupt

      dmsbench run --suite vqa-corrupt --limit 0 --corruption occlusion --severity 1,3,5

      dmsbench run --suite vqa-corrupt --data mine.jsonl --model mine=./checkpoint

      dmsbench run --suite vqa-corrupt --data vqav2 --limit 500 --model mine=./checkpoint

      dmsbench run --suite caption-corrupt --data mine.jsonl --score cider_d --model mine=./checkpoint

      dmsbench run --suite smoke --dry-run --format json
    """
    from dmsbench.cli.output import warn
    from dmsbench.models.trust import trusting_code
    from dmsbench.suite import load_suite

    check_loudness(quiet=quiet, verbose=verbose)
    if images is not None and data is None:
        raise DmsbenchError("--images belongs to --data: give the question file too")
    asked = load_suite(suite)
    loaded = asked.changed(
        seed=seed,
        limit=limit or None,
        severities=None if severity is None else parse_severities(severity),
        only=corruption or (),
        models=model or (),
        include_false=include_false or (),
        dataset=_dataset(asked, data, images, allow_outside),
        score=score,
    )
    if limit == 0:
        loaded = loaded.model_copy(update={"limit": None})
    how = _How(
        out,
        device,
        batch_size,
        threads,
        workers,
        time_limit,
        dry_run=dry_run,
        fresh=fresh,
        retry_errors=retry_errors,
        verify_batch=verify_batch,
        track=tuple(track or ()),
        format_=format_,
        quiet=quiet,
        verbose=verbose,
    )
    with trusting_code(trust_remote_code, warn):
        code = _run(loaded, how)
    raise typer.Exit(code)


def _dataset(
    suite: Suite, data: str | None, images: Path | None, allow_outside: bool
) -> DatasetConfig | None:
    """The data that the command line asks for; None: the suite's as they are."""
    if data is not None:
        return data_named(data, images, allow_outside)
    if not allow_outside:
        return None
    if suite.dataset.name != "local":
        raise DmsbenchError(
            f"--allow-outside is of local data, and those of '{suite.name}' are not: give --data"
        )
    return suite.dataset.model_copy(update={"allow_outside": True})


def _run(suite: Suite, how: _How) -> int:
    from dmsbench.models.spec import parse

    _number_or_auto("--batch-size", how.batch_size, 1, MOST_ROWS)
    _number_or_auto("--workers", how.workers, 0, MOST_WORKERS)
    if not suite.models:
        raise DmsbenchError(f"suite '{suite.name}' names no models: give --model NAME=SPEC")
    for text in suite.models:
        parse(text)  # a misspelt model must not cost the seconds that importing torch takes
    suite.differing()  # nor a missing backend
    trackers: tuple[Tracker, ...] = ()
    if how.track:
        from dmsbench.tracking.trackers import usable

        trackers = usable(how.track)  # nor a missing extra a run

    from dmsbench.cli.output import lively, messages, tell

    console = messages(quiet=how.quiet)
    moving = lively(console, os.environ)
    began = time.monotonic()
    with console.status("loading data and models") if moving else contextlib.nullcontext():
        import torch
        from transformers.utils import logging as transformers_logging

        from dmsbench.cli import run_output
        from dmsbench.models.zoo import pick_device
        from dmsbench.runner.batch_size import BatchSize, find_batch_size
        from dmsbench.runner.memory import keep_freed_memory
        from dmsbench.runner.patience import Patience
        from dmsbench.runner.run import execute, load_arms, prepare, views_of

        transformers_logging.disable_progress_bar()
        keep_freed_memory()
        if how.threads is not None:
            torch.set_num_threads(how.threads)
        job = prepare(suite, how.out)
        arms, entries = load_arms(job, device=how.device)
        used = pick_device(how.device)
        patience = Patience(how.time_limit or None)
        if how.batch_size == "auto":
            batch = find_batch_size(job, arms, used, views_of(job), patience=patience)
        else:
            batch = BatchSize(int(how.batch_size), "given")
        rows = batch.rows
        for entry in entries.values():
            entry["batch"] = batch.entry()
    if how.verbose:
        tell(console, *run_output.loaded_lines(job, arms, entries, used, batch, time.monotonic() - began))
    if how.dry_run:
        from dmsbench.runner.estimate import estimate

        found = estimate(job, arms, rows, fresh=how.fresh)
        run_output.print_plan(job, found, batch, how.format_, how.quiet)
        return 0

    from dmsbench.cli.meter import Laps, stretches
    from dmsbench.cli.progress import watching
    from dmsbench.runner.conduct import Conduct
    from dmsbench.runner.stopping import Stop

    tell(
        console,
        f"{suite.name}: {len(suite.conditions)} conditions × {job.plan.samples} samples × {len(arms)} models",
        *job.truth_lines,
    )
    names = [arm.name for arm in arms]
    parts = stretches(job.plan, len(arms), by_view=suite.task == "retrieval")
    laps = Laps(parts, time.monotonic()) if how.verbose else None
    stop = Stop()
    conduct = Conduct(patience, stop, retry_errors=how.retry_errors)
    with (
        stop.on_signals(lambda: tell(messages(), run_output.STOPPING)),
        watching(console, job.plan, names, laps=laps) as on_progress,
    ):
        tally, manifest = execute(
            job,
            arms,
            entries,
            batch_size=rows,
            fresh=how.fresh,
            workers=_workers(how.workers, used),
            conduct=conduct,
            on_progress=on_progress,
        )
    tell(messages(), *run_output.mended_lines(tally, rows))
    if tally.stopped:
        raise StoppedRunError(run_output.stopped_line(job, tally, names))
    if how.verify_batch:
        from dmsbench.runner.verify import verify_batch

        tell(console, *run_output.verified_lines(verify_batch(job, arms), rows))
    if how.verbose:
        tell(console, *run_output.time_lines(tally, manifest, names))
    from dmsbench.cli.track_command import tell_trackers

    return run_output.finish(
        job,
        manifest,
        tally,
        names,
        how.format_,
        how.quiet,
        lambda report: tell_trackers(trackers, job.folder, manifest, report, names, quiet=how.quiet),
    )


def _number_or_auto(option: str, text: str, least: int, most: int) -> None:
    """Raises DmsbenchError unless it is ``auto`` or a number in these bounds."""
    # Of more digits than that no number has to be made.
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) else -1
    if text != "auto" and not least <= number <= most:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise DmsbenchError(f"{option} '{shown}': use a number from {least} to {most:,}, or auto")


def _workers(asked: str, device: str) -> int:
    """Worker processes: beside a CPU that answers they would only take its time."""
    if asked != "auto":
        return int(asked)
    return 0 if device == "cpu" else max(0, min(AUTOMATIC_WORKERS, (os.cpu_count() or 1) - 1))
