"""The one thing that may differ between batch sizes is rounding: measured, reported, and bounded here."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import ended, start
from counted import count
from faulty_run import WordModel, ready, run, write_suite

from dmsbench.models.spec import parse
from dmsbench.runner.arms import Arm
from dmsbench.runner.manifest import model_entry
from dmsbench.runner.run import execute, key_maker, load_arms, prepare
from dmsbench.runner.verify import verify_batch
from dmsbench.suite import load_suite

#: What rounding may do in float32 to a confidence, and to the margin of two answers as good as equal.
MOST = 1e-4


@pytest.mark.parametrize(
    ("suite", "models"),
    [
        ("smoke", ["baseline", "dms"]),
        ("retrieval-corrupt", []),
        ("caption-corrupt", []),
    ],
)
def test_embedded_models_answer_the_same_in_batches_and_one_by_one(
    tmp_path: Path, suite: str, models: list[str]
) -> None:
    made = load_suite(suite)
    made = made.changed(limit=24, severities=[5], models=models or made.models[-1:])
    made = made.changed(only=["gaussian_noise", "keyboard"]) if suite != "smoke" else made
    job = prepare(made, tmp_path)
    arms, entries = load_arms(job, device="cpu")
    execute(job, arms, entries, batch_size=64)
    for one in verify_batch(job, arms):
        assert one.rows >= 24
        assert one.statuses == 0
        assert one.margin <= MOST
        assert math.isnan(one.confidence) or one.confidence <= MOST
        # Ties are rare: were they many, it would be more than rounding.
        assert one.predictions <= one.rows * 0.02
        count("rows of real models answered in batches and one by one", one.rows)
        noted = job.folder.manifest()["models"][one.model]["verified_batch"]
        assert noted["rows"] == one.rows and noted["predictions"] == one.predictions


class Moody(WordModel):
    """Answers otherwise when alone: what a wrong mask does to padded batches."""

    def answer(self, state: Any, rows: Any, prompts: Any, weights: Any = None) -> Any:
        answers = super().answer(state, rows, prompts, weights)
        return replace(answers, texts=("alone",)) if len(prompts) == 1 else answers


def test_what_hangs_on_the_batch_is_found(tmp_path: Path) -> None:
    job = ready(write_suite(tmp_path), tmp_path / "out")
    run(job, Moody())
    model = Moody()
    arm = Arm("word", model, key_maker(job, "word", model.settings()))
    (found,) = verify_batch(job, [arm])
    assert found.predictions > found.rows / 2
    assert found.margin == 1.0 and found.statuses == 0
    sound = WordModel("sound", "sound")
    run(job, sound)
    (found,) = verify_batch(job, [Arm("sound", sound, key_maker(job, "sound", sound.settings()))])
    assert (found.predictions, found.margin, found.confidence) == (0, 0.0, 0.0)
    assert set(model_entry(parse("sound=baseline"), {})) <= set(job.folder.manifest()["models"]["sound"])


def test_the_command_says_it(tmp_path: Path) -> None:
    code, said = ended(start(tmp_path, "--verify-batch", "--workers", "1", "--time-limit", "60"))
    assert code == 0, said
    assert "batches of 16 against one by one, dms: " in said
    manifest = json.loads(next(tmp_path.glob("smoke/*/manifest.json")).read_text())
    assert manifest["models"]["dms"]["verified_batch"]["rows"] > 0
    assert manifest["models"]["dms"]["timing"]["workers"] == 1
