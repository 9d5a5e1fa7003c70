"""Rows left out: recorded as such, at no cost, and no part is mistaken for one with other rows left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from echo_model import EchoModel

import corruptions
from dmsbench.errors import NotComparableError
from dmsbench.runner.engine import Arm, LocalEngine, Tally
from dmsbench.runner.rows import row_builder
from dmsbench.runner.run import Job, key_maker, prepare
from dmsbench.runner.store import frame
from dmsbench.runner.views import Views
from dmsbench.scores import compare, scorecard
from dmsbench.suite import load_suite
from dmsbench.tasks.scorers import scorer

GRID = """name: little
dataset: {name: local, path: questions.jsonl}
severities: [2, 5]
grid:
  image: [hue_shift, contrast]
  modality: [mismatch]
  joint: [{image: contrast, text: word_swap}]
"""
ABOUT = {"what color is the shape?": ["colour"], "is there a circle?": ["wording", "position"]}


@pytest.fixture
def declared(data: Path) -> Path:
    """The data with topics: a question of colour, one of wording, and one undeclared a picture."""
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    rows = [row | ({"about": ABOUT[row["question"]]} if row["question"] in ABOUT else {}) for row in rows]
    rows.append({"id": "broken", "image": "0.png", "about": ["colour"], "answers": ["red"]})
    data.write_text("\n".join(map(json.dumps, rows)))
    return data


def ready(folder: Path, **changes: Any) -> Job:
    (folder / "little.yaml").write_text(GRID)
    return prepare(load_suite(str(folder / "little.yaml")).changed(**changes), folder / "results")


def answered(job: Job, model: EchoModel) -> Tally:
    arm = Arm(model.name, model, key_maker(job, model.name, model.settings()))
    build, views = row_builder(scorer("exact_match")), Views(job.suite.seed, job.dataset)
    return LocalEngine(job.folder, views, [arm], batch_size=16, build=build, truth=job.truth).run(job.plan)


def records(job: Job) -> pd.DataFrame:
    key_of = key_maker(job, "echo", EchoModel().settings())
    keys = [key_of(block, plan) for block in job.plan.blocks for plan in job.plan.images]
    return frame([job.folder.read_part("echo", key) for key in keys])


def test_left_out_is_neither_an_error_nor_missing_nor_computed(
    declared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    real = corruptions.image_view
    monkeypatch.setattr(corruptions, "image_view", lambda *a, **k: computed.append(a[1]) or real(*a, **k))
    job = ready(declared.parent)
    # Of 36 sound questions 12 are about colour and 12 about wording; the faulty one is an error throughout.
    assert job.truth_lines == [
        "left out: hue_shift 12 of 37 samples (colour)",
        "left out: mismatch 36 of 37 samples (everything)",
        "left out: contrast+word_swap 12 of 37 samples (wording)",
    ]
    tally = answered(job, EchoModel())
    found = records(job)
    lost = found[found["status"] == "left_out"]
    assert len(found) == tally.rows["echo"] == 37 * 9
    assert len(lost) == tally.left_out["echo"] == 2 * (12 + 36 + 12)
    assert tally.errors["echo"] == (found["status"] == "data_error").sum() == 9
    assert tally.error_rate("echo") == 9 / (37 * 9 - 120)
    assert "hue_shift makes colour false" not in tally.reasons
    hue = lost[lost["image_corruption"] == "hue_shift"]
    assert set(hue["question"]) == {"what color is the shape?"}
    assert set(hue["error"]) == {"hue_shift makes colour false"}
    assert lost[["score", "prediction", "confidence"]].isna().all(axis=None)
    assert (lost["image_hash"] == "").all()
    card = scorecard(found, replicates=20)
    assert (card.n_missing, card.n_left_out, card.n_errors) == (0, 120, 9)
    again = answered(job, EchoModel())
    assert (again.left_out, again.errors, again.answered) == (tally.left_out, tally.errors, {})
    # hue_shift and contrast at two severities, contrast once more for the joint one, 12 pictures each.
    assert sorted(set(computed)) == ["contrast", "hue_shift"]


def test_nothing_is_computed_of_a_picture_that_nobody_is_asked_about(
    declared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [json.loads(line) for line in declared.read_text().splitlines()]
    declared.write_text(
        "\n".join(json.dumps(row) for row in rows if row.get("about") == ["colour"] and "question" in row)
    )
    monkeypatch.setattr(corruptions, "image_view", lambda *_a, **_k: pytest.fail("a picture was corrupted"))
    job = ready(declared.parent, only=["hue_shift"])
    tally = answered(job, EchoModel())
    assert (tally.rows["echo"], tally.left_out["echo"], tally.errors["echo"]) == (36, 24, 0)
    card = scorecard(records(job), replicates=20)
    assert [str(c) for c in card.left_out] == ["hue_shift@2", "hue_shift@5"]


def test_what_is_included_is_asked_in_a_run_of_its_own(declared: Path) -> None:
    one, other = ready(declared.parent), ready(declared.parent, include_false=["hue_shift"])
    assert one.folder.path != other.folder.path
    assert other.included_though_false == ("hue_shift",)
    key_one, key_other = (key_maker(job, "echo", {}) for job in (one, other))
    (block,) = one.plan.blocks
    same = [key_one(block, plan) == key_other(block, plan) for plan in one.plan.images]
    views = [plan.image.corruption for plan in one.plan.images]
    assert same == [name != "hue_shift" for name in views]
    answered(one, EchoModel())
    answered(other, EchoModel())
    found = records(other)
    asked = found[found["image_corruption"] == "hue_shift"]
    assert set(asked["status"]) == {"ok", "data_error"}
    assert compare(records(one), records(one), replicates=20).n_left_out == 120
    with pytest.raises(
        NotComparableError, match=r"A leaves out 24 records that B holds, sample 'q0-1' under"
    ):
        compare(records(one), found, replicates=20)


def test_another_declaration_is_another_part(declared: Path) -> None:
    keys = set()
    for about in ("colour", "position"):
        declared.write_text(declared.read_text().replace('"about": ["colour"]', f'"about": ["{about}"]'))
        job = ready(declared.parent)
        keys.add(key_maker(job, "echo", {})(job.plan.blocks[0], job.plan.images[1]))
    assert len(keys) == 2
