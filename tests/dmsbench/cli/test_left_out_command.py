"""Questions of colour under a shifted hue, from the command line: left out, or asked on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dmsbench.runner.store import RunFolder

Call = Callable[..., Any]
COLOURS = {"red": (200, 30, 30), "green": (30, 160, 30), "blue": (40, 40, 200)}


@pytest.fixture
def command(tmp_path: Path) -> tuple[str | Path, ...]:
    """A run of a suite with a colour shift and a fading, on three pictures with a question of colour each."""
    rows: list[dict[str, Any]] = []
    for colour, pixel in COLOURS.items():
        pixels = np.full((64, 64, 3), 230, np.uint8)
        pixels[16:48, 16:48] = pixel
        Image.fromarray(pixels).save(tmp_path / f"{colour}.png")
        image = {"image": f"{colour}.png"}
        rows.append(
            {**image, "question": "what color is the shape?", "answers": [colour], "about": ["colour"]}
        )
        rows.append({**image, "question": "what shape is present?", "answers": ["rectangle"], "about": []})
        rows.append({**image, "question": "is there a circle?", "answers": ["no"]})
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "hues.yaml").write_text(
        "name: hues\ndataset: {name: local, path: q.jsonl}\nmodels: [baseline]\nseverities: [1, 5]\n"
        "grid: {image: [hue_shift, contrast], modality: [mismatch]}\ninclude_false: [mismatch]\n"
    )
    return "run", "--suite", tmp_path / "hues.yaml", "--out", tmp_path / "results"


LEFT = "left out: hue_shift 3 of 9 samples (colour)"
MISMATCH = "included though it makes answers wrong: mismatch"
BOTH = "included though they make answers wrong: hue_shift, mismatch"


def records(folder: Path) -> Any:
    found = RunFolder(folder).records("baseline")
    return found[found["image_corruption"] == "hue_shift"]


def test_left_out_by_default_and_asked_on_purpose(
    command: tuple[str | Path, ...], tmp_path: Path, dmsbench: Call
) -> None:
    dry = dmsbench(*command, "--dry-run")
    assert dry.code == 0
    assert LEFT in dry.out.splitlines()
    assert MISMATCH in dry.out.splitlines()
    assert " 57 " in dry.out  # of 7 conditions x 9 samples, without twice 3
    assert not (tmp_path / "results").exists()

    done = dmsbench(*command)
    assert done.code == 0
    assert LEFT in done.err
    assert LEFT in done.out
    assert "63 records of baseline, 0 errors, 6 left out; in " in done.out
    (folder,) = (tmp_path / "results" / "hues").iterdir()
    found = records(folder)
    lost = found[found["status"] == "left_out"]
    assert set(lost["question"]) == {"what color is the shape?"}
    assert len(lost) == 6
    assert set(found["status"]) == {"ok", "left_out"}
    manifest = RunFolder(folder).manifest()
    assert manifest["suite"]["include_false"] == ["mismatch"]
    assert manifest["models"]["baseline"]["left_out"] == 6
    board = json.loads((folder / "leaderboard.json").read_text())
    assert (board["truth"], board["rows"][0]["n_left_out"]) == ([LEFT, MISMATCH], 6)
    assert board["rows"][0]["error_rate"] == 0
    page = (folder / "leaderboard.md").read_text()
    assert f"- {LEFT}." in page
    assert f"- {MISMATCH}." in page
    again = dmsbench(*command)
    assert "0 errors, 6 left out, 63 from an earlier run" in again.out

    asked = dmsbench(*command, "--include-false", "hue_shift")
    assert asked.code == 0
    assert "63 records of baseline, 0 errors; in " in asked.out
    assert BOTH in asked.err
    assert "left out: " not in asked.out
    (other,) = (path for path in (tmp_path / "results" / "hues").iterdir() if path != folder)
    assert set(records(other)["status"]) == {"ok"}
    assert BOTH in (other / "leaderboard.md").read_text()

    compared = dmsbench("compare", f"{folder}:baseline", f"{other}:baseline")
    assert compared.code == 3
    assert "A leaves out 6 records that B holds" in compared.err
    same = dmsbench("compare", f"{folder}:baseline", f"{folder}:baseline")
    assert LEFT in same.out.splitlines()
    as_json = dmsbench("compare", f"{folder}:baseline", f"{folder}:baseline", "--format", "json")
    content = json.loads(as_json.out)
    assert (content["n_left_out"], content["error_pairs"], content["truth"]) == (6, 0, [LEFT, MISMATCH])
    assert {c["name"]: c["n_left_out"] for c in content["by_corruption"]}["hue_shift"] == 6
    markdown = dmsbench("compare", f"{folder}:baseline", f"{folder}:baseline", "--format", "markdown")
    assert f"- {LEFT}" in markdown.out
    gated = dmsbench("gate", "--reference", f"{folder}:baseline", "--candidate", f"{folder}:baseline")
    assert gated.code == 0
    assert "6 pairs were not asked" in gated.out


def test_a_corruption_that_leaves_all_out_is_in_no_mean_and_still_reported(
    command: tuple[str | Path, ...], tmp_path: Path, dmsbench: Call
) -> None:
    rows = [
        json.loads(line) | {"about": "colour"} for line in (tmp_path / "q.jsonl").read_text().splitlines()
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = dmsbench(*command, "--corruption", "hue_shift", "--corruption", "contrast")
    assert done.code == 0
    assert "left out: hue_shift 9 of 9 samples (colour); in no mean" in done.out
    (folder,) = (tmp_path / "results" / "hues").iterdir()
    assert (folder / "curves.png").is_file()


def test_what_a_suite_sets_stands_in_the_plan_and_in_every_report(
    command: tuple[str | Path, ...], tmp_path: Path, dmsbench: Call
) -> None:
    suite = tmp_path / "hues.yaml"
    suite.write_text(suite.read_text() + "settings: {contrast: {profile: calibrated}}\n")
    told = "set for contrast: profile calibrated"
    assert told in dmsbench(*command, "--dry-run").out.splitlines()
    done = dmsbench(*command, "--model", "baseline", "--model", "other=baseline")
    assert done.code == 0
    assert told in done.err
    assert told in done.out
    (folder,) = (tmp_path / "results" / "hues").iterdir()
    assert f"- {told}." in (folder / "leaderboard.md").read_text()
    assert told in dmsbench("compare", "baseline", "other", "--out", tmp_path / "results").out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("contrast", "'contrast' makes nothing false"),
        ("grayscale", "'grayscale' is not in the grid"),
        ("hue_shfit", "did you mean 'hue_shift'?"),
    ],
)
def test_what_cannot_be_included(
    command: tuple[str | Path, ...], dmsbench: Call, name: str, said: str
) -> None:
    done = dmsbench(*command, "--include-false", name)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_the_catalogue_says_what_each_can_make_false(dmsbench: Call) -> None:
    listed = {entry["name"]: entry for entry in json.loads(dmsbench("list", "corruptions", "--json").out)}
    assert listed["flip_h"]["falsifies"] == ["position", "text"]
    assert listed["fog"]["falsifies"] == []
    table = dmsbench("list", "corruptions").out
    assert "falsifies" in table
    assert "[]" not in table
