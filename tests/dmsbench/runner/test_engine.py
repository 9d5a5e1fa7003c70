"""The engine with a model that needs no weights: what is asked, what is kept, what goes wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from echo_model import EchoModel

import dmsbench.runner.engine
from dmsbench.data.base import Dataset
from dmsbench.grid import View
from dmsbench.runner.engine import Arm, LocalEngine, Tally
from dmsbench.runner.plan import Plan, by_image, in_blocks
from dmsbench.runner.rows import row_builder
from dmsbench.runner.run import Job, execute, key_maker, prepare
from dmsbench.runner.store import frame
from dmsbench.runner.views import Views
from dmsbench.suite import Suite, load_suite
from dmsbench.tasks.scorers import scorer


def arms(job: Job, *models: EchoModel) -> list[Arm]:
    return [Arm(model.name, model, key_maker(job, model.name, model.settings())) for model in models]


def engine(job: Job, *models: EchoModel, batch_size: int = 16) -> LocalEngine:
    views = Views(job.suite.seed, job.dataset, job.suite.profile)
    return LocalEngine(
        job.folder,
        views,
        arms(job, *models),
        batch_size=batch_size,
        build=row_builder(scorer("exact_match")),
        truth=job.truth,
    )


def run(job: Job, *models: EchoModel, batch_size: int = 16) -> Tally:
    return engine(job, *models, batch_size=batch_size).run(job.plan)


def records(job: Job, name: str = "echo", model: EchoModel | None = None) -> pd.DataFrame:
    key_of = key_maker(job, name, (model or EchoModel(name=name)).settings())
    return frame(
        [
            job.folder.read_part(name, key_of(block, plan))
            for block in job.plan.blocks
            for plan in job.plan.images
        ]
    )


KEYS = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]


def comparable(found: pd.DataFrame) -> pd.DataFrame:
    plain = found.astype(dict.fromkeys(found.select_dtypes("category").columns, object))
    return plain.sort_values(KEYS).reset_index(drop=True)


@pytest.fixture
def job(suite_file: Path, tmp_path: Path) -> Job:
    return prepare(load_suite(str(suite_file)), tmp_path / "results")


def test_every_condition_of_every_sample_once(job: Job) -> None:
    tally = run(job, EchoModel())
    found = records(job)
    assert len(found) == tally.rows["echo"] == 36 * len(job.suite.conditions) == 36 * 22
    assert not found.duplicated(KEYS).any()
    assert (found["status"] == "ok").all()
    assert found["score"].between(0, 1).all()


def test_equal_content_is_asked_once_and_each_image_view_encoded_once(job: Job) -> None:
    model = EchoModel()
    run(job, model, batch_size=1000)
    contents = [(shown, p.question, p.has_image, p.has_text) for shown, p in model.asked if p.has_image]
    assert len(contents) == len(set(contents))
    # 12 pictures: clean, and two corruptions at three severities; a mismatch shows a picture known
    # already, but its question may be new behind it, so that its prefix is needed again.
    assert 12 * 7 <= model.encoded <= 12 * 7 + 3 * 12 + 1


def test_two_models_of_one_checkpoint_share_the_encoding(job: Job) -> None:
    first, second = EchoModel(name="one"), EchoModel(name="two")
    run(job, first, second)
    assert first.encoded > 0
    assert second.encoded == 0
    alone = EchoModel(name="two", state_key="other")
    run(prepare(job.suite, job.folder.path.parent.parent.parent / "elsewhere"), alone)
    assert len(alone.asked) == len(second.asked)


def test_batch_size_and_order_decide_nothing(job: Job, tmp_path: Path) -> None:
    run(job, EchoModel(), batch_size=64)
    expected = comparable(records(job))
    single = prepare(job.suite, tmp_path / "single")
    run(single, EchoModel(), batch_size=1)
    pd.testing.assert_frame_equal(comparable(records(single)), expected)
    backwards: Dataset = replace(job.dataset, samples=job.dataset.samples[::-1])
    turned = replace(
        job,
        dataset=backwards,
        plan=Plan(in_blocks(backwards.samples, 5), by_image(reversed(job.suite.conditions))),
        folder=replace(job.folder, path=tmp_path / "backwards"),
    )
    run(turned, EchoModel(), batch_size=7)
    pd.testing.assert_frame_equal(comparable(records(turned)), expected)


def test_a_limit_keeps_the_views_of_the_samples_it_keeps(job: Job, tmp_path: Path) -> None:
    run(job, EchoModel())
    few = prepare(job.suite.changed(limit=9), tmp_path / "few")
    run(few, EchoModel())
    small, large = comparable(records(few)), comparable(records(job))
    assert len(small) == 9 * 22
    kept = large[large["sample_id"].isin(small["sample_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(small, kept)


def test_modality_corruptions_hit_more_and_more_samples(job: Job) -> None:
    run(job, EchoModel())
    found = records(job)
    for column, name in (
        ("image_corruption", "drop_image"),
        ("image_corruption", "mismatch"),
        ("text_corruption", "drop_text"),
    ):
        severity = column.replace("corruption", "severity")
        hit = [
            set(rows.loc[rows["changed"], "sample_id"])
            for _, rows in found[found[column] == name].groupby(severity)
        ]
        assert hit[0] <= hit[1] <= hit[2]
        assert len(hit[2]) == 36
    clean = found[found["image_severity"].eq(0) & found["text_severity"].eq(0)].set_index("sample_id")[
        "prediction"
    ]
    spared = found[~found["changed"]]
    assert (spared["prediction"].to_numpy() == clean.loc[spared["sample_id"]].to_numpy()).all()
    assert len(spared) > 36


def test_a_stopped_run_continues_and_computes_nothing_twice(job: Job, tmp_path: Path) -> None:
    stopped = EchoModel(stop_after=25)
    with pytest.raises(KeyboardInterrupt):
        run(job, stopped)
    parts = set(job.folder.path.rglob("*.parquet"))
    assert parts
    times = {path: path.stat().st_mtime_ns for path in parts}
    tally = run(job, EchoModel())
    assert {path: path.stat().st_mtime_ns for path in parts} == times
    assert 0 < tally.reused["echo"] < tally.rows["echo"] == 36 * 22
    whole = prepare(job.suite, tmp_path / "whole")
    run(whole, EchoModel())
    pd.testing.assert_frame_equal(comparable(records(job)), comparable(records(whole)))
    again = run(job, EchoModel(stop_after=0))
    assert again.reused["echo"] == 36 * 22


@pytest.mark.parametrize("damage", ["truncate", "flip", "foreign"])
def test_a_damaged_part_is_computed_again(job: Job, damage: str) -> None:
    run(job, EchoModel())
    expected = comparable(records(job))
    path, other = sorted(job.folder.path.rglob("*.parquet"))[3:5]
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[40] ^= 0xFF
        path.write_bytes(content)
    else:
        path.write_bytes(other.read_bytes())
    tally = run(job, EchoModel())
    assert 0 < tally.rows["echo"] - tally.reused["echo"] <= 36 * 4
    pd.testing.assert_frame_equal(comparable(records(job)), expected)


def test_a_row_that_the_model_cannot_answer_costs_itself(
    suite_file: Path, data: Path, tmp_path: Path
) -> None:
    with data.open("a") as file:
        file.write('{"id": "bad", "image": "3.png", "question": "XX poison?", "answers": ["yes"]}\n')
    job = prepare(load_suite(str(suite_file)).changed(only=["contrast"]), tmp_path / "results")
    model = EchoModel(poison="XX")
    tally = run(job, model, batch_size=64)
    found = records(job, model=model)
    failed = found[found["status"] != "ok"]
    assert set(failed["sample_id"]) == {"bad"}
    assert set(failed["status"]) == {"model_error"}
    assert failed["score"].isna().all()
    assert failed["error"].str.contains("poisoned row").all()
    assert tally.errors["echo"] == len(failed) == len(job.suite.conditions)


def test_bad_samples_are_recorded_and_the_run_goes_on(suite_file: Path, data: Path, tmp_path: Path) -> None:
    (data.parent / "0.png").unlink()
    whole = (data.parent / "1.png").read_bytes()
    (data.parent / "1.png").write_bytes(whole[: len(whole) // 3])
    (data.parent / "2.png").write_text("no picture")
    with data.open("a") as file:
        file.write('{"id": "empty", "image": "5.png", "question": "", "answers": ["yes"]}\n')
        file.write('{"id": "unanswered", "image": "5.png", "question": "why?", "answers": []}\n')
        file.write("{not json\n")
    job = prepare(load_suite(str(suite_file)), tmp_path / "results")
    run(job, EchoModel())
    found = records(job)
    bad = found[found["status"] == "data_error"]
    assert len(found) == 39 * 22
    assert {name for name in bad["sample_id"] if not name.startswith(("q0-", "q1-", "q2-"))} == {
        "empty",
        "unanswered",
        "row-38",
    }
    assert (bad.groupby("sample_id").size() == 22).all()
    assert bad["error"].str.len().gt(5).all()
    assert bad["score"].isna().all()
    # Others were to be shown one of the pictures that cannot be read.
    others = found[~found["status"].isin(["ok", "data_error"])]
    assert set(others["status"]) <= {"corruption_error"}
    assert set(others["image_corruption"]) <= {"mismatch"}


def test_every_ingredient_changes_the_key(
    job: Job, suite_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    block = job.plan.blocks[0]

    def key(of: Job = job, name: str = "m", **settings: Any) -> str:
        return key_maker(of, name, {"weights": "a", "dtype": "float32"} | settings)(
            of.plan.blocks[0], of.plan.images[1]
        )

    keys = [
        key(),
        key(name="n"),
        key(weights="b"),
        key(dtype="float16"),
        key(generation={"max_new_tokens": 4}),
        key(prepare(job.suite.changed(seed=1), tmp_path)),
        key(prepare(job.suite.changed(limit=9), tmp_path)),
        key_maker(job, "m", {"weights": "a", "dtype": "float32"})(block, job.plan.images[2]),
    ]
    assert key(prepare(job.suite.changed(severities=[1, 2]), tmp_path)) == keys[0]  # the same piece of work
    picture = next(suite_file.parent.glob("4.png"))
    picture.write_bytes((suite_file.parent / "5.png").read_bytes())
    keys.append(key(prepare(job.suite, tmp_path)))
    text = suite_file.parent / "questions.jsonl"
    text.write_text(text.read_text().replace("what is it?", "what is this?"))
    keys.append(key(prepare(job.suite, tmp_path)))
    import corruptions

    monkeypatch.setattr(corruptions, "version_of", lambda name: "newer")
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_a_scorer_out_of_range_stops_the_run(job: Job) -> None:
    views = Views(0, job.dataset)
    wrong = LocalEngine(
        job.folder,
        views,
        arms(job, EchoModel()),
        batch_size=8,
        build=row_builder(replace(scorer("exact_match"), function=lambda *_: 1.5)),
        truth=job.truth,
    )
    with pytest.raises(ValueError, match=r"the scorer gave 1\.5"):
        wrong.run(job.plan)
    assert dmsbench.runner.engine.Tally().rows == {}


def test_with_a_context_the_context_is_the_text_evidence(
    suite_file: Path, data: Path, tmp_path: Path
) -> None:
    data.write_text(
        "\n".join(
            f'{{"id": "c{i}", "image": "{i}.png", "question": "what is it?", '
            f'"context": "a picture of thing number {i}", "answers": ["yes"]}}'
            for i in range(6)
        )
    )
    job = prepare(load_suite(str(suite_file)), tmp_path / "results")
    model = EchoModel()
    run(job, model)
    found = records(job)
    typed = found[found["text_corruption"] == "keyboard"]
    assert (typed["question"] == "what is it?").all()
    assert typed["changed"].all()
    assert not typed["context"].isin([f"a picture of thing number {i}" for i in range(6)]).any()
    dropped = found[(found["text_corruption"] == "drop_text") & (found["text_severity"] == 5)]
    assert (dropped["question"] == "what is it?").all()
    assert (dropped["context"] == "").all()
    contexts = {prompt.context for _, prompt in model.asked}
    assert len(contexts) > 12  # samples of equal question are told apart by their context


def test_blanked_masked_and_exchanged_modalities(suite_file: Path, tmp_path: Path) -> None:
    suite_file.write_text(
        "name: little\ndataset: {name: local, path: questions.jsonl}\nseverities: [2, 5]\n"
        "grid:\n  modality: [blank_black, blank_mean, blank_noise, mask_text,"
        " mismatch_image, mismatch_text]\n"
        "include_false: [mismatch_image, mismatch_text]\n"
    )
    job = prepare(load_suite(str(suite_file)), tmp_path / "results")
    run(job, EchoModel())
    found = records(job)
    assert (found["status"] == "ok").all()
    clean = found[found["image_severity"].eq(0) & found["text_severity"].eq(0)].set_index("sample_id")

    def at(name: str, side: str, severity: int) -> pd.DataFrame:
        rows = found[(found[f"{side}_corruption"] == name) & (found[f"{side}_severity"] == severity)]
        return rows.set_index("sample_id").loc[clean.index]

    for name in ("blank_black", "blank_mean", "blank_noise", "mismatch_image"):
        assert at(name, "image", 5)["changed"].all()
        assert at(name, "image", 2)["changed"].mean() < 1
        assert (at(name, "image", 5)["question"] == clean["question"]).all()
    assert at("blank_black", "image", 5)["image_hash"].nunique() == 1
    assert at("blank_noise", "image", 5)["image_hash"].nunique() == 12
    assert set(at("mismatch_image", "image", 5)["image_hash"]) == set(clean["image_hash"])
    assert at("mask_text", "text", 5)["question"].str.fullmatch(r"(\[MASK\] ?)+\?").all()
    exchanged = at("mismatch_text", "text", 5)
    assert set(exchanged["question"]) == set(clean["question"])
    assert (exchanged["question"] != clean["question"]).mean() > 0.3


def test_the_profile_decides_the_pixels_and_is_recorded(job: Job, tmp_path: Path) -> None:
    # The pictures are 48 x 48: small ones.
    calibrated = Suite.model_validate(job.suite.model_dump() | {"profile": "calibrated"})
    other = prepare(calibrated, tmp_path / "calibrated")
    assert other.fingerprint != job.fingerprint
    view = View("contrast", 3)
    group = job.dataset.samples[0].group
    seen = {
        profile: Views(0, job.dataset, profile).image(group, view).hash
        for profile in ("auto", "tiny64", "imagenet224", "calibrated")
    }
    assert seen["auto"] == seen["tiny64"] != seen["calibrated"]
    _, manifest = execute(other, arms(other, EchoModel()), {"echo": {}}, batch_size=16)
    assert manifest["identity"]["profile"] == "calibrated"
    assert manifest["severity_tables"] == {
        "profile": "calibrated",
        "corruptions": {
            name: {"under 128 px": "calibrated64", "from 128 px": "calibrated224"}
            for name in ("gaussian_noise", "contrast")
        },
    }
    _, manifest = execute(job, arms(job, EchoModel()), {"echo": {}}, batch_size=16)
    assert manifest["severity_tables"]["corruptions"]["contrast"] == {
        "under 128 px": "tiny64",
        "from 128 px": "imagenet224",
    }


def test_what_answers_took_stays_in_the_manifest_when_a_later_run_finds_them(job: Job) -> None:
    model = EchoModel()
    arms = [Arm("echo", model, key_maker(job, "echo", model.settings()))]
    entries = {"echo": {"fingerprint": "f"}}
    _, first = execute(job, arms, entries, batch_size=16)
    _, second = execute(job, arms, entries, batch_size=8)
    _, other = execute(job, arms, {"echo": {"fingerprint": "g"}}, batch_size=8)
    timing = first["models"]["echo"]["timing"]
    assert timing["answered"] > 0 and second["models"]["echo"]["timing"] == timing
    assert job.folder.manifest()["models"]["echo"]["timing"]["answered"] == 0
    assert other["models"]["echo"]["timing"]["batch_size"] == 8
