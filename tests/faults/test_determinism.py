"""The same inputs give the same records, however the work is cut, shared out, stopped and ordered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from counted import count
from faulty_run import WordModel, parts, ready, run, stamps, write_suite

from dmsbench.runner.conduct import Conduct
from dmsbench.runner.plan import Plan, by_image, in_blocks
from dmsbench.runner.run import Job

KEYS = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]
MODELS = (WordModel(), WordModel("other", "other"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def expected(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = ready(file, tmp_path_factory.mktemp("expected"))
    run(job, *MODELS)
    return job


def rows(job: Job, model: str) -> pd.DataFrame:
    found = job.folder.records(model)
    plain = found.astype(dict.fromkeys(found.select_dtypes("category").columns, object))
    return plain.sort_values(KEYS).reset_index(drop=True)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_batch_sizes(file: Path, expected: Job, tmp_path: Path, size: int) -> None:
    job = ready(file, tmp_path)
    run(job, *MODELS, batch_size=size)
    assert parts(job.folder.path) == parts(expected.folder.path)


@pytest.mark.parametrize("workers", [1, 3])
def test_worker_counts(file: Path, expected: Job, tmp_path: Path, workers: int) -> None:
    job = ready(file, tmp_path)
    run(job, *MODELS, workers=workers)
    assert parts(job.folder.path) == parts(expected.folder.path)


def test_resume_points(file: Path, expected: Job, tmp_path: Path) -> None:
    """Stopped behind each piece in turn: every place at which a run can be continued."""
    pieces = len(expected.plan.blocks) * len(expected.plan.images)
    for point in range(1, pieces):
        done = 0

        def stop(point: int = point) -> bool:
            nonlocal done
            done += 1
            return done > point

        job = ready(file, tmp_path / str(point))
        tally, _ = run(job, *MODELS, conduct=Conduct(stop=stop))
        assert tally.stopped
        before = stamps(job.folder.path)
        assert len(before) == point * len(MODELS)
        run(job, *MODELS)
        assert before.items() <= stamps(job.folder.path).items()
        assert parts(job.folder.path) == parts(expected.folder.path)
    count("places at which a run was stopped and continued to the same bytes", pieces - 1)


@pytest.mark.parametrize("images", [1, 5, 12])
def test_blocks_of_other_sizes(file: Path, expected: Job, tmp_path: Path, images: int) -> None:
    job = ready(file, tmp_path, images)
    run(job, *MODELS)
    for model in MODELS:
        pd.testing.assert_frame_equal(rows(job, model.name), rows(expected, model.name))


def test_the_order_of_samples_conditions_and_models(file: Path, expected: Job, tmp_path: Path) -> None:
    job = ready(file, tmp_path)
    data = replace(job.dataset, samples=job.dataset.samples[::-1])
    plan = Plan(in_blocks(data.samples, 3), by_image(reversed(job.suite.conditions)))
    run(replace(job, dataset=data, plan=plan), *MODELS[::-1])
    turned: dict[str, Any] = {model.name: rows(replace(job, plan=plan), model.name) for model in MODELS}
    for model in MODELS:
        pd.testing.assert_frame_equal(turned[model.name], rows(expected, model.name))


def test_one_model_alone_and_beside_another(file: Path, expected: Job, tmp_path: Path) -> None:
    job = ready(file, tmp_path)
    run(job, MODELS[1])
    theirs = {name: content for name, content in parts(expected.folder.path).items() if "/other/" in name}
    assert theirs and parts(job.folder.path) == {
        name.replace(f"{expected.folder.path.name}/", f"{job.folder.path.name}/"): content
        for name, content in theirs.items()
    }


def test_a_limit_keeps_the_records_of_the_samples_it_keeps(file: Path, expected: Job, tmp_path: Path) -> None:
    job = ready(file, tmp_path, limit=10)
    run(job, *MODELS)
    some, all_ = rows(job, "word"), rows(expected, "word")
    kept = all_[all_["sample_id"].isin(some["sample_id"])].reset_index(drop=True)
    assert 0 < len(some) < len(all_)
    pd.testing.assert_frame_equal(some, kept)
