"""Rows and pictures that are hard on a run: each may cost itself, none its neighbours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from echo_model import EchoModel
from PIL import Image as PictureFile

import dmsbench.runner.engine as engine_module
from dmsbench.data.base import Sample
from dmsbench.grid import CLEAN, Condition, View
from dmsbench.models.base import Image
from dmsbench.runner.cells import Cell
from dmsbench.runner.engine import Arm, LocalEngine, Tally
from dmsbench.runner.estimate import estimate
from dmsbench.runner.plan import Plan, by_image, in_blocks
from dmsbench.runner.rows import row_builder
from dmsbench.runner.run import Job, key_maker, prepare
from dmsbench.runner.store import frame
from dmsbench.runner.views import ImageView, TextView, Views
from dmsbench.suite import load_suite
from dmsbench.tasks.scorers import scorer


@dataclass
class PickyModel(EchoModel):
    """Cannot encode a picture whose first pixel is black."""

    def encode(self, images: Sequence[Image]) -> list[str]:
        if any(not image[0, 0].any() for image in images):
            raise ValueError("a picture that I cannot encode")
        return super().encode(images)


def run(job: Job, model: EchoModel, batch_size: int = 64, plan: Plan | None = None) -> Tally:
    views = Views(job.suite.seed, job.dataset, job.suite.profile)
    arm = Arm(model.name, model, key_maker(job, model.name, model.settings()))
    engine = LocalEngine(
        job.folder,
        views,
        [arm],
        batch_size=batch_size,
        build=row_builder(scorer("exact_match")),
        truth=job.truth,
    )
    return engine.run(plan or job.plan)


def clean_plan(job: Job) -> Plan:
    return Plan(job.plan.blocks, by_image([Condition(CLEAN, CLEAN)]))


def test_a_faulty_row_with_a_picture_of_its_own_survives_a_mismatch(suite_file: Path, tmp_path: Path) -> None:
    data = suite_file.parent
    PictureFile.fromarray(np.full((48, 48, 3), 9, np.uint8)).save(data / "lonely.png")
    row = {"id": "lonely", "image": "lonely.png", "question": "what is it?", "answers": []}
    with (data / "questions.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    job = prepare(load_suite(str(suite_file)), tmp_path / "out")
    tally = run(job, EchoModel())
    assert tally.rows["echo"] == 37 * job.plan.conditions
    assert tally.errors["echo"] == job.plan.conditions
    assert tally.reasons == {"line 37: no answers": job.plan.conditions}
    again = run(job, EchoModel())
    assert again.reused == again.rows
    assert again.reasons == tally.reasons


def test_a_picture_that_cannot_be_encoded_costs_itself(suite_file: Path, tmp_path: Path) -> None:
    PictureFile.fromarray(np.zeros((48, 48, 3), np.uint8)).save(suite_file.parent / "5.png")
    job = prepare(load_suite(str(suite_file)), tmp_path / "out")
    plan = clean_plan(job)
    model = PickyModel()
    assert run(job, model, plan=plan).errors["echo"] == 3
    key_of = key_maker(job, "echo", model.settings())
    found = frame([job.folder.read_part("echo", key_of(plan.blocks[0], plan.images[0]))])
    assert set(found.loc[found["status"] == "model_error", "group"]) == {"5.png"}


def test_an_absent_image_has_the_same_size_in_every_view_of_a_block(suite_file: Path, tmp_path: Path) -> None:
    # For a model whose images have unlike lengths the answer hangs on it, and a run may stop between views.
    for number in range(0, 12, 2):
        size = (40, 40 + number, 3)
        PictureFile.fromarray(np.full(size, number + 1, np.uint8)).save(suite_file.parent / f"{number}.png")
    job = prepare(load_suite(str(suite_file)), tmp_path / "out")
    shapes: list[tuple[int, ...]] = []

    class SizesModel(EchoModel):
        def encode(self, images: Sequence[Image]) -> list[str]:
            shapes.extend(image.shape for image in images if not image.any())
            return super().encode(images)

    for severity in (1, 3, 5):
        conditions = [Condition(View("drop_image", severity), CLEAN)]
        run(job, SizesModel(), plan=Plan(job.plan.blocks, by_image(conditions)))
    assert len(shapes) == 3 and len(set(shapes)) == 1


def test_a_very_long_question_does_not_pad_its_neighbours(
    suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = prepare(load_suite(str(suite_file)), tmp_path / "out")
    plan = clean_plan(job)
    (block,) = plan.blocks
    long = Sample("long", block.samples[0].group, block.samples[0].image, "what? " * 200, ("yes",))
    plan = Plan(in_blocks([*block.samples, long]), plan.images)
    monkeypatch.setattr(engine_module, "BATCH_PAIRS", 36 * 30**2)
    model = EchoModel()
    tally = run(job, model, plan=plan)
    assert tally.errors["echo"] == 0
    assert model.batches == [36, 1]


def test_an_empty_context_is_not_the_same_content_as_none() -> None:
    sample = Sample("1", "g", Path("g.png"), "what is it?", ("yes",), "a circle")
    picture = ImageView(np.zeros((2, 2, 3), np.uint8), "00", changed=False)
    texts = [TextView(sample.question, context, True, "11", False) for context in (None, "", "a circle")]
    cells = [Cell(sample, View("word_delete", 5), picture, text) for text in texts]
    assert len({cell.key for cell in cells}) == 3


def test_a_fresh_dry_run_counts_nothing_as_cached(suite_file: Path, tmp_path: Path) -> None:
    job = prepare(load_suite(str(suite_file)), tmp_path / "out")
    model = EchoModel()
    run(job, model)
    arm = Arm("echo", model, key_maker(job, "echo", model.settings()))
    (kept,), (fresh,) = estimate(job, [arm], 64), estimate(job, [arm], 64, fresh=True)
    assert (kept.cached, fresh.cached) == (kept.rows, 0)
