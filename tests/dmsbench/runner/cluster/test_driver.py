"""Giving out shares: against a library of the same few functions as Ray's, in this process."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dmsbench.errors import ClusterError, DmsbenchError, ModelError
from dmsbench.grid import View
from dmsbench.runner.arms import Progress, Tally
from dmsbench.runner.batch_size import BatchSize
from dmsbench.runner.cluster import driver
from dmsbench.runner.cluster.driver import Cluster, connected
from dmsbench.runner.cluster.shares import Crew, Done, Loaded, Share, added, shares
from dmsbench.runner.cluster.worker import versions
from dmsbench.runner.job import prepare
from dmsbench.runner.plan import Plan
from dmsbench.suite import load_suite


class LostError(Exception):
    """What a library raises for a process that is gone."""


class Library:
    """Does at once what it is asked for; ``said`` is what each share's worker says, by the share's block."""

    exceptions = SimpleNamespace(RayError=LostError)

    def __init__(self, said: Callable[[Share], Iterator[Any]], loaded: Any, cpus: float = 4) -> None:
        self.said, self.loaded, self.cpus = said, loaded, cpus
        self.started = self.ended = 0

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cpus}

    def remote(self, _kind: type) -> Any:
        def begun(_crew: Crew) -> Any:
            self.started += 1
            work = SimpleNamespace(
                options=lambda num_returns: SimpleNamespace(remote=lambda share: self.said(share))
            )
            return SimpleNamespace(load=SimpleNamespace(remote=lambda: ("loaded", self.started)), work=work)

        return SimpleNamespace(options=lambda **_needs: SimpleNamespace(remote=begun))

    def wait(self, references: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return references[:1], references[1:]

    def get(self, reference: Any) -> Any:
        found = self.loaded if isinstance(reference, tuple) else reference
        if isinstance(found, LostError):
            raise found
        return found

    def kill(self, _handle: Any) -> None:
        self.ended += 1


@pytest.fixture
def crew() -> Crew:
    return Crew(load_suite("smoke"), Path("out"), Path.cwd(), "cpu", None, 1, 0, None, False, False)


LOADED = Loaded({"baseline": {}}, "cpu", BatchSize(64, "given"), {}, versions(), "f")
PLAN = Plan((), ())
GIVEN = [Share((0, 1), (0, 2)), Share((1, 2), (0, 2))]


def piece(share: Share, image: str, *, errors: int = 0) -> Done:
    view = View() if image == "clean" else View(image, 1)
    event = Progress("baseline", view, 10, errors, reused=False)
    tally = Tally(rows={"baseline": 10}, errors={"baseline": errors}, seconds={"baseline": 1.0})
    return Done((event,), tally)


def party(library: Library, crew: Crew, actors: int | None = 2) -> tuple[Cluster, list[str]]:
    told: list[str] = []
    cluster = Cluster(library, crew, actors, told.append)
    cluster.loaded()
    return cluster, told


def run(cluster: Cluster, stop: Callable[[], bool] = lambda: False) -> tuple[Tally, list[Progress]]:
    events: list[Progress] = []
    return cluster.run(PLAN, list(GIVEN), stop=stop, on_progress=events.append), events


def test_all_shares_are_counted_once(crew: Crew) -> None:
    library = Library(lambda share: iter([piece(share, "a"), piece(share, "b", errors=2)]), LOADED)
    cluster, told = party(library, crew)
    tally, events = run(cluster)
    assert tally.rows == {"baseline": 40} and tally.errors == {"baseline": 4} and not tally.stopped
    assert len(events) == 4 and told == [] and library.started == 2
    cluster.close()
    assert library.ended == 2


def test_what_a_lost_worker_had_finished_counts_once(crew: Crew) -> None:
    tries = {0: 0, 1: 0}

    def said(share: Share) -> Iterator[Any]:
        block = share.blocks[0]
        tries[block] += 1
        yield piece(share, "a")
        if block == 0 and tries[0] == 1:
            yield LostError("The actor died unexpectedly.\nMore of it.")
        yield piece(share, "b")

    library = Library(said, LOADED)
    cluster, told = party(library, crew)
    tally, events = run(cluster)
    assert tally.rows == {"baseline": 40} and len(events) == 4 and tries == {0: 2, 1: 1}
    assert told == ["a worker was lost (The actor died unexpectedly); another one does its share"]
    assert library.started == 3 and cluster.lost == 1


def test_a_share_that_costs_worker_after_worker_ends_the_run(crew: Crew) -> None:
    def said(share: Share) -> Iterator[Any]:
        if share.blocks[0] == 1:
            yield LostError("killed")
        yield piece(share, "a")

    cluster, told = party(Library(said, LOADED), crew)
    with pytest.raises(ClusterError, match="3 workers died over the same images"):
        run(cluster)
    assert len(told) == 2


def test_strands_wait_for_their_block_s_clean_view_and_stay_with_who_knows_it(crew: Crew) -> None:
    order: list[tuple[int, tuple[int, int]]] = []

    def said(share: Share) -> Iterator[Any]:
        order.append((share.blocks[0], share.images))
        if share.after_clean:
            yield piece(share, "clean")  # found there; counted with the clean share already
        yield piece(share, "clean" if share.images == (0, 1) else f"view{share.images[0]}")

    given = [
        Share((block, block + 1), images, after_clean=images[0] > 0)
        for block in (0, 1)
        for images in ((0, 1), (1, 4), (4, 6))
    ]
    cluster, _ = party(Library(said, LOADED), crew, actors=1)
    events: list[Progress] = []
    tally = cluster.run(PLAN, given, stop=lambda: False, on_progress=events.append)
    assert order == [(0, (0, 1)), (0, (1, 4)), (0, (4, 6)), (1, (0, 1)), (1, (1, 4)), (1, (4, 6))]
    assert tally.rows == {"baseline": 60} and len(events) == 6


def test_what_a_model_is_given_up_for_ends_the_run(crew: Crew) -> None:
    error = ModelError("the model hangs")
    cluster, _ = party(Library(lambda share: iter([piece(share, "a"), error]), LOADED), crew)
    with pytest.raises(ModelError, match="the model hangs"):
        run(cluster)


def test_a_stop_leaves_the_rest(crew: Crew) -> None:
    asked = iter([False, False, True])
    cluster, _ = party(Library(lambda share: iter([piece(share, "a"), piece(share, "b")]), LOADED), crew)
    tally, _ = run(cluster, lambda: next(asked))
    assert tally.stopped and tally.rows.get("baseline", 0) < 40


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (ModelError("cannot load 'x'"), "cannot load 'x'"),
        (replace(LOADED, versions={**versions(), "torch": "1.0"}), "a worker has torch 1.0, this machine"),
        (LostError("out of memory"), "a worker died while it loaded the models: out of memory"),
    ],
)
def test_a_worker_that_cannot_begin_is_one_line(crew: Crew, loaded: Any, message: str) -> None:
    with pytest.raises(DmsbenchError, match=message):
        party(Library(lambda _share: iter(()), loaded), crew)


def test_workers_take_what_the_cluster_has(crew: Crew) -> None:
    library = Library(lambda _share: iter(()), LOADED, cpus=7)
    assert Cluster(library, replace(crew, threads=2, workers=1), None, print).actors == 2
    with pytest.raises(DmsbenchError, match="a worker needs 8 CPUs"):
        Cluster(library, replace(crew, threads=8), None, print)
    with pytest.raises(DmsbenchError, match="offers a GPU"):
        Cluster(library, replace(crew, device="cuda"), None, print)


def test_shares_are_blocks_or_image_views(suite_file: Path, tmp_path: Path) -> None:
    plan = prepare(load_suite(str(suite_file)), tmp_path).plan
    clean, *others = shares(plan, by_view=False)
    assert clean.of(plan).images == plan.images[:1] and not clean.after_clean
    assert all(share.after_clean and share.clean == clean for share in others)
    assert all(len({plan.image.corruption for plan in share.of(plan).images}) == 1 for share in others)
    assert sum((share.of(plan).images for share in (clean, *others)), ()) == plan.images
    assert others[0].of(plan, with_clean=True).images == plan.images[:1] + others[0].of(plan).images
    views = shares(plan, by_view=True)
    assert [share.of(plan).images for share in views] == [(image,) for image in plan.images]
    assert all(share.of(plan).blocks == plan.blocks for share in views)


def test_counts_add_up_and_the_smallest_batch_that_fitted_stays() -> None:
    total = Tally(rows={"a": 1}, rows_at_once={"a": 8}, damaged=["x"])
    total.reasons["bad"] = 1
    more = Tally(rows={"a": 2, "b": 3}, rows_at_once={"a": 4}, damaged=["y"], seconds={"b": 0.5})
    more.reasons["bad"] = 2
    added(total, more)
    added(total, Tally(rows_at_once={"a": 16}))
    assert total.rows == {"a": 3, "b": 3} and total.rows_at_once == {"a": 4} and total.seconds == {"b": 0.5}
    assert total.damaged == ["x", "y"] and total.reasons == {"bad": 3}


def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(DmsbenchError, match=f"no Ray cluster at '{address}'"), connected(address):
            pass


def test_without_ray_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(DmsbenchError, match=r"pip install 'dmsbench\[ray\]'"), connected(None):
        pass
    assert driver.ATTEMPTS == 3
