"""The suite of scenes, the whole way, with a small LLaVA of random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import corruptions
from dmsbench.data import scenes
from dmsbench.grid import View
from dmsbench.runner.store import RunFolder
from dmsbench.runner.views import Views
from dmsbench.suite import load_suite

SUITE = "context-vqa-corrupt"


def test_a_run_asks_everything_of_pictures_and_contexts(
    dmsbench: Callable[..., Any], tiny_folder: Path, tmp_path: Path, one_thread: None
) -> None:
    arms = [
        "--model",
        f"static={tiny_folder}",
        "--model",
        f"dms={tiny_folder},fusion=dms,alpha=1,beta=1",
    ]
    options = ["--suite", SUITE, *arms, "--limit", 10, "--severity", 5, "--out", tmp_path]
    planned = dmsbench("run", *options, "--dry-run")
    assert planned.code == 0, planned.err
    assert "21 conditions × 10 samples of scenes/test" in planned.out
    assert "left out" not in planned.out
    done = dmsbench("run", *options, "--quiet")
    assert done.code == 0, done.err
    (path,) = (tmp_path / SUITE).iterdir()
    folder = RunFolder(path)
    for model in ("static", "dms"):
        found = folder.records(model)
        assert len(found) == 21 * 10
        assert set(found["status"]) == {"ok"}
    assert folder.manifest()["dataset"]["name"] == "scenes"
    assert folder.manifest()["included_though_false"] == ["mismatch", "mismatch_text"]
    again = dmsbench("run", *options, "--quiet")
    assert again.code == 0, again.err
    assert [path] == list((tmp_path / SUITE).iterdir())
    assert dmsbench("compare", "static", "dms", "--out", tmp_path).code == 0


@pytest.mark.parametrize("checkpoint", ["tiny-llava-scenes", "tiny-blip2-scenes"])
def test_a_shipped_checkpoint_is_scheduled_by_what_it_brings(
    checkpoint: str, dmsbench: Callable[..., Any], tmp_path: Path, one_thread: None
) -> None:
    more = ["--model", f"permuted={checkpoint},fusion=permuted"]
    more += ["--model", f"constant={checkpoint},fusion=constant"]
    fusions = {"baseline": "static", "dms": "dms", "image-only": "image", "text-only": "text"}
    asked = [f"{name}={checkpoint},fusion={fusion}" for name, fusion in fusions.items()]
    named = [part for text in asked for part in ("--model", text)]
    options = ["--corruption", "gaussian_noise", "--severity", 4, "--limit", 60, "--out", tmp_path]
    done = dmsbench("run", "--suite", SUITE, *named, *more, *options, "--quiet")
    assert done.code == 0, done.err
    (path,) = (tmp_path / SUITE).iterdir()
    folder = RunFolder(path)
    score, weight = {}, {}
    for name in folder.manifest()["models"]:
        found = folder.records(name).groupby("image_severity")
        score[name], weight[name] = found["score"].mean(), found["weight_image"].mean()
    # Both corners answer what they can see; noise leaves the context, and the scheduler notices.
    assert min(score[name][0] for name in ("baseline", "dms", "image-only", "text-only")) > 0.8
    assert score["image-only"][4] < score["text-only"][4] - 0.2
    assert score["dms"][4] > score["baseline"][4]
    assert weight["dms"][4] < 0.25 < 0.4 < weight["dms"][0]
    assert abs(weight["permuted"][4] - weight["permuted"][0]) < 0.1


def test_the_context_is_damaged_and_the_question_is_not() -> None:
    suite = load_suite(SUITE)
    dataset = scenes.load(count=40)
    views = Views(suite.seed, dataset, suite.profile, suite.applied)
    colours = places = 0
    for name in (*suite.grid.text, "mask_text", "drop_text", "mismatch_text"):
        assert corruptions.get(name).target == "text"
        for sample in dataset.samples:
            view = views.text(sample, View(name, 5))
            assert view.error is None
            assert view.question == sample.question
            assert view.changed or name == "mismatch_text"  # two scenes can be told of alike
            if name in suite.grid.text:
                words = (view.context or "").split()
                before = (sample.context or "").split()
                colours += len({"red", "green", "blue", "yellow", "purple", "orange"} & {*before} - {*words})
                places += len({"top", "bottom", "left", "right"} & {*before} - {*words})
    # Nothing is spared: of what answers hang on, most is gone at the worst.
    assert colours > 3 * len(dataset.samples)
    assert places > 1.5 * len(dataset.samples)


def test_image_corruptions_of_the_grid_change_nearly_every_picture() -> None:
    suite = load_suite(SUITE)
    dataset = scenes.load(count=40)
    views = Views(suite.seed, dataset, suite.profile, suite.applied)
    for name in suite.grid.image:
        for severity in suite.severities:
            seen = [views.image(group, View(name, severity)) for group in dataset.groups]
            assert not any(view.error for view in seen)
            # The edges of a square may lie on those of the blocks of pixelate.
            assert sum(view.changed for view in seen) >= 38, (name, severity)
