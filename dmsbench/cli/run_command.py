"""``dmsbench run``."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import (
    Format,
    Out,
    Quiet,
    TableFormat,
    TrustRemoteCode,
    check_loudness,
    parse_severities,
)
from dmsbench.errors import DmsbenchError

if TYPE_CHECKING:
    from dmsbench.suite import Suite


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
    batch_size: Annotated[str, typer.Option("--batch-size", help="Rows a batch, or auto.")] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; by default all cores.")
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    out: Out = Path("results"),
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be done and how long it may take; write nothing."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute these models' records anew instead of continuing.")
    ] = False,
    format_: Format = None,
    quiet: Quiet = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Versions, device, what is loaded, and where the time goes."),
    ] = False,
) -> None:
    """Corrupts the data, asks the models, keeps every record.

    A run that was stopped continues where it was. Exit code 4 where a model fails on more rows than the
    suite allows, 130 where the run was stopped. Examples:

      dmsbench run --suite vqa-corrupt

      dmsbench run --suite vqa-corrupt --limit 0 --corruption occlusion --severity 1,3,5

      dmsbench run --suite vqa-corrupt --data mine.jsonl --model mine=./checkpoint

      dmsbench run --suite caption-corrupt --data mine.jsonl --score cider_d --model mine=./checkpoint

      dmsbench run --suite smoke --dry-run --format json
    """
    from dmsbench.suite import DatasetConfig, load_suite

    check_loudness(quiet=quiet, verbose=verbose)
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
        _run(
            loaded,
            out,
            device,
            batch_size,
            threads,
            trust_remote_code=trust_remote_code,
            dry_run=dry_run,
            fresh=fresh,
            format_=format_,
            quiet=quiet,
            verbose=verbose,
        )
    )


def _run(
    suite: Suite,
    out: Path,
    device: str,
    batch_size: str,
    threads: int | None,
    *,
    trust_remote_code: bool,
    dry_run: bool,
    fresh: bool,
    format_: TableFormat | None,
    quiet: bool,
    verbose: bool,
) -> int:
    from dmsbench.models.spec import parse

    if batch_size != "auto" and not (batch_size.isdecimal() and int(batch_size) > 0):
        raise DmsbenchError(f"--batch-size '{batch_size}': use a positive number or auto")
    if not suite.models:
        raise DmsbenchError(f"suite '{suite.name}' names no models: give --model NAME=SPEC")
    for text in suite.models:
        parse(text)  # a misspelt model must not cost the seconds that importing torch takes
    suite.differing()  # nor a missing backend

    from dmsbench.cli.output import lively, messages, tell, warn
    from dmsbench.models.trust import trusting_code

    console = messages(quiet=quiet)
    moving = lively(console, os.environ)
    began = time.monotonic()
    with console.status("loading data and models") if moving else contextlib.nullcontext():
        import torch
        from transformers.utils import logging as transformers_logging

        from dmsbench.cli import run_output
        from dmsbench.models.zoo import pick_device
        from dmsbench.runner.memory import keep_freed_memory
        from dmsbench.runner.run import automatic_batch_size, execute, load_arms, prepare

        transformers_logging.disable_progress_bar()
        keep_freed_memory()
        if threads is not None:
            torch.set_num_threads(threads)
        job = prepare(suite, out)
        with trusting_code(trust_remote_code, warn):
            arms, entries = load_arms(job, device=device)
    used = pick_device(device)
    rows = automatic_batch_size(arms, used) if batch_size == "auto" else int(batch_size)
    if verbose:
        tell(console, *run_output.loaded_lines(job, arms, entries, used, rows, time.monotonic() - began))
    if dry_run:
        from dmsbench.runner.estimate import estimate

        found = estimate(job, arms, rows, fresh=fresh)
        run_output.print_plan(job, found, rows, format_, quiet)
        return 0

    from dmsbench.cli.meter import Laps, stretches
    from dmsbench.cli.progress import watching

    tell(
        console,
        f"{suite.name}: {len(suite.conditions)} conditions × {job.plan.samples} samples × {len(arms)} models",
        *job.truth_lines,
    )
    names = [arm.name for arm in arms]
    parts = stretches(job.plan, len(arms), by_view=suite.task == "retrieval")
    laps = Laps(parts, time.monotonic()) if verbose else None
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        with watching(console, job.plan, names, laps=laps) as on_progress:
            tally, manifest = execute(
                job, arms, entries, batch_size=rows, fresh=fresh, on_progress=on_progress
            )
    finally:
        signal.signal(signal.SIGTERM, previous)
    if verbose:
        tell(console, *run_output.time_lines(tally, manifest, names))
    return run_output.finish(job, manifest, tally, names, format_, quiet)


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt
