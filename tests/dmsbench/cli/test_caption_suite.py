"""Captioning from the command line: scenes with the shipped checkpoint, your own captions, other scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dmsbench.data import local, scenes
from dmsbench.grid import View
from dmsbench.runner.scoring import chance_of, on_split
from dmsbench.runner.store import RunFolder
from dmsbench.tasks.scorers import scorer
from dmsbench.truth import Truth

SUITE = "caption-corrupt"
pytestmark = pytest.mark.usefixtures("one_thread")


def only_run(folder: Path) -> RunFolder:
    (path,) = (folder / SUITE).iterdir()
    return RunFolder(path)


def test_the_shipped_checkpoint_says_what_there_is(dmsbench: Callable[..., Any], tmp_path: Path) -> None:
    options = ["--corruption", "gaussian_noise", "--severity", 5, "--limit", 24, "--out", tmp_path]
    done = dmsbench("run", "--suite", SUITE, *options, "--quiet")
    assert done.code == 0, done.err
    folder = only_run(tmp_path)
    manifest = folder.manifest()
    # One fixed caption shares shapes, colours and places with most scenes.
    assert 0.33 < manifest["chance"]["value"] < 0.43
    assert manifest["chance"]["definition"] == "the best constant caption"
    means = {}
    for name in ("baseline", "dms", "constant"):
        found = folder.records(name)
        assert set(found["status"]) == {"ok"} and len(found) == 2 * 24
        means[name] = found.groupby("image_severity")["score"].mean()
        assert means[name][0] > 0.95
    assert means["dms"][5] > means["baseline"][5] + 0.1, "the context is left, and the scheduler notices"
    assert set(manifest["models"]) == {"baseline", "dms", "image-only", "text-only", "constant"}
    compared = dmsbench("compare", "baseline", "dms", "--out", tmp_path, "--format", "json")
    assert json.loads(compared.out)["overall"]["difference"] > 0
    again = dmsbench("run", "--suite", SUITE, *options, "--quiet")
    assert again.code == 0 and only_run(tmp_path).path == folder.path


def test_scores_of_the_same_captions(dmsbench: Callable[..., Any], tmp_path: Path) -> None:
    options = ["--corruption", "clean", "--limit", 12, "--model", "baseline-scenes", "--out", tmp_path]
    done = dmsbench("run", "--suite", SUITE, *options, "--quiet")
    assert done.code == 0, done.err
    source = only_run(tmp_path)
    for name in ("cider_d", "bleu4", "rouge_l", "chrf"):
        done = dmsbench("rescore", source.path, "--score", name)
        assert done.code == 0, done.err
    asked = dmsbench("run", "--suite", SUITE, *options, "--score", "cider_d", "--quiet")
    assert asked.code == 0, asked.err
    found: dict[str, list[Any]] = {}
    for path in (tmp_path / SUITE).iterdir():
        folder = RunFolder(path)
        found.setdefault(folder.manifest()["suite"]["score"], []).append(folder.records("baseline-scenes"))
    assert found.keys() == {"attributes", "cider_d", "bleu4", "rouge_l", "chrf"}
    for name in ("bleu4", "rouge_l", "chrf"):
        assert found[name][0]["score"].between(0.5, 1).all()
    chances = {
        RunFolder(path).manifest()["suite"]["score"]: RunFolder(path).manifest()["chance"]["value"]
        for path in (tmp_path / SUITE).iterdir()
    }
    data = scenes.load("test", 2, task="captioning")
    for name, value in chances.items():
        assert value == chance_of(on_split(scorer(name, "captioning"), data), data)["value"]
    # Frequencies of the whole split: a limit does not change a caption's score.
    (cider,) = found["cider_d"]
    assert cider["score"].between(0, 1).all() and cider["score"].mean() > 0.3
    more = dmsbench("run", "--suite", SUITE, *options[:2], "--limit", 20, *options[4:], "--score", "cider_d")
    assert more.code == 0, more.err
    longer = [
        RunFolder(path).records("baseline-scenes")
        for path in (tmp_path / SUITE).iterdir()
        if RunFolder(path).manifest()["suite"]["limit"] == 20
    ]
    merged = cider.merge(longer[0], on="sample_id")
    np.testing.assert_array_equal(merged["score_x"], merged["score_y"])


def test_anybodys_captions(dmsbench: Callable[..., Any], tiny_folder: Path, tmp_path: Path) -> None:
    rows = []
    for i, sample in enumerate(scenes.load("test", 1, 4, "captioning").samples):
        assert not isinstance(sample.image, Path)
        Image.fromarray(sample.image.draw()).save(tmp_path / f"{i}.png")
        rows.append({"image": f"{i}.png", "captions": [sample.answers[0], "a picture"], "context": "shapes"})
    data = tmp_path / "mine.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    models = ["--model", f"static={tiny_folder}", "--model", f"late={tiny_folder},fusion=late"]
    options = ["--data", data, *models, "--severity", 5, "--out", tmp_path / "out", "--quiet"]
    refused = dmsbench("run", "--suite", SUITE, *options)
    assert refused.code == 2 and "use cider_d" in refused.err
    done = dmsbench("run", "--suite", SUITE, *options, "--score", "cider_d")
    assert done.code == 0, done.err
    run = only_run(tmp_path / "out")
    wrong = dmsbench("rescore", run.path, "--score", "attributes")
    assert wrong.code == 2 and "use cider_d" in wrong.err
    records = run.records("static")
    assert set(records["status"]) <= {"ok", "left_out"} and set(records["question"]) == {
        "Describe the image."
    }


def test_scores_of_another_task_are_refused(dmsbench: Callable[..., Any], tmp_path: Path) -> None:
    for suite, score in ((SUITE, "exact_match"), ("vqa-corrupt", "cider_d"), (SUITE, "cidre_d")):
        done = dmsbench("run", "--suite", suite, "--score", score, "--limit", 2, "--out", tmp_path)
        assert done.code == 2 and "unknown score" in done.err and done.err.count("\n") == 1
    assert "did you mean 'cider_d'" in done.err


def test_what_captions_cannot_have_is_one_line(
    dmsbench: Callable[..., Any], tmp_path: Path, tiny_folder: Path
) -> None:
    fit = ("fit", f"x={tiny_folder}", "--suite", SUITE, "--out", tmp_path / "fit", "--limit", 8)
    run = ("run", "--suite", SUITE, "--limit", 2, "--out", tmp_path, "--model")
    for asked, words in (
        ((*fit, "--source", "probe"), "use --source corner"),
        ((*run, "x=tiny-blip2-scenes,fusion=constant"), "none for captioning"),
        ((*run, "x=tiny-blip2-scenes,fusion=dms"), "none for captioning"),
        ((*run, f"x={tiny_folder},fusion=tmc"), "use late, mla or qmf"),
    ):
        done = dmsbench(*asked)
        assert done.code == 2 and words in done.err, done.err
        assert done.err.strip().count("\n") == 0


def test_captions_that_are_all_one_leave_no_chance() -> None:
    images = scenes.load("test", 1, 4, "captioning").samples
    same = tuple(replace(sample, answers=("a red circle",)) for sample in images)
    data = replace(scenes.load("test", 1, 4, "captioning"), samples=same)
    assert chance_of(scorer("chrf", "captioning"), data) is None
    assert chance_of(scorer("chrf", "captioning"), replace(data, samples=same[:1])) is None


def test_a_caption_of_ones_own_is_left_out_where_it_would_be_false(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [
        {"image": "a.png", "caption": "a red car on the left of two trees"},
        {"image": "b.png", "caption": "a car", "about": []},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    by_image = {sample.image.name: sample for sample in local.load(path, task="captioning").samples}
    for name in ("hue_shift", "flip_h", "invert", "partial_crop"):
        assert Truth().reason(by_image["a.png"], View(name, 1)) is not None
        assert Truth().reason(by_image["b.png"], View(name, 1)) is None
    assert Truth().reason(by_image["a.png"], View("gaussian_noise", 5)) is None
