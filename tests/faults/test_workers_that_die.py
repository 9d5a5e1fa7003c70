"""Worker processes that die: what they were making is made again, and a picture that kills costs itself."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counted import count
from faulty_run import WordModel, parts, ready, run, write_suite

from dmsbench.models.base import Prompt
from dmsbench.runner.run import Job


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return ready(write_suite(tmp_path), tmp_path / "out")


def elsewhere(job: Job) -> Job:
    return replace(job, folder=replace(job.folder, path=job.folder.path.with_name("elsewhere")))


def children() -> list[int]:
    """Processes that this one has started and that make pictures."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended meanwhile
            if int(status[1]) == os.getpid() and b"spawn_main" in command:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers in /proc")
def test_workers_killed_in_mid_run(job: Job) -> None:
    killed: list[int] = []
    batches = 0

    def kill_one(_prompts: Sequence[Prompt]) -> None:
        nonlocal batches
        batches += 1
        if batches % 15 == 3:
            for worker in children()[:1]:
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)

    tally, _ = run(job, WordModel(before=kill_one), workers=2)
    assert len(killed) >= 2
    assert sum(tally.errors.values()) == 0
    alone = elsewhere(job)
    run(alone)
    assert parts(job.folder.path) == parts(alone.folder.path)
    count("worker processes killed in mid-run, then the same bytes", len(killed))


@dataclass(frozen=True)
class Killer:
    """A picture that kills whoever draws it, the first time or each time; never the test's own process."""

    spared: int
    always: bool
    mark: Path

    def draw(self) -> Any:
        if os.getpid() != self.spared and (self.always or not self.mark.exists()):
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.full((40, 48, 3), 90, np.uint8)


@pytest.mark.parametrize("always", [False, True])
def test_a_picture_that_kills_whoever_makes_it(job: Job, tmp_path: Path, *, always: bool) -> None:
    killer = Killer(os.getpid(), always, tmp_path / "mark")
    first = job.dataset.samples[0].group

    def with_killer(sample: Any) -> Any:
        return replace(sample, image=killer) if sample.group == first else sample

    blocks = tuple(replace(b, samples=tuple(map(with_killer, b.samples))) for b in job.plan.blocks)
    data = replace(job.dataset, samples=tuple(map(with_killer, job.dataset.samples)))
    deadly = replace(job, dataset=data, plan=replace(job.plan, blocks=blocks))
    run(deadly, workers=2)
    found = deadly.folder.records("word")
    failed = found[found["status"] != "ok"]
    if not always:
        assert failed.empty
        return
    assert set(failed["group"]) == {first}
    assert set(failed["error"]) == {"the process that made it died"}
    assert failed["score"].isna().all()
    corrupted = found[(found["group"] == first) & found["image_corruption"].isin(["gaussian_noise", "fog"])]
    assert len(corrupted) and (corrupted["status"] == "corruption_error").all()
    assert len(failed) < len(found) / 3


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Whether it becomes true in time."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers in /proc")
def test_no_worker_outlives_a_run(job: Job) -> None:
    def fails(_prompts: Sequence[Prompt]) -> None:
        assert children()
        raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run(job, WordModel(before=fails), workers=2)
    assert within(20, lambda: not children())
    assert within(20, lambda: threading.active_count() <= threads)
