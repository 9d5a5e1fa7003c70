"""What identifies records must not move: those scored by exact match stay valid."""

from __future__ import annotations

from pathlib import Path

import pytest

import dmsbench.runner.scoring
from dmsbench.data.base import Dataset, Sample
from dmsbench.runner.job import Job, key_maker, prepare
from dmsbench.runner.plan import Block
from dmsbench.suite import Suite
from dmsbench.tasks.scorers import names

#: Computed before suites could name another score. A change here loses every record there is.
FINGERPRINT = "af1c3320a25113eea22cdb6f"
KEY = "f64c986bc38148647949dfff"


def prepared(monkeypatch: pytest.MonkeyPatch, **changes: object) -> Job:
    """A suite of clean and dropped modalities on a data set that is nothing but names."""
    samples = tuple(
        Sample(f"q{i}", f"p{i // 2}", Path(f"p{i // 2}.png"), "what is it?", ("circle",)) for i in range(4)
    )
    data = Dataset("local", "all", samples, "f" * 32, "CC0")
    monkeypatch.setattr(dmsbench.runner.scoring, "load_dataset", lambda *_args, **_options: data)
    monkeypatch.setattr(dmsbench.runner.job, "libraries", lambda: {"torch": "2.13.0"})
    monkeypatch.setattr(dmsbench.runner.job, "_versions", lambda names: dict.fromkeys(sorted(names), 1))
    suite = {
        "name": "little",
        "dataset": {"name": "local", "path": "questions.jsonl"},
        "grid": {"modality": ["drop_image", "drop_text"]},
        "severities": [1, 3],
    }
    return prepare(Suite.model_validate(suite | changes), Path("results"))


def key(job: Job) -> str:
    block: Block = job.plan.blocks[0]
    return key_maker(job, "echo", {"family": "echo"})(block, job.plan.images[0])


def test_exact_match_is_identified_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    for changes in ({}, {"score": "exact_match"}):
        job = prepared(monkeypatch, **changes)
        assert job.fingerprint == FINGERPRINT
        assert job.folder.path == Path("results/little") / FINGERPRINT[:12]
        assert key(job) == KEY
        assert job.identity["score"] == "exact_match|norm:lower,punctuation,articles,whitespace|v1"


def test_another_score_has_records_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [prepared(monkeypatch, score=name) for name in names("vqa")]
    assert len({job.folder.path for job in jobs}) == len({key(job) for job in jobs}) == len(jobs)
    assert [job.identity["score"].split("|")[0] for job in jobs] == list(names("vqa"))
