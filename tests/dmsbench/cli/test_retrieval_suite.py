"""Retrieval from the command line: the shipped checkpoints, your own pictures, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dmsbench.runner.store import RunFolder
from dmsbench.tasks.retrieval import expected_recall

SUITE = "retrieval-corrupt"
pytestmark = pytest.mark.usefixtures("one_thread")


def only_run(folder: Path) -> RunFolder:
    (path,) = (folder / SUITE).iterdir()
    return RunFolder(path)


def test_the_shipped_checkpoints_find_scenes(dmsbench: Callable[..., Any], tmp_path: Path) -> None:
    options = ["--corruption", "occlusion", "--severity", 3, "--limit", 40, "--out", tmp_path]
    done = dmsbench("run", "--suite", SUITE, *options, "--quiet")
    assert done.code == 0, done.err
    folder = only_run(tmp_path)
    manifest = folder.manifest()
    names = {"baseline", "dms", "image-only", "text-only", "constant", "clip"}
    assert set(manifest["models"]) == names
    # Forty queries, among the four hundred items or captions of the split.
    assert manifest["chance"]["value"] == pytest.approx(expected_recall(1, 400, 1), rel=0.05)
    for name in names:
        found = folder.records(name)
        assert set(found["status"]) == {"ok"} and len(found) == 2 * 40
        assert set(found["direction"]) == {"image_to_text", "text_to_image"}
        assert (found["score"] == (found["rank"] == 1)).all()
        clean = found[found["image_severity"] == 0]
        assert clean["score"].mean() >= (0.3 if name == "text-only" else 0.95)
        damaged = found[found["image_severity"] == 3]["score"].mean()
        assert name == "text-only" or 0.01 < damaged < clean["score"].mean()
    weights = folder.records("dms").groupby("image_severity")["weight_image"].mean()
    assert weights[3] < weights[0] - 0.1, "a covered picture counts for less"
    compared = dmsbench("compare", "baseline", "dms", "--out", tmp_path, "--format", "json")
    assert {"difference", "ci_low", "ci_high"} <= set(json.loads(compared.out)["overall"])
    rows = json.loads((folder.path / "leaderboard.json").read_text())["retrieval"]
    assert rows, "recalls, median ranks and rsum by direction"


def test_another_recall_needs_no_model(dmsbench: Callable[..., Any], tmp_path: Path) -> None:
    options = ["--corruption", "clean", "--limit", 30, "--model", "m=clip-retrieval", "--out", tmp_path]
    assert dmsbench("run", "--suite", SUITE, *options, "--quiet").code == 0
    source = only_run(tmp_path)
    done = dmsbench("rescore", source.path, "--score", "reciprocal_rank")
    assert done.code == 0, done.err
    (other,) = [path for path in (tmp_path / SUITE).iterdir() if path != source.path]
    found = RunFolder(other).records("m")
    np.testing.assert_allclose(found["score"], 1.0 / found["rank"], rtol=1e-6)


def test_your_own_pictures_and_captions(dmsbench: Callable[..., Any], tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.Philox(key=3))
    rows = []
    for n in range(4):
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
        captions = [f"a small red circle at the top left, {n}", f"number {n}"]
        rows.append({"id": f"r{n}", "image": f"{n}.png", "captions": captions, "title": f"picture {n}"})
    rows.append({"id": "bad", "image": "0.png", "captions": []})
    data = tmp_path / "mine.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    options = ["--data", data, "--corruption", "gaussian_noise", "--severity", 5, "--limit", 0]
    models = ["--model", "baseline-retrieval", "--model", "clip=clip-retrieval"]
    done = dmsbench("run", "--suite", SUITE, *options, *models, "--out", tmp_path / "out", "--quiet")
    assert done.code == 4, "one row of twelve cannot be used"
    found = only_run(tmp_path / "out").records("clip")
    assert (found["status"] == "data_error").sum() == 2
    sound = found[found["status"] == "ok"]
    assert len(sound) == 2 * (4 + 8)
    assert sound["rank"].between(1, 8).all()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("baseline", "do not retrieve"),
        ("m=tiny-clip-scenes,depth=4", "second stage"),
        ("m=baseline-retrieval,fusion=dms,alpha=2", "models that answer"),
        ("m=tiny-blip2-retrieval,fusion=tmc", "late, mla or qmf"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(
    model: str, words: str, dmsbench: Callable[..., Any], tmp_path: Path
) -> None:
    done = dmsbench("run", "--suite", SUITE, "--model", model, "--limit", 4, "--out", tmp_path)
    assert done.code == 2 and words in done.err and "Traceback" not in done.err


def test_a_retriever_does_not_answer_questions(dmsbench: Callable[..., Any], tmp_path: Path) -> None:
    done = dmsbench(
        "run", "--suite", "vqa-corrupt", "--model", "clip-retrieval", "--limit", 4, "--out", tmp_path
    )
    assert done.code == 2 and "Traceback" not in done.err
