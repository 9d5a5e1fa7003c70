"""One run by workers of a cluster: the counterpart of ``runner.run.execute``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dmsbench.errors import ClusterError
from dmsbench.runner.arms import Progress, Tally
from dmsbench.runner.cluster.driver import Cluster, connected
from dmsbench.runner.cluster.shares import Crew, Loaded, Share, shares
from dmsbench.runner.job import Job, key_maker
from dmsbench.runner.run import recorded

__all__ = ["Party", "assembled"]


@dataclass(frozen=True, slots=True)
class Party:
    """A cluster whose first worker is there and speaks for all."""

    job: Job
    cluster: Cluster
    loaded: Loaded

    @property
    def names(self) -> list[str]:
        """The models, in the suite's order."""
        return list(self.loaded.entries)

    @property
    def actors(self) -> int:
        """Workers that will be at work: no more than there are shares."""
        return min(self.cluster.actors, len(self._shares))

    @property
    def _shares(self) -> list[Share]:
        return shares(self.job.plan, by_view=self.job.suite.task == "retrieval")

    def execute(
        self,
        *,
        fresh: bool,
        stop: Callable[[], bool],
        on_progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> tuple[Tally, dict[str, Any]]:
        """As ``runner.run.execute``; raises ClusterError where workers die again and again."""
        job, cluster, given = self.job, self.cluster, self._shares
        entries = dict(self.loaded.entries)
        keys = {name: key_maker(job, name, entry["settings"]) for name, entry in entries.items()}

        def work() -> Tally:
            return cluster.run(job.plan, given, stop=stop, on_progress=on_progress)

        return recorded(
            job,
            keys,
            entries,
            work,
            batch_size=self.loaded.batch.rows,
            fresh=fresh,
            workers=cluster.crew.workers,
            how={
                "machine": dict(self.loaded.machine),
                "engine": "ray",
                "actors": self.actors,
                "threads": cluster.crew.threads,
            },
        )


@contextmanager
def assembled(
    job: Job, crew: Crew, *, address: str | None, actors: int | None, tell: Callable[[str], object]
) -> Iterator[Party]:
    """A cluster with its first worker, to which others are added when work is given out.

    Raises DmsbenchError where Ray is missing, no cluster is found or it has not what a worker needs, what
    loading models raises, and ClusterError where the worker dies or reads other data than this machine.
    """
    with connected(address) as ray:
        cluster = Cluster(ray, crew, actors, tell)
        try:
            loaded = cluster.loaded()
            if loaded.fingerprint != job.fingerprint:
                raise ClusterError("a worker reads other data under the same path than this machine does")
            yield Party(job, cluster, loaded)
        finally:
            cluster.close()
