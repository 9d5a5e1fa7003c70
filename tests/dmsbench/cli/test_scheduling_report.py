"""A small run with controls and scheduled models: what ``run``, ``report`` and ``compare`` say of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
FILES = ("scheduling.md", "scheduling.json", "weights.png", "weights.svg")


def test_scheduled_models_are_reported_with_their_controls(
    dmsbench: Call, tmp_path: Path, one_thread: None
) -> None:
    scheduler, out = tmp_path / "scheduler", tmp_path / "results"
    fit = ("fit", "baseline", "--suite", "smoke", "--held-out", "image:noise", "--limit", 400)
    done = dmsbench(*fit, "--out", scheduler, "--quiet")
    assert done.code == 0, done.err
    card = json.loads((scheduler / "fit.json").read_text())
    assert "gaussian_noise" not in card["corruptions"] and "shot_noise" in card["held_out"]
    models = ("baseline", "dms", "image-only", "text-only", f"fitted=dms,scheduler={scheduler}")
    done = dmsbench(
        *("run", "--suite", "smoke", "--limit", 30, "--out", out),
        *(part for model in models for part in ("--model", model)),
    )
    assert done.code == 0, done.err
    for words in (
        "headroom over corrupted",
        "gain over static fusion",
        "the image's weight",
        "signals: AUROC",
    ):
        assert words in done.out
    (folder,) = (out / "smoke").iterdir()
    written = json.loads((folder / "scheduling.json").read_text())
    assert [entry["model"] for entry in written["models"]] == ["dms", "fitted"]
    board = {
        row["model"]: row["mean"]["value"]
        for row in json.loads((folder / "leaderboard.json").read_text())["rows"]
    }
    for entry in written["models"]:
        assert entry["static"] == "baseline" and set(entry["points"]) == {"image-only", "text-only"}
        room = entry["headroom"]
        gain = board[entry["model"]] - board["baseline"]
        assert room["gain"]["value"] == pytest.approx(gain, abs=2e-6)
        assert room["available"]["value"] >= 0
        trends = {part["name"]: part["trend"] for part in entry["weights"]["corruptions"]}
        assert set(trends) == {
            "gaussian_noise",
            "occlusion",
            "keyboard",
            "mismatch",
            "drop_image",
            "gaussian_noise+keyboard",
        }
        assert trends["drop_image"] == "falls"
    fitted = written["models"][1]
    assert fitted["fitted_on"] == sorted(card["corruptions"])
    relations = {group["name"]: group["n_conditions"] for group in fitted["by_relation"]}
    # occlusion and keyboard; noise is held out, and what it is joint with too
    assert relations == {"fitted": 6, "unseen family": 12}

    compared = dmsbench("compare", "baseline", "fitted", "--out", out, "--format", "json")
    found = json.loads(compared.out)
    for kind in ("by_relation", "by_family"):
        assert [group["name"] for group in found[kind]] == [group["name"] for group in fitted[kind]]
        for one, other in zip(found[kind], fitted[kind], strict=True):
            assert one["difference"] == pytest.approx(other["difference"], abs=1e-6)
            assert one["ci_low"] == pytest.approx(other["ci_low"], abs=1e-6)
    table = dmsbench("compare", "baseline", "fitted", "--out", out).out
    assert "unseen family" in table and "image:noise" in table and "of another one of its family" in table
    rows = dmsbench("compare", "baseline", "fitted", "--out", out, "--format", "csv").out.splitlines()
    assert rows[-1].startswith("image:noise+text:character,") and rows[-1].endswith(",,,0,,0.0,0.0")
    markdown = dmsbench("compare", "baseline", "fitted", "--out", out, "--format", "markdown").out
    assert "| unseen family (12) |" in markdown
    plain = json.loads(dmsbench("compare", "baseline", "dms", "--out", out, "--format", "json").out)
    assert plain["by_relation"] == [] and len(plain["by_family"]) == 6

    before = {name: (folder / name).read_bytes() for name in FILES}
    for name in FILES:
        (folder / name).unlink()
    assert dmsbench("report", folder).code == 0
    assert {name: (folder / name).read_bytes() for name in FILES} == before


def test_a_run_without_a_scheduled_model_has_no_such_report(dmsbench: Call, tmp_path: Path) -> None:
    arguments = ("--limit", 8, "--severity", 5, "--model", "baseline", "--model", "image-only")
    done = dmsbench("run", "--suite", "smoke", *arguments, "--out", tmp_path)
    assert done.code == 0, done.err
    (folder,) = (tmp_path / "smoke").iterdir()
    assert not any((folder / name).exists() for name in FILES)
    assert "headroom" not in done.out
