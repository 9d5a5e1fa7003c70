"""Retrieval from suite to records without a model: what is planned, shown, scored, and scored anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmsbench.errors import DataError
from dmsbench.grid import CLEAN, View
from dmsbench.models.spec import parse
from dmsbench.report.build import build_report
from dmsbench.runner.job import Job, key_maker, prepare
from dmsbench.runner.manifest import merged, model_entry, parts_of
from dmsbench.runner.records import LEFT_OUT, scored
from dmsbench.runner.rescore import rescore
from dmsbench.runner.rows import Outcome, row_builder
from dmsbench.runner.views import ABSENT_HASH, NOT_SHOWN, Views
from dmsbench.scores import compare
from dmsbench.suite import Suite
from dmsbench.tasks.scorers import scorer

BASE: dict[str, Any] = {
    "name": "search",
    "task": "retrieval",
    "dataset": {"name": "scenes", "level": 2, "count": 12},
    "severities": [1, 5],
    "grid": {"image": ["gaussian_noise", "hue_shift"], "text": ["keyboard"], "modality": ["mismatch_text"]},
}


def ready(out: Path, **changes: Any) -> Job:
    return prepare(Suite.model_validate(BASE | changes), out)


def asked(job: Job) -> list[str]:
    return [str(sample.direction) for block in job.plan.blocks for sample in block.samples]


def test_only_directions_that_are_asked_and_then_the_limit(tmp_path: Path) -> None:
    both = ready(tmp_path, limit=6)
    assert asked(both) == ["image_to_text", "text_to_image"] * 3
    one = ready(tmp_path, limit=6, retrieval={"image_to_text": None})
    assert asked(one) == ["text_to_image"] * 6
    assert len(one.dataset.samples) == 24, "the gallery is the whole split"
    path = tmp_path / "mine.jsonl"
    path.write_text('{"image": "x.png", "caption": ""}\n')
    data = {"dataset": {"name": "local", "path": path}, "retrieval": {"text_to_image": None}}
    with pytest.raises(DataError, match="has no samples for image_to_text"):
        ready(tmp_path, **data)


def test_what_is_corrupted_identifies_records(tmp_path: Path) -> None:
    jobs = [ready(tmp_path), ready(tmp_path, retrieval={"text_to_image": "both"})]
    keys = {key_maker(job, "m", {})(job.plan.blocks[0], job.plan.images[0]) for job in jobs}
    assert len(keys) == len({job.fingerprint for job in jobs}) == 2
    assert jobs[0].identity["retrieval"] == {"image_to_text": "query", "text_to_image": "gallery"}
    plain = Suite.model_validate({"name": "s", "dataset": {"name": "scenes", "count": 4}, "grid": {}})
    assert "retrieval" not in prepare(plain, tmp_path).identity


def test_titles_are_exchanged_for_titles_and_captions_for_captions(tmp_path: Path) -> None:
    rows = [
        {"id": "bad", "image": "0.png", "captions": []},
        *({"id": f"c{i}", "image": f"{i}.png", "caption": f"caption {i}"} for i in range(6)),
    ]
    titled = [row | ({"title": f"title {row['id']}"} if i in (1, 2, 4) else {}) for i, row in enumerate(rows)]
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in titled))
    job = ready(tmp_path, dataset={"name": "local", "path": path})
    views, everyone = Views(0, job.dataset), View("mismatch_text", 5)
    titles, captions = {}, {}
    for sample in job.dataset.samples:
        shown = views.text(sample, everyone)
        if sample.fault is not None:
            continue
        if sample.direction == "text_to_image":
            captions[sample.question] = shown.question
        elif sample.context is None:
            for view in (CLEAN, everyone, View("keyboard", 5), View("drop_text", 5)):
                untitled = views.text(sample, view)
                assert (untitled.present, untitled.changed, untitled.hash) == (False, False, ABSENT_HASH)
        else:
            titles[sample.context] = shown.context
    for exchanged, count in ((titles, 3), (captions, 6)):
        assert set(exchanged) == set(exchanged.values()) and len(exchanged) == count
        assert all(mine != other for mine, other in exchanged.items())


def records(job: Job, seed: int, model: str) -> dict[str, Any]:
    """Parts of random ranks of this model, and the manifest."""
    rng = np.random.default_rng(seed)
    views = Views(job.suite.seed, job.dataset)
    # b is a with a scheduler.
    own: dict[str, Any] = {"family": "x"} | ({"fusion": {"scheduler": "rule"}} if model == "b" else {})
    build, key_of = row_builder(job.score), key_maker(job, model, own)
    entry = model_entry(parse(f"{model}=tiny-llava-scenes,fusion=static"), own)
    entry |= {"status": "complete", "parts": parts_of(job.plan, key_of)}
    for block in job.plan.blocks:
        for plan in job.plan.images:
            cells = []
            for sample in block.samples:
                for text in plan.texts:
                    reason = job.truth.reason(sample, plan.image, text)
                    outcome = Outcome(
                        "ok",
                        prediction="x",
                        confidence=0.5,
                        rank=int(rng.integers(1, 13)),
                        weights=(0.5, 0.5),
                    )
                    if reason is not None:
                        outcome = Outcome.failed(LEFT_OUT, reason)
                    cells.append((sample, text, NOT_SHOWN, views.text(sample, text), outcome))
            job.folder.write_part(model, key_of(block, plan), build(model, plan.image, cells))
    manifest = merged(job, {model: entry})
    job.folder.write_manifest(manifest)
    return manifest


def test_records_are_reported_compared_and_scored_anew(tmp_path: Path) -> None:
    job = ready(tmp_path, retrieval={"image_to_text": "both"}, protect=[])
    assert job.truth_lines == [
        "left out: hue_shift 24 of 24 samples (colour); in no mean",
        "left out: keyboard 12 of 24 samples (colour, position, count, size)",
        "left out: mismatch_text 24 of 24 samples (everything); in no mean",
        "set for keyboard: protect nothing",
    ]
    records(job, 0, "a")
    manifest = records(job, 1, "b")
    assert manifest["searches"] == [[12, 1, 24]]
    assert manifest["chance"] == {
        "value": pytest.approx(1 / 12),
        "definition": "a random order of the gallery",
    }
    report = build_report(job.folder, manifest)
    written = json.loads((job.folder.path / "leaderboard.json").read_text())
    assert [entry["model"] for entry in written["retrieval"]] == [
        row.model for row in report.leaderboard.rows
    ]
    (first, *_) = (entry for entry in written["retrieval"] if entry["model"] == "a")
    frame = job.folder.records("a")
    clean = frame[(frame["image_corruption"] == "clean") & (frame["text_corruption"] == "clean")]
    by_direction = clean.groupby("direction", observed=True)["rank"]
    for one in first["directions"]:
        own = by_direction.get_group(one["direction"])
        assert one["clean"]["median_rank"] == own.median()
        for k in (1, 5, 10):
            assert one["clean"][f"recall_at_{k}"]["value"] == pytest.approx((own <= k).mean(), abs=1e-6)
    assert "## By direction" in (job.folder.path / "leaderboard.md").read_text()
    assert "answer_types" not in written
    assert [(one.model, one.static) for one in report.scheduled] == [("b", "a")]
    assert "scheduling.md" in {path.name for path in report.files}
    difference = compare(frame, job.folder.records("b"), replicates=50)
    assert difference.n_left_out > 0
    again = rescore(job.folder, "reciprocal_rank")
    new = again.folder.records("a")
    kept = new["status"] == "ok"
    np.testing.assert_allclose(new["score"][kept], 1 / new["rank"][kept], rtol=1e-6)
    assert new["score"][~kept].isna().all()
    expected = sum(1 / rank for rank in range(1, 13)) / 12
    assert again.manifest["chance"]["value"] == pytest.approx(expected)
    back = rescore(again.folder, "recall_at_5")
    assert back.manifest["chance"]["value"] == pytest.approx(5 / 12)
    assert ready(
        tmp_path, retrieval={"image_to_text": "both"}, protect=[], score="recall_at_5"
    ).folder.path == (back.folder.path)


def test_chance_counts_candidates_that_are_as_good(tmp_path: Path) -> None:
    rows = [
        {"image": "x.png", "captions": ["a cat", "a pet"]},
        {"image": "y.png", "caption": "A cat"},
        {"image": "z.png", "caption": ""},
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"dataset": {"name": "local", "path": path}, "limit": 1}
    job = ready(tmp_path, **data)
    manifest = merged(job, {})
    # 2 items with all 3 and 2 of 3 texts; 3 texts with 2, 1 and 2 of 2 items.
    assert manifest["searches"] == [[2, 1, 1], [2, 2, 2], [3, 2, 1], [3, 3, 1]]
    assert manifest["chance"]["value"] == pytest.approx((0.5 + 1 + 1 + 2 / 3 + 1) / 5)
    one = merged(ready(tmp_path, **data, retrieval={"image_to_text": None}), {})
    assert one["searches"] == [[2, 1, 1], [2, 2, 2]]


def test_a_row_without_a_rank_has_no_score() -> None:
    entry = scorer("recall_at_1", "retrieval")
    assert scored(entry, "q", "x", ["x"], 1) == 1 and scored(entry, "q", "x", ["x"], 2) == 0
    with pytest.raises(ValueError, match="sample q: recall_at_1 needs a rank"):
        scored(entry, "q", "x", ["x"])
    with pytest.raises(ValueError, match="outside"):
        scored(replace(entry, of_rank=float), "q", "x", ["x"], 2)
