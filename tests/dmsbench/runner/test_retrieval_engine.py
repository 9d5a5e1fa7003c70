"""The retrieval engine: ranks against brute force, what is computed, what is kept, what goes wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_retrieval import HashRetriever, score, toy_dataset

import corruptions
from dmsbench.data.base import Dataset, Sample
from dmsbench.grid import CLEAN, View
from dmsbench.models.retrieval import EncodedImage, EncodedText, Item, Ranking
from dmsbench.runner.arms import Arm, Tally
from dmsbench.runner.estimate import estimate
from dmsbench.runner.job import Job, key_maker
from dmsbench.runner.plan import Plan, by_image, in_blocks
from dmsbench.runner.retrieval_engine import RetrievalEngine
from dmsbench.runner.rows import row_builder
from dmsbench.runner.run import automatic_batch_size, engine_of
from dmsbench.runner.store import RunFolder, frame
from dmsbench.runner.views import ABSENT_HASH, Views
from dmsbench.suite import RetrievalConfig, Suite
from dmsbench.tasks.scorers import scorer
from dmsbench.truth import Truth

GRID = {
    "image": ["contrast"],
    "text": ["keyboard"],
    "modality": ["drop_image", "drop_text", "mismatch_text"],
    "joint": [{"image": "contrast", "text": "keyboard"}],
}
SIDES = ("query", "gallery", "both")


def ready(
    folder: Path, dataset: Dataset | None = None, *, side: Any = None, limit: int | None = None, **suite: Any
) -> Job:
    """A job on a toy data set; ``side`` is that of both directions."""
    dataset = dataset or toy_dataset()
    config = RetrievalConfig() if side is None else RetrievalConfig(image_to_text=side, text_to_image=side)
    made = Suite.model_construct(
        **{
            **Suite.model_validate(
                {
                    "name": "toy",
                    "dataset": {"name": "easy_vqa"},
                    "severities": [2, 5],
                    "grid": GRID,
                    "include_false": [],
                    **suite,
                }
            ).__dict__,
            "task": "retrieval",
            "retrieval": config,
        }
    )
    plan = Plan(in_blocks(dataset.samples[:limit], 2), by_image(made.conditions))
    identity = {"score": "none", "retrieval": config.model_dump()}
    truth = Truth(frozenset(made.include_false))
    return Job(made, dataset, plan, identity, RunFolder(folder), scorer("recall_at_1", "retrieval"), truth)


def engine(job: Job, *models: HashRetriever, batch_size: int = 16) -> RetrievalEngine:
    return RetrievalEngine(
        job.folder,
        Views(job.suite.seed, job.dataset),
        [Arm(model.name, model, key_maker(job, model.name, model.settings())) for model in models],
        dataset=job.dataset,
        retrieval=job.suite.retrieval or RetrievalConfig(),
        batch_size=batch_size,
        build=row_builder(job.score),
        truth=job.truth,
    )


def run(job: Job, *models: HashRetriever, batch_size: int = 16) -> Tally:
    return engine(job, *models, batch_size=batch_size).run(job.plan)


def records(job: Job, name: str = "hash") -> pd.DataFrame:
    key_of = key_maker(job, name, HashRetriever(name=name).settings())
    keys = [key_of(block, plan) for block in job.plan.blocks for plan in job.plan.images]
    return frame([job.folder.read_part(name, key) for key in keys])


KEYS = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]


def comparable(found: pd.DataFrame) -> pd.DataFrame:
    plain = found.astype(dict.fromkeys(found.select_dtypes("category").columns, object))
    return plain.sort_values(KEYS).reset_index(drop=True)


class Plainly:
    """What a search finds, worked out one query at a time and from nothing but views and contents."""

    def __init__(self, job: Job) -> None:
        self.job, self.views, self.model = job, Views(job.suite.seed, job.dataset), HashRetriever()
        sound = [sample for sample in job.dataset.samples if sample.fault is None]
        self.items = sorted((s for s in sound if s.direction == "image_to_text"), key=lambda s: s.group)
        self.texts = sorted((s for s in sound if s.direction == "text_to_image"), key=lambda s: s.id)

    def item(self, sample: Sample, image: View, text: View) -> tuple[Item, bool]:
        seen = self.views.image(sample.group, image)
        changed, picture, title = seen.changed, None, None
        if seen.hash != ABSENT_HASH:
            (picture,) = self.model.encode_images([seen.pixels], [seen.hash])  # type: ignore[list-item]
        if sample.context is not None:
            shown = self.views.text(sample, text)
            changed |= shown.changed
            if shown.present:
                (title,) = self.model.encode_texts([str(shown.context)])
        return Item(picture, title), changed

    def text(self, sample: Sample, view: View) -> tuple[EncodedText | None, bool]:
        shown = self.views.text(sample, view)
        return self.model.encode_texts([shown.question])[0] if shown.present else None, shown.changed

    def row(self, query: Sample, image: View, text: View) -> tuple[int, str, bool]:
        side = (self.job.suite.retrieval or RetrievalConfig()).side(str(query.direction))
        asked, searched = side in ("query", "both"), side in ("gallery", "both")
        if query.direction == "image_to_text":
            own, hit = self.item(query, *((image, text) if asked else (CLEAN, CLEAN)))
            names = [text.id for text in self.texts]
            found = [self.text(other, text if searched else CLEAN) for other in self.texts]
            scores = [score(own, other) for other, _ in found]
        else:
            own_text, hit = self.text(query, text if asked else CLEAN)
            names = [item.group for item in self.items]
            views = (image, text) if searched else (CLEAN, CLEAN)
            shown = [self.item(other, *views) for other in self.items]
            scores = [score(other, own_text) for other, _ in shown]
            found = shown  # type: ignore[assignment]
        right = [names.index(name) for name in query.answers]
        best = max(scores[index] for index in right)
        rank = 1 + sum(value >= best for index, value in enumerate(scores) if index not in right)
        top = "" if max(scores) == -np.inf else names[scores.index(max(scores))]
        return rank, top, hit or any(found[index][1] for index in right)


@pytest.mark.parametrize("side", SIDES)
def test_ranks_are_those_of_brute_force(tmp_path: Path, side: str) -> None:
    job = ready(tmp_path, side=side)
    tally = run(job, HashRetriever())
    found, plainly = records(job), Plainly(job)
    assert len(found) == tally.rows["hash"] == 18 * len(job.suite.conditions)
    assert not found.duplicated(KEYS).any()
    samples = {sample.id: sample for sample in job.dataset.samples}
    for row in found[found["status"] == "ok"].itertuples():
        views = View(row.image_corruption, row.image_severity), View(row.text_corruption, row.text_severity)
        expected = plainly.row(samples[str(row.sample_id)], *views)
        assert (row.rank, row.prediction, row.changed) == expected, row
    assert set(found["status"]) == {"ok", "left_out"}
    assert set(found.loc[found["status"] == "left_out", "text_corruption"]) == {"mismatch_text"}
    clean = found[(found["image_severity"] == 0) & (found["text_severity"] == 0)]
    assert clean["rank"].nunique() > 2


def test_a_mismatch_exchanges_titles_with_titles_and_captions_with_captions(tmp_path: Path) -> None:
    job = ready(tmp_path, side="query", include_false=["mismatch_text"])
    run(job, HashRetriever())
    found = records(job)
    other = found[(found["text_corruption"] == "mismatch_text") & (found["text_severity"] == 5)]
    assert (other["status"] == "ok").all()
    shown = other.set_index("sample_id")
    for sample in job.dataset.samples:
        text = shown.loc[sample.id]
        if sample.direction == "text_to_image":
            assert str(text["question"]).startswith("caption")
            assert text["question"] != sample.question
        elif sample.context is None:
            assert pd.isna(text["context"])
        else:
            assert str(text["context"]).startswith("the title")
            assert text["context"] != sample.context


def test_the_gallery_hangs_on_no_limit(tmp_path: Path) -> None:
    whole, few = ready(tmp_path / "whole"), ready(tmp_path / "few", limit=4)
    run(whole, HashRetriever())
    run(few, HashRetriever())
    small, large = comparable(records(few)), comparable(records(whole))
    assert set(small["sample_id"]) == {"p0/image", "p0/t0", "p0/t1", "p1/image"}
    kept = large[large["sample_id"].isin(small["sample_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(small, kept)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(range(6)), batch_size=st.sampled_from([1, 3, 8, 100]), side=st.sampled_from(SIDES)
)
def test_neither_order_nor_batch_size_decides_anything(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], batch_size: int, side: str
) -> None:
    job = ready(tmp_path_factory.mktemp("one"), side=side)
    run(job, HashRetriever())
    groups = [f"p{number}" for number in order]
    turned = tuple(sorted(job.dataset.samples, key=lambda sample: groups.index(sample.group)))
    other = ready(tmp_path_factory.mktemp("two"), replace(job.dataset, samples=turned), side=side)
    other = replace(other, plan=Plan(in_blocks(turned, 3), other.plan.images[::-1]))
    run(other, HashRetriever(), batch_size=batch_size)
    pd.testing.assert_frame_equal(comparable(records(other)), comparable(records(job)))


@dataclass
class Uneven(HashRetriever):
    """Rounds by place, as a product of matrices does: of equals it favours the first."""

    def rank(self, *given: Any) -> Ranking:
        found = super().rank(*given)
        return replace(found, scores=found.scores - 1e-9 * np.arange(found.scores.shape[1]))


def test_candidates_that_show_the_same_tie_however_a_model_rounds(tmp_path: Path) -> None:
    data = toy_dataset()
    same = tuple(s if s.context is None else replace(s, context="one title") for s in data.samples)
    job = ready(tmp_path, replace(data, samples=same), side="both", grid={"modality": ["drop_image"]})
    run(job, Uneven())
    found = records(job)
    dropped = found[(found["image_corruption"] == "drop_image") & (found["image_severity"] == 5)]
    titled = dropped["group"].isin(["p0", "p1", "p3", "p4"])
    sought = dropped[titled & (dropped["direction"] == "text_to_image")]
    assert (sought["image_hash"] == ABSENT_HASH).all() and len(sought) == 8
    assert (sought["rank"] >= 4).all(), "none of four equals is before the others"


@dataclass
class Overflowing(HashRetriever):
    """Its vectors are sound, what schedulers or a second stage look at is not, of one picture."""

    part: str = "features"
    ill: str = ""

    def encode_images(self, images: Any, keys: Any) -> list[EncodedImage]:
        found = super().encode_images(images, keys)
        bad = {self.part: torch.full((2, 3), torch.nan)}
        return [replace(one, **bad) if one.key == self.ill else one for one in found]


@pytest.mark.parametrize("part", ["features", "tokens"])
def test_an_encoding_is_sound_in_all_its_parts(tmp_path: Path, part: str) -> None:
    job = ready(tmp_path, grid={})
    ill = Views(job.suite.seed, job.dataset).image("p1", CLEAN).hash
    run(job, Overflowing(part=part, ill=ill))
    found = records(job).set_index("sample_id")
    failed = found[found["status"] != "ok"]
    assert set(failed.index) == {"p1/image", "p1/t0", "p1/t1"}
    assert failed["error"].str.contains("encoding is not finite").all()


def test_only_what_is_missing_is_made_again(tmp_path: Path) -> None:
    job = ready(tmp_path)
    run(job, HashRetriever())
    parts = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert len(parts) == 3 * len(job.plan.images)
    idle = HashRetriever()
    tally = run(job, idle)
    assert (idle.images, idle.texts, idle.calls) == ([], [], [])
    assert tally.reused == tally.rows
    assert tally.answered == {}
    plan = next(plan for plan in job.plan.images if plan.image == View("contrast", 5))
    key = key_maker(job, "hash", idle.settings())(job.plan.blocks[1], plan)
    times = {path: path.stat().st_mtime_ns for path in parts}
    job.folder.part("hash", key).unlink()
    tally = run(job, idle)
    assert tally.rows["hash"] - tally.reused["hash"] == 6 * len(plan.texts)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == parts
    again = {path for path in parts if path.stat().st_mtime_ns != times[path]}
    assert again == {job.folder.part("hash", key)}
    assert len(idle.images) == 6  # nothing but that view of the gallery, which is the queries' own too


def test_models_of_one_checkpoint_share_what_is_encoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrupted = []
    real = corruptions.image_view
    monkeypatch.setattr(
        corruptions, "image_view", lambda *a, **k: corrupted.append((k["unit"], *a[1:])) or real(*a, **k)
    )
    one, two, other = (
        HashRetriever(name="one"),
        HashRetriever(name="two"),
        HashRetriever(name="other", state_key="another"),
    )
    job = ready(tmp_path)
    run(job, one, two, other)
    # Three blocks, two directions and a joint condition: yet each view of each picture once.
    assert len(corrupted) == len(set(corrupted)) == 6 * 2
    for model in (one, other):
        assert len(model.images) == len(set(model.images)) == 6 * 3
    assert (two.images, two.texts) == ([], [])
    assert one.calls == two.calls
    first, second = (comparable(records(job, name)).drop(columns="model") for name in ("one", "two"))
    pd.testing.assert_frame_equal(first, second)


def test_what_is_held_does_not_grow_with_the_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ready(tmp_path, side="both")
    engine_ = engine(job, HashRetriever(), batch_size=4)
    (held,) = engine_.encodings.values()
    most, real = [], RetrievalEngine._text_view

    def watched(self: RetrievalEngine, *given: Any) -> None:
        assert held.sizes[3] == 0  # texts of the condition before
        assert self.views._clean == {}
        real(self, *given)
        most.append(held.sizes)

    monkeypatch.setattr(RetrievalEngine, "_text_view", watched)
    engine_.run(job.plan)
    # 6 pictures, 12 captions and 4 titles: clean ones, and those of one view beside them.
    assert tuple(np.max(most, axis=0)) == (6, 6, 16, 16)
    assert held.sizes == (6, 0, 16, 0)


def test_a_picture_that_cannot_be_encoded_costs_itself_and_those_that_seek_it(tmp_path: Path) -> None:
    whole, job = ready(tmp_path / "whole"), ready(tmp_path / "one")
    blind = Views(job.suite.seed, job.dataset).image("p1", CLEAN).hash
    tally = run(job, HashRetriever(blind=(blind,)), batch_size=64)
    found = records(job)
    failed = found[~found["status"].isin(["ok", "left_out"])]
    assert set(failed["status"]) == {"model_error"}
    assert tally.errors["hash"] == len(failed)
    assert failed["error"].str.contains("a picture that I cannot encode").all()
    assert set(failed["sample_id"]) == {"p1/image", "p1/t0", "p1/t1"}
    assert "contrast" not in set(failed["image_corruption"])
    assert not found["prediction"].eq("p1")[found["image_severity"] == 0].any()
    run(whole, HashRetriever())
    ranks = [comparable(frame_)[["rank", "status"]] for frame_ in (records(whole), found)]
    both = (ranks[0]["status"] == "ok") & (ranks[1]["status"] == "ok")
    assert (ranks[1]["rank"][both] <= ranks[0]["rank"][both]).all()


def test_unreadable_files_and_faults(tmp_path: Path) -> None:
    data = toy_dataset(unreadable=[2])
    broken = replace(data.samples[-1], fault="an empty caption")
    data = replace(data, samples=(*data.samples[:-1], broken))
    job = ready(tmp_path, data)
    run(job, HashRetriever())
    found = records(job)
    failed = found[~found["status"].isin(["ok", "left_out"])]
    assert set(failed["status"]) == {"data_error"}
    assert set(failed["sample_id"]) == {"p2/image", "p2/t0", "p2/t1", "p5/t1"}
    assert set(failed.loc[failed["sample_id"] == "p2/t0", "error"]) == {
        "'p2', which it seeks, is not there: p2: no such image"
    }
    assert set(failed.loc[failed["sample_id"] == "p5/t1", "error"]) == {"an empty caption"}
    # The item of the faulty caption is sought by its other one alone.
    assert set(found.loc[found["sample_id"] == "p5/image", "status"]) <= {"ok", "left_out"}
    assert not found["prediction"].isin(["p2", "p5/t1"]).any()


@pytest.mark.parametrize(
    ("trouble", "error"),
    [("poison", "RuntimeError: poisoned query"), ("nan", "the model's scores are not finite")],
)
def test_a_query_that_cannot_be_ranked_costs_itself(tmp_path: Path, trouble: str, error: str) -> None:
    job = ready(tmp_path, grid={"image": ["contrast"]})
    run(job, HashRetriever(**{trouble: "caption 1 of the large picture 3"}))
    found = records(job)
    failed = found[found["status"] != "ok"]
    assert set(failed["sample_id"]) == {"p3/t1"}
    assert set(failed["status"]) == {"model_error"}
    assert set(failed["error"]) == {error}
    assert len(failed) == len(job.suite.conditions)


def test_a_text_that_cannot_be_read_is_an_error_of_those_that_seek_it(tmp_path: Path) -> None:
    job = ready(tmp_path, grid={"image": ["contrast"]})
    run(job, HashRetriever(unread="caption 1 of the large picture 3"))
    found = records(job)
    assert set(found.loc[found["status"] != "ok", "sample_id"]) == {"p3/t1", "p3/image"}


def test_what_is_left_out_is_not_asked_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = toy_dataset()
    about = tuple(replace(sample, about=("colour",)) for sample in data.samples)
    monkeypatch.setattr(corruptions, "image_view", lambda *_a, **_k: pytest.fail("a picture was corrupted"))
    job = ready(tmp_path, replace(data, samples=about), grid={"image": ["hue_shift"]})
    model = HashRetriever()
    tally = run(job, model)
    found = records(job)
    lost = found[found["status"] == "left_out"]
    assert len(lost) == tally.left_out["hash"] == 2 * 18
    assert tally.errors["hash"] == 0
    assert set(lost["error"]) == {"hue_shift makes colour false"}
    assert lost[["rank", "prediction", "score", "weight_image"]].isna().all(axis=None)
    assert len(model.images) == 6


def test_a_direction_that_the_suite_does_not_ask_is_left_out(tmp_path: Path) -> None:
    job = ready(tmp_path)
    config = RetrievalConfig(text_to_image=None)
    job = replace(job, suite=job.suite.model_copy(update={"retrieval": config}))
    model = HashRetriever()
    run(job, model)
    found = records(job)
    texts = found["sample_id"].str.contains("/t")
    assert set(found.loc[texts, "status"]) == {"left_out"}
    assert {direction for direction, _, _ in model.calls} == {"image_to_text"}


def test_weights_and_signals_are_of_the_item_that_is_asked_or_sought(tmp_path: Path) -> None:
    job = ready(tmp_path, side="both", grid={"modality": ["drop_image"]})
    run(job, HashRetriever())
    found = records(job)
    # The toy's weight of the image is 1 where the item has one.
    there = (found["image_hash"] != ABSENT_HASH).astype(float)
    assert 0 < there.mean() < 1
    for column in ("weight_image", "confidence_image", "uncertainty_text", "consistency"):
        np.testing.assert_array_equal(found[column], there)
    assert found["margin"].isna().all()
    bare = found[found["sample_id"].str.startswith("p2/") & (found["image_severity"] == 5)]
    # Without picture and title there is nothing to compare.
    item = bare[bare["sample_id"] == "p2/image"]
    assert list(item["prediction"]) == [""]
    assert list(item["rank"]) == [11]


def test_a_run_and_its_estimate_take_the_engine_of_the_task(tmp_path: Path) -> None:
    job = ready(tmp_path)
    model = HashRetriever()
    arms = [Arm("hash", model, key_maker(job, "hash", model.settings()))]
    made = engine_of(job, arms, job.folder, batch_size=automatic_batch_size(arms, "cpu"))
    assert isinstance(made, RetrievalEngine)
    (found,) = estimate(job, arms, 16)
    assert (found.rows, found.cached) == (18 * len(job.suite.conditions) - left_out_rows(job), 0)
    assert found.seconds > 0
    assert made.run(job.plan).errors == {"hash": 0}
    assert estimate(job, arms, 16)[0].seconds == 0


@dataclass
class Slow(HashRetriever):
    """Takes a while for each picture."""

    def encode_images(self, images: Any, keys: Any) -> list[EncodedImage]:
        time.sleep(0.005 * len(keys))
        return super().encode_images(images, keys)


def test_an_estimate_counts_the_gallery_however_few_ask(tmp_path: Path) -> None:
    # 64 pictures under three views; where only queries are corrupted, clean ones and those that ask.
    for side, pictures in (("gallery", 3 * 64), ("query", 64 + 3)):
        job = ready(tmp_path / side, toy_dataset(64), limit=3, side=side, grid={"image": ["contrast"]})
        arm = Arm("hash", Slow(), key_maker(job, "hash", {}))
        (found,) = estimate(job, [arm], 16)
        assert found.rows == 9
        assert found.seconds > 0.8 * pictures * 0.005


def left_out_rows(job: Job) -> int:
    return sum(
        job.truth.reason(sample, condition.image, condition.text) is not None
        for sample in job.dataset.samples
        for condition in job.suite.conditions
    )


def test_another_side_is_another_key(tmp_path: Path) -> None:
    keys = set()
    for side in SIDES:
        job = ready(tmp_path, side=side)
        keys.add(key_maker(job, "hash", {})(job.plan.blocks[0], job.plan.images[0]))
    assert len(keys) == 3
