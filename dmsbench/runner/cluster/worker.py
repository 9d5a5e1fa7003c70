"""A worker: holds the models, does shares of the plan and writes their records where the run's folder is."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dmsbench.errors import DataError, DmsbenchError
from dmsbench.runner.cluster.shares import Crew, Done, Loaded, Share

if TYPE_CHECKING:
    from dmsbench.runner.ahead import Ahead
    from dmsbench.runner.arms import Progress
    from dmsbench.runner.job import Job


class Worker:
    """Lives in a process of its own; what goes wrong on purpose is returned, since it has to cross over."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self._events: list[Progress] = []
        self._engine: Any = None
        self._ahead: Ahead | None = None
        self._job: Job | None = None

    def load(self) -> Loaded | DmsbenchError:
        """Reads the data and loads the models; DmsbenchError says why that cannot be."""
        try:
            return self._load()
        except DmsbenchError as error:
            return error

    def work(self, share: Share) -> Iterator[Done | DmsbenchError]:
        """Does a share, piece by piece; ends with DmsbenchError where a model is given up."""
        from dmsbench.runner.arms import Tally

        if self._job is None:
            raise RuntimeError("work before load")
        try:
            self._engine.tally = Tally()
            plan = self._job.plan
            needed = share.after_clean and not self._engine.holds(plan.blocks[share.blocks[0]])
            for _ in self._engine.pieces(share.of(plan, with_clean=needed)):
                yield Done(tuple(self._events), self._engine.tally)
                self._events.clear()
                self._engine.tally = Tally()
        except DmsbenchError as error:
            yield error

    def _load(self) -> Loaded:
        import torch
        from transformers.utils import logging as transformers_logging

        from dmsbench.models.trust import trusting_code
        from dmsbench.models.zoo import pick_device
        from dmsbench.runner.ahead import Ahead
        from dmsbench.runner.batch_size import BatchSize, find_batch_size
        from dmsbench.runner.conduct import Conduct
        from dmsbench.runner.machine import machine
        from dmsbench.runner.memory import keep_freed_memory
        from dmsbench.runner.patience import Patience
        from dmsbench.runner.run import engine_of, load_arms, prepare, views_of

        crew = self.crew
        try:
            os.chdir(crew.folder)
        except OSError as error:
            raise DataError(
                f"a worker on {platform.node()} does not see {crew.folder} ({error.strerror}): "
                "start in a folder that all machines see under the same path"
            ) from None
        transformers_logging.disable_progress_bar()
        keep_freed_memory()
        torch.set_num_threads(crew.threads)
        self._job = job = prepare(crew.suite, crew.out)
        with trusting_code(crew.trusts_code, lambda line: print(line, file=sys.stderr)):
            arms, entries = load_arms(job, device=crew.device)
        device = pick_device(crew.device)
        views, patience = views_of(job), Patience(crew.time_limit)
        if crew.batch_size is None:
            batch = find_batch_size(job, arms, device, views, patience=patience)
        else:
            batch = BatchSize(crew.batch_size, "given")
        for entry in entries.values():
            entry["batch"] = batch.entry()
        if crew.workers:
            self._ahead = Ahead(crew.workers, views)
            views.ready = self._ahead.take
        conduct = Conduct(patience, retry_errors=crew.retry_errors)
        self._engine = engine_of(
            job,
            arms,
            job.folder,
            batch_size=batch.rows,
            views=views,
            conduct=replace(conduct, ahead=self._ahead),
            on_progress=self._events.append,
        )
        return Loaded(entries, device, batch, machine(device), versions(), job.fingerprint)


def versions() -> dict[str, str]:
    """What has to be the same on all machines, for records and their keys to be."""
    from dmsbench import __version__
    from dmsbench.libraries import libraries

    return {"dmsbench": __version__, **libraries()}
