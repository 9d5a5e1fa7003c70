"""Gives out a plan's shares to workers by Ray, counts what comes back, and replaces workers that are lost."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dmsbench.errors import ClusterError, DmsbenchError
from dmsbench.grid import View
from dmsbench.runner.arms import Progress, Tally
from dmsbench.runner.cluster.shares import Crew, Done, Loaded, Share, added
from dmsbench.runner.cluster.worker import Worker, versions
from dmsbench.runner.plan import Plan

__all__ = ["Cluster", "connected"]

#: How often a share may cost its worker before the run is given up.
ATTEMPTS = 3
#: Seconds between looks at whether somebody asked to stop.
GLANCE = 0.5
#: Seconds without a worker after which somebody is told what is waited for.
WAIT = 60.0
#: Seconds that an address has to answer in.
REACH = 10.0
#: Bytes of Ray's own store at a worker: what comes back of it are counts.
STORE = 100 * 2**20


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """The library, connected to a cluster, or to one of this machine's own while open.

    Raises DmsbenchError where the library is missing or no cluster is found.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise DmsbenchError("--engine ray needs Ray: pip install 'dmsbench[ray]'") from None
    _check_reachable(address)
    own: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": STORE}
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            configure_logging=True,
            logging_level=logging.ERROR,
            **own,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        where = f"at '{address}'" if address else "on this machine"
        raise DmsbenchError(f"no Ray cluster {where}: {reason}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raises DmsbenchError where nothing listens at HOST:PORT: Ray itself tries for many minutes."""
    host, _, port = (address or "").rpartition(":")
    if not host or "://" in host or not port.isascii() or not port.isdecimal():
        return  # ``auto``, a client's address: Ray knows what they mean
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DmsbenchError(f"no Ray cluster at '{address}': {reason}") from None


@dataclass(slots=True)
class _Member:
    """A worker: its handle, what it is asked for at present and the share that is of."""

    handle: Any
    loading: Any = None
    stream: Any = None
    share: Share | None = None
    #: The blocks of its last share: of one whose clean answers it holds it need not read them again.
    blocks: tuple[int, int] | None = None


class Cluster:
    """Workers on a cluster, all with the same models.

    ``actors`` None: one for each GPU of the cluster where models run on such, else as many as its CPUs hold.
    ``tell`` gets a line where something is waited for or lost. Raises DmsbenchError where the cluster has not
    what one worker needs.
    """

    def __init__(self, ray: Any, crew: Crew, actors: int | None, tell: Callable[[str], object]) -> None:
        self.ray, self.crew, self.tell = ray, crew, tell
        found: Mapping[str, float] = ray.cluster_resources()
        on_gpus = crew.device.startswith("cuda") or (crew.device == "auto" and found.get("GPU", 0) >= 1)
        self.needs = {"num_cpus": float(crew.threads + crew.workers), "num_gpus": float(on_gpus)}
        if on_gpus and actors is None:
            actors = int(found.get("GPU", 0))
        self.actors = actors or max(1, int(found.get("CPU", 1) // self.needs["num_cpus"]))
        if on_gpus and found.get("GPU", 0) < 1:
            raise DmsbenchError(f"device '{crew.device}': no machine of the cluster offers a GPU to Ray")
        if found.get("CPU", 0) < self.needs["num_cpus"]:
            raise DmsbenchError(
                f"a worker needs {self.needs['num_cpus']:g} CPUs (--threads and --workers), the cluster has "
                f"{found.get('CPU', 0):g}"
            )
        self.lost = 0
        self._members: list[_Member] = []

    def loaded(self) -> Loaded:
        """Starts the first worker; what it has loaded speaks for all. Raises what keeps it from loading."""
        member = self._started()
        said = Waited(self.tell, self._wanted())
        while True:
            ready, _ = self.ray.wait([member.loading], timeout=GLANCE)
            if ready:
                break
            said.glance()
        try:
            found = self._checked(self.ray.get(member.loading))
        except self.ray.exceptions.RayError as error:
            raise ClusterError(f"a worker died while it loaded the models: {_line(error)}") from None
        member.loading = None
        self._members.append(member)
        return found

    def run(
        self,
        plan: Plan,
        given: list[Share],
        *,
        stop: Callable[[], bool],
        on_progress: Callable[[Progress], None],
    ) -> Tally:
        """Has all shares done, until asked to stop.

        Raises ClusterError where a share costs ``ATTEMPTS`` workers, and what a worker gives a model up for.
        """
        total, waiting = Tally(), deque(share for share in given if not share.after_clean)
        held: dict[Share, list[Share]] = {}
        for share in given:
            if share.after_clean:
                held.setdefault(share.clean, []).append(share)
        tries: Counter[Share] = Counter()
        counted: set[tuple[tuple[int, int], str, View]] = set()
        while len(self._members) < min(self.actors, len(given)):
            self._members.append(self._started())
        while waiting or any(member.share for member in self._members):
            if stop():
                total.stopped = True
                break
            for member in self._members:
                if member.loading is None and member.share is None and waiting:
                    self._hand(member, _next(waiting, member))
            busy = {
                member.loading or member.stream: member
                for member in self._members
                if member.loading is not None or member.stream is not None
            }
            if all(member.share is None for member in self._members) and not waiting:
                break  # who is loading still comes too late
            ready, _ = self.ray.wait(list(busy), timeout=GLANCE)
            for reference in ready:
                member = busy[reference]
                try:
                    done = self._hear(member, total, counted, on_progress)
                    if done is not None:
                        waiting.extendleft(reversed(held.pop(done, ())))
                except self.ray.exceptions.RayError as error:
                    self._replace(member, waiting, tries, error)
        return total

    def close(self) -> None:
        """Ends all workers."""
        for member in self._members:
            self.ray.kill(member.handle)
        self._members.clear()

    def _started(self) -> _Member:
        handle = self.ray.remote(Worker).options(**self.needs, max_restarts=0).remote(self.crew)
        return _Member(handle, loading=handle.load.remote())

    def _checked(self, found: Loaded | DmsbenchError) -> Loaded:
        if isinstance(found, DmsbenchError):
            raise found
        own = versions()
        for name, version in own.items():
            if found.versions.get(name) != version:
                raise DmsbenchError(
                    f"a worker has {name} {found.versions.get(name)}, this machine {version}: "
                    "install the same everywhere"
                )
        return found

    def _hand(self, member: _Member, share: Share) -> None:
        member.share, member.blocks = share, share.blocks
        member.stream = member.handle.work.options(num_returns="streaming").remote(share)

    def _hear(
        self,
        member: _Member,
        total: Tally,
        counted: set[tuple[tuple[int, int], str, View]],
        on_progress: Callable[[Progress], None],
    ) -> Share | None:
        """Takes what a worker has to say; returns a share that it has done.

        Raises RayError where it is lost.
        """
        if member.loading is not None:
            self._checked(self.ray.get(member.loading))
            member.loading = None
            return None
        try:
            reference = next(member.stream)
        except StopIteration:
            done, member.share, member.stream = member.share, None, None
            return done
        said: Done | DmsbenchError = self.ray.get(reference)
        if isinstance(said, DmsbenchError):
            raise said
        blocks = (0, 0) if member.share is None else member.share.blocks
        pieces = {(blocks, event.model, event.image) for event in said.events}
        # What a lost worker had finished, and the clean view before a strand, is found there by the next one,
        # and must not count twice.
        if pieces and pieces <= counted:
            return None
        counted |= pieces
        added(total, said.tally)
        for event in said.events:
            on_progress(event)
        return None

    def _replace(
        self, member: _Member, waiting: deque[Share], tries: Counter[Share], error: Exception
    ) -> None:
        self.lost += 1
        if member.share is None:
            raise ClusterError(f"a worker died while it loaded the models: {_line(error)}") from None
        tries[member.share] += 1
        if tries[member.share] >= ATTEMPTS:
            raise ClusterError(
                f"{ATTEMPTS} workers died over the same images (the last: {_line(error)}); "
                "nothing finished is lost: the same command continues"
            ) from None
        self.tell(f"a worker was lost ({_line(error)}); another one does its share")
        waiting.appendleft(member.share)
        self._members[self._members.index(member)] = self._started()

    def _wanted(self) -> str:
        needs = {"CPUs": self.needs["num_cpus"], "GPUs": self.needs["num_gpus"]}
        return " and ".join(f"{count:g} {name}" for name, count in needs.items() if count)


def _next(waiting: deque[Share], member: _Member) -> Share:
    """Takes a share of the blocks that the worker knows, else the first."""
    found = next((share for share in waiting if share.blocks == member.blocks), waiting[0])
    waiting.remove(found)
    return found


class Waited:
    """Says once what is waited for."""

    def __init__(self, tell: Callable[[str], object], wanted: str) -> None:
        self._tell, self._wanted, self._since = tell, wanted, time.monotonic()
        self._said = False

    def glance(self) -> None:
        if not self._said and time.monotonic() - self._since > WAIT:
            self._said = True
            self._tell(
                f"waiting for the cluster to start a worker and load the models: it needs {self._wanted}"
            )


def _line(error: Exception) -> str:
    """The first line of what Ray says that is not empty, without its type's long list of causes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0].rstrip(".:")
