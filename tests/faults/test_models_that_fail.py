"""Models that raise, answer NaN, run out of memory or never come back: each costs what it was asked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from faulty_run import PICTURES, QUESTIONS, WordModel, parts, ready, run, write_suite

from dmsbench.errors import HangingModelError
from dmsbench.models.base import Image, Prompt
from dmsbench.runner.conduct import Conduct
from dmsbench.runner.patience import Patience
from dmsbench.runner.run import Job
from dmsbench.runner.stopping import Stop

BAD = QUESTIONS[1]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return ready(write_suite(tmp_path), tmp_path / "out")


def is_bad(prompts: Sequence[Prompt]) -> bool:
    return any(prompt.question == BAD and prompt.has_text for prompt in prompts)


def raises(prompts: Sequence[Prompt]) -> None:
    if is_bad(prompts):
        raise RuntimeError("device-side assert\nand more of it")


def hangs(prompts: Sequence[Prompt]) -> None:
    if is_bad(prompts):
        threading.Event().wait(3600)


def check_costs_itself(job: Job, model: WordModel, conduct: Conduct, reason: str) -> None:
    """The bad question's rows are errors that say why; every other record is as of a sound model."""
    tally, manifest = run(job, model, conduct=conduct)
    found = job.folder.records("word")
    bad = found["question"] == BAD
    assert (found["status"][bad] == "model_error").all()
    assert (found["status"][~bad] == "ok").all()
    assert set(found["error"][bad]) == {reason}
    assert found["score"][bad].isna().all()
    assert tally.errors["word"] == bad.sum() == manifest["models"]["word"]["errors"]
    sound = replace(job, folder=replace(job.folder, path=job.folder.path.with_name("sound")))
    run(sound, WordModel())
    expected = sound.folder.records("word")
    assert found[~bad].astype(str).equals(expected[~bad].astype(str))


def test_one_that_raises(job: Job) -> None:
    model = WordModel(before=raises)
    check_costs_itself(job, model, Conduct(), "RuntimeError: device-side assert")


def test_one_that_hangs(job: Job) -> None:
    conduct = Conduct(Patience(0.02))
    check_costs_itself(job, WordModel(before=hangs), conduct, "no answer within 0.02 s (--time-limit)")


def test_one_that_answers_nan(job: Job) -> None:
    tally, _ = run(job, WordModel(confidence=float("nan")))
    found = job.folder.records("word")
    assert (found["status"] == "model_error").all() and found["score"].isna().all()
    assert set(found["error"]) == {"the model's scores are not finite"}
    assert tally.error_rate("word") == 1.0


def test_one_that_always_hangs_ends_the_run_which_continues(job: Job, tmp_path: Path) -> None:
    def always(_prompts: Sequence[Prompt]) -> None:
        threading.Event().wait(3600)

    began = time.monotonic()
    with pytest.raises(
        HangingModelError, match=r"model 'word' took more than 0.02 s 20 times in a row.*contin"
    ):
        run(job, WordModel(before=always), conduct=Conduct(Patience(0.02)))
    assert time.monotonic() - began < 60
    run(job)
    other = replace(job, folder=replace(job.folder, path=tmp_path / "other"))
    run(other)
    assert parts(job.folder.path) == parts(other.folder.path)


def test_one_that_cannot_be_broken_off_ends_the_process(tmp_path: Path) -> None:
    # A lock that foreign code waits for twice: no signal reaches the interpreter any more.
    script = """
import ctypes, sys
from pathlib import Path
from faulty_run import WordModel, ready, run, write_suite
from dmsbench.runner.conduct import Conduct
from dmsbench.runner.patience import Patience
lock, libc = ctypes.create_string_buffer(256), ctypes.CDLL(None)
def deadlock(prompts):
    libc.pthread_mutex_lock(lock), libc.pthread_mutex_lock(lock)
folder = Path(sys.argv[1])
job = ready(write_suite(folder), folder / "out")
run(job, WordModel("sound", "sound"))
run(job, WordModel(before=deadlock), conduct=Conduct(Patience(0.05)))
"""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), *filter(None, sys.path)])
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert ended.returncode == 3, ended.stderr
    assert "model 'word' has not come back for more than 10.1 s" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    job = ready(tmp_path / "faulty.yaml", tmp_path / "out")
    assert job.folder.lacks("sound") is None
    run(job)
    assert job.folder.lacks("word") is None


@pytest.mark.parametrize("fits", [1, 5])
def test_one_that_runs_out_of_memory_gets_smaller_batches(job: Job, tmp_path: Path, fits: int) -> None:
    sizes = []

    def short_of_memory(prompts: Sequence[Prompt]) -> None:
        sizes.append(len(prompts))
        if len(prompts) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    tally, manifest = run(job, WordModel(before=short_of_memory), batch_size=16)
    used = tally.rows_at_once["word"]
    assert 1 <= used <= fits
    assert manifest["models"]["word"]["timing"]["batch_size"] == used
    # Learnt once, not at every batch.
    assert sum(size > fits for size in sizes) <= 4
    assert tally.errors["word"] == 0
    other = replace(job, folder=replace(job.folder, path=tmp_path / "other"))
    run(other, batch_size=used)
    assert parts(job.folder.path) == parts(other.folder.path)


def test_pictures_are_halved_too_where_memory_is_short(job: Job, tmp_path: Path) -> None:
    sizes = []

    class Narrow(WordModel):
        def encode(self, images: Sequence[Image]) -> list[str]:
            sizes.append(len(images))
            if len(images) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
            return super().encode(images)

    tally, _ = run(job, Narrow(), batch_size=16)
    assert max(sizes) == 3 and tally.errors["word"] == 0
    # Learnt once, not at every view.
    assert sum(size > 1 for size in sizes) <= 2
    other = replace(job, folder=replace(job.folder, path=tmp_path / "other"))
    run(other)
    assert parts(job.folder.path) == parts(other.folder.path)


def test_what_a_failed_batch_held_is_free_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    emptied = []

    def too_much() -> None:
        activations = torch.zeros(1000)
        held.append(weakref.ref(activations))
        try:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        except torch.OutOfMemoryError as error:
            raise RuntimeError(f"while answering: {error}") from error

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(held[-1]() is None))
    for _ in range(3):
        _, trouble = Patience().tried(too_much)
        assert trouble is not None and trouble.memory
    # Emptied too early the cache would still belong to the traceback.
    assert emptied == [True, True, True]


def test_rows_that_failed_are_kept_unless_asked_again(job: Job, tmp_path: Path) -> None:
    run(job, WordModel(before=raises))
    tally, _ = run(job)
    assert tally.answered.get("word", 0) == 0 and tally.errors["word"] > 0
    asked: list[Prompt] = []
    tally, _ = run(job, WordModel(before=asked.extend), conduct=Conduct(retry_errors=True))
    # Only what failed, each content once; an absent question is any question's.
    assert {prompt.question for prompt in asked if prompt.has_text and prompt.question in QUESTIONS} == {BAD}
    assert tally.errors["word"] == 0
    other = replace(job, folder=replace(job.folder, path=tmp_path / "other"))
    run(other)
    expected = other.folder.records("word").astype(str)
    assert job.folder.records("word").astype(str).equals(expected)


def test_a_stopped_run_is_stopped_and_says_so(job: Job) -> None:
    stop = Stop()

    def after_a_while(prompts: Sequence[Prompt]) -> None:
        stop.asked = True

    tally, manifest = run(job, WordModel(before=after_a_while), conduct=Conduct(stop=stop))
    assert tally.stopped
    assert manifest["models"]["word"]["status"] == "stopped"
    assert 0 < tally.rows["word"] < PICTURES * len(QUESTIONS) * job.plan.conditions
    assert job.folder.lacks("word") == "what its run has yet to do"
