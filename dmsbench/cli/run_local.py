"""``dmsbench run`` in this process."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmsbench.cli.run_command import How
    from dmsbench.suite import Suite
    from dmsbench.tracking.trackers import Tracker

#: Workers that ``auto`` takes at most beside an accelerator: more were never busy.
AUTOMATIC_WORKERS = 8


def run_here(suite: Suite, how: How, trackers: Sequence[Tracker]) -> int:
    """Runs the suite; returns the exit code."""
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
    verified = None
    if how.verify_batch and not tally.stopped:
        from dmsbench.runner.verify import verify_batch

        verified = verify_batch(job, arms)
    return run_output.ended(job, tally, manifest, names, how, rows, trackers, verified)


def _workers(asked: str, device: str) -> int:
    """Worker processes: beside a CPU that answers they would only take its time."""
    if asked != "auto":
        return int(asked)
    return 0 if device == "cpu" else max(0, min(AUTOMATIC_WORKERS, (os.cpu_count() or 1) - 1))
