"""``dmsbench run --engine ray``: the same run by workers of a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmsbench.errors import DmsbenchError

if TYPE_CHECKING:
    from dmsbench.cli.run_command import How
    from dmsbench.suite import Suite
    from dmsbench.tracking.trackers import Tracker


def check_engine(how: How) -> None:
    """Raises DmsbenchError for options that the engine asked for does not have."""
    if how.engine == "local":
        for option, value in (("--address", how.address), ("--actors", how.actors)):
            if value is not None:
                raise DmsbenchError(f"{option} belongs to --engine ray")
        return
    for option, asked in (("--dry-run", how.dry_run), ("--verify-batch", how.verify_batch)):
        if asked:
            raise DmsbenchError(f"{option} asks models here: use it with --engine local")


def run_on_cluster(suite: Suite, how: How, trackers: Sequence[Tracker]) -> int:
    """Runs the suite; returns the exit code."""
    from dmsbench.cli import run_output
    from dmsbench.cli.meter import Laps, stretches
    from dmsbench.cli.output import lively, messages, tell
    from dmsbench.cli.progress import watching
    from dmsbench.runner.cluster.execute import assembled
    from dmsbench.runner.cluster.shares import Crew
    from dmsbench.runner.job import prepare
    from dmsbench.runner.stopping import Stop

    console = messages(quiet=how.quiet)
    crew = Crew(
        suite=suite,
        out=how.out,
        folder=Path.cwd(),
        device=how.device,
        batch_size=None if how.batch_size == "auto" else int(how.batch_size),
        threads=how.threads or 1,
        workers=0 if how.workers == "auto" else int(how.workers),
        time_limit=how.time_limit or None,
        retry_errors=how.retry_errors,
        trusts_code=how.trusts_code,
    )
    job = prepare(suite, how.out)
    began = time.monotonic()
    with assembled(
        job, crew, address=how.address, actors=how.actors, tell=lambda line: tell(messages(), line)
    ) as party:
        names = party.names
        models, actors = len(names), party.actors
        tell(
            console,
            f"{suite.name}: {len(suite.conditions)} conditions × {job.plan.samples} samples × {models} models"
            f", {actors} worker{'' if actors == 1 else 's'} of a Ray cluster",
            *job.truth_lines,
        )
        if how.verbose:
            tell(console, *run_output.cluster_lines(party.loaded, time.monotonic() - began))
        parts = stretches(job.plan, models, by_view=suite.task == "retrieval")
        laps = Laps(parts, time.monotonic()) if how.verbose and lively(console, os.environ) else None
        stop = Stop()
        with (
            stop.on_signals(lambda: tell(messages(), run_output.STOPPING)),
            watching(console, job.plan, names, laps=laps) as on_progress,
        ):
            tally, manifest = party.execute(fresh=how.fresh, stop=stop, on_progress=on_progress)
    return run_output.ended(job, tally, manifest, names, how, party.loaded.batch.rows, trackers)
