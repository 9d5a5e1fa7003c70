"""Retrieval from a user's own rows to leaderboard, comparison and another score, with a retriever that asks
for no weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from toy_retrieval import HashRetriever

from dmsbench.models.spec import parse
from dmsbench.report.build import build_report
from dmsbench.runner.arms import Arm, Tally
from dmsbench.runner.job import Job, key_maker, prepare
from dmsbench.runner.manifest import model_entry
from dmsbench.runner.rescore import rescore
from dmsbench.runner.run import execute
from dmsbench.scores import compare
from dmsbench.suite import Suite

SUITE: dict[str, Any] = {
    "name": "mine",
    "task": "retrieval",
    "severities": [3, 5],
    "grid": {
        "image": ["contrast"],
        "text": ["keyboard"],
        "modality": ["drop_image", "drop_text", "mismatch_text"],
        "joint": [{"image": "contrast", "text": "keyboard"}],
    },
    "protect": [],
    "include_false": ["mismatch_text"],
    "score": "recall_at_5",
}


def rows() -> list[dict[str, Any]]:
    """Several captions of an image, shared ones, no title, and rows that cannot be used."""
    found: list[dict[str, Any]] = [
        {"image": f"{n}.png", "captions": [f"thing {n} on the left", f"a picture of thing {n}"], "about": []}
        | ({"title": f"about thing number {n}"} if n % 3 else {})
        for n in range(9)
    ]
    return [
        *found,
        {"image": "1.png", "caption": "Thing 2 on the LEFT", "about": []},
        {"image": "1.png", "caption": "one more", "title": "another title"},
        {"image": "gone.png", "caption": "what is not there", "about": []},
        {"image": "0.png", "caption": ""},
    ]


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    for n in range(9):
        pixels = np.random.default_rng(n).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return {"name": "local", "path": path}


def ready(out: Path, data: dict[str, Any], **changes: Any) -> Job:
    return prepare(Suite.model_validate({**SUITE, "dataset": data, **changes}), out)


class Guessing(HashRetriever):
    """Another model: it sees pictures otherwise."""

    def encode_images(self, images: Any, keys: Any) -> Any:
        return super().encode_images([255 - image for image in images], keys)


def models() -> tuple[HashRetriever, ...]:
    return HashRetriever("a", "a"), Guessing("b", "b")


def run(job: Job) -> tuple[Tally, dict[str, Any]]:
    arms, entries = [], {}
    for model in models():
        key_of = key_maker(job, model.name, model.settings())
        arms.append(Arm(model.name, model, key_of))
        spec = parse(f"{model.name}=tiny-blip2-retrieval,fusion=static")
        entries[model.name] = model_entry(spec, model.settings())
    return execute(job, arms, entries, batch_size=8)


def test_from_rows_to_reports(tmp_path: Path, data: dict[str, Any]) -> None:
    job = ready(tmp_path / "out", data)
    tally, manifest = run(job)
    # 9 items and the unreadable one; 18 texts of the items, one shared, one unreadable; two faulty rows.
    assert job.plan.samples == 10 + 20 + 2
    assert tally.rows == {"a": 32 * 13, "b": 32 * 13}
    found = job.folder.records("a")
    failed = found[found["status"] == "data_error"]
    # Two queries of the unreadable image, and two rows, whatever is corrupted: never wrong answers.
    assert failed["score"].isna().all() and failed["rank"].isna().all()
    assert len(failed["sample_id"].unique()) == 4
    clean = found[(found["image_severity"] == 0) & (found["text_severity"] == 0)]
    assert (clean["status"] == "data_error").sum() == 4
    assert not clean["changed"].any()
    # What is said of two images is right for both.
    shared = clean.set_index("sample_id").loc["row-9"]
    assert list(shared["references"]) == ["1.png", "2.png"]

    report = build_report(job.folder, manifest)
    board = json.loads((job.folder.path / "leaderboard.json").read_text())
    assert [row["model"] for row in board["rows"]] == [row.model for row in report.leaderboard.rows]
    own = next(entry for entry in board["retrieval"] if entry["model"] == "a")
    ok = clean[clean["status"] == "ok"]
    for one in own["directions"]:
        mine = ok[ok["direction"] == one["direction"]]
        assert one["clean"]["recall_at_5"]["value"] == pytest.approx((mine["rank"] <= 5).mean(), abs=1e-6)
    card = next(row for row in board["rows"] if row["model"] == "a")
    assert card["clean"]["value"] == pytest.approx(ok["score"].mean(), abs=1e-6)

    other = job.folder.records("b")
    assert compare(found, found, replicates=50).overall.difference == 0
    difference = compare(found, other, replicates=50).overall.difference
    assert difference == -compare(other, found, replicates=50).overall.difference

    again = rescore(job.folder, "reciprocal_rank")
    new = again.folder.records("a")
    kept = new["status"] == "ok"
    np.testing.assert_allclose(new["score"][kept], 1 / new["rank"][kept], rtol=1e-6)
    assert new["score"][~kept].isna().all()
    # Once more asks nobody.
    assert run(job)[0].reused == tally.rows


KEYS = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]


@pytest.mark.parametrize(
    "changes",
    [
        {"limit": 1},
        {"limit": 7},
        {"retrieval": {"image_to_text": None}},
        {"retrieval": {"text_to_image": None}},
        {"severities": [5]},
        {"grid": {"modality": ["drop_text"]}, "include_false": []},
    ],
)
def test_asking_less_changes_no_record(tmp_path: Path, data: dict[str, Any], changes: dict[str, Any]) -> None:
    whole, part = ready(tmp_path / "whole", data), ready(tmp_path / "part", data, **changes)
    run(whole)
    manifest = run(part)[1]
    few, all_ = part.folder.records("a"), whole.folder.records("a")
    columns = [*KEYS, "status", "rank", "prediction", "changed", "image_hash", "text_hash", "weight_image"]
    few, all_ = (found[columns].astype(dict.fromkeys(KEYS, str)) for found in (few, all_))
    both = few.merge(all_, on=KEYS, suffixes=("", "_whole"))
    assert len(both) == len(few) > 0
    for name in columns[len(KEYS) :]:
        same = (both[name].astype(object) == both[f"{name}_whole"].astype(object)) | (
            both[name].isna() & both[f"{name}_whole"].isna()
        )
        assert same.all(), both[~same][[*KEYS, name, f"{name}_whole"]]
    build_report(part.folder, manifest)
    assert "## By direction" in (part.folder.path / "leaderboard.md").read_text()


def test_one_image_alone(tmp_path: Path, data: dict[str, Any]) -> None:
    data["path"].write_text(json.dumps(rows()[1]) + "\n")
    job = ready(tmp_path / "out", data, grid={"image": ["contrast"]}, include_false=[])
    manifest = run(job)[1]
    # Whoever answers is right: there is nothing to be above.
    assert set(job.folder.records("a")["rank"]) == {1} and manifest["chance"] is None
    build_report(job.folder, manifest)
