"""The whole way with the shipped checkpoint: run, continue, compare, gate, report."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from dmsbench.models.spec import RETRIEVAL_TYPES, SCHEDULED_TYPES, checkpoint_folder
from dmsbench.runner.store import RunFolder
from dmsbench.suite import load_suite
from dmsbench.tasks.scorers import scorers

Call = Callable[..., Any]
KEYS = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]


def only_run(out: Path, suite: str = "smoke") -> RunFolder:
    (folder,) = (out / suite).iterdir()
    return RunFolder(folder)


def records(folder: RunFolder, model: str) -> pd.DataFrame:
    return folder.records(model).sort_values(KEYS).reset_index(drop=True)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one finished smoke run, made once for all tests here."""
    folder = tmp_path_factory.mktemp("results")
    done = subprocess.run(
        [sys.executable, "-m", "dmsbench", "run", "--suite", "smoke", "--out", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "6,080 records of baseline, dms, 0 errors" in done.stdout
    assert "smoke: 19 conditions × 160 samples × 2 models" in done.stderr
    return folder


def test_a_run_leaves_every_condition_and_what_people_look_at(out: Path) -> None:
    folder = only_run(out)
    names = {path.name for path in folder.path.iterdir()}
    assert {
        "manifest.json",
        "leaderboard.md",
        "leaderboard.csv",
        "leaderboard.json",
        "curves.png",
        "curves.svg",
    } <= names
    for model in ("baseline", "dms"):
        found = records(folder, model)
        assert len(found) == 19 * 160
        assert (found["status"] == "ok").all()
        assert not found.duplicated(KEYS).any()
    scheduled = records(folder, "dms")
    both = scheduled[scheduled["image_hash"] != "absent"]
    assert np.allclose(both["weight_image"] + both["weight_text"], 1.0, atol=1e-5)
    for column in (
        "confidence_image",
        "confidence_text",
        "uncertainty_image",
        "uncertainty_text",
        "consistency",
    ):
        assert both[column].between(0, 1).all()
    assert both["uncertainty_image"].gt(0).mean() > 0.99
    board = json.loads((folder.path / "leaderboard.json").read_text())
    assert {row["model"] for row in board["rows"]} == {"baseline", "dms"}


def test_the_same_command_continues_and_changes_nothing(out: Path, dmsbench: Call) -> None:
    folder = only_run(out)
    before = {path: path.read_bytes() for path in folder.path.rglob("*.parquet")}
    done = dmsbench("run", "--suite", "smoke", "--out", out)
    assert done.code == 0
    assert "6,080 from an earlier run" in done.out
    assert {path: path.read_bytes() for path in folder.path.rglob("*.parquet")} == before


def test_fresh_computes_the_same_anew(out: Path, tmp_path: Path, dmsbench: Call) -> None:
    shutil.copytree(out, tmp_path / "copy")
    before = records(only_run(out), "baseline")
    done = dmsbench("run", "--suite", "smoke", "--model", "baseline", "--fresh", "--out", tmp_path / "copy")
    assert done.code == 0
    assert "earlier" not in done.out
    pd.testing.assert_frame_equal(records(only_run(tmp_path / "copy"), "baseline"), before)


def test_compare_in_every_format(out: Path, dmsbench: Call) -> None:
    done = dmsbench("compare", "baseline", "dms", "--out", out, "--format", "json")
    found = json.loads(done.out)
    assert done.code == 0
    assert (found["suite"], found["a"], found["b"]) == ("smoke", "baseline", "dms")
    assert found["overall"].keys() >= {"a", "b", "difference", "ci_low", "ci_high", "p_value", "verdict"}
    assert found["overall"]["difference"] == pytest.approx(found["overall"]["b"] - found["overall"]["a"])
    assert {entry["name"] for entry in found["by_corruption"]} == {
        "gaussian_noise",
        "occlusion",
        "keyboard",
        "drop_image",
        "mismatch",
        "gaussian_noise+keyboard",
    }
    swapped = json.loads(dmsbench("compare", "dms", "baseline", "--out", out, "--format", "json").out)
    assert swapped["overall"]["difference"] == pytest.approx(-found["overall"]["difference"])
    table = dmsbench("compare", "baseline", "dms", "--out", out)
    assert "mean over conditions:" in table.out
    assert dmsbench("compare", "baseline", "dms", "--out", out, "--format", "csv").out.startswith("name,a,b,")
    assert dmsbench("compare", "baseline", "dms", "--out", out, "--format", "markdown").out.startswith(
        "| condition"
    )


def test_compare_refuses_another_seed(out: Path, tmp_path: Path, dmsbench: Call) -> None:
    arguments = ("--suite", "smoke", "--model", "other=baseline", "--seed", "1", "--corruption", "keyboard")
    assert dmsbench("run", *arguments, "--out", tmp_path, "--quiet").code == 0
    done = dmsbench("compare", f"{only_run(out).path}:baseline", f"{only_run(tmp_path).path}:other")
    assert done.code == 3
    assert "differ in seed (0 and 1)" in done.err


def test_compare_refuses_missing_conditions(out: Path, tmp_path: Path, dmsbench: Call) -> None:
    arguments = ("--suite", "smoke", "--model", "baseline", "--corruption", "keyboard", "--out", tmp_path)
    assert dmsbench("run", *arguments, "--quiet").code == 0
    few = f"{only_run(tmp_path).path}:baseline"
    whole = f"{only_run(out).path}:baseline"
    done = dmsbench("compare", whole, few)
    assert done.code == 3
    assert "lacks 15 of 19 conditions" in done.err
    gate = dmsbench("gate", "--reference", whole, "--candidate", few)
    assert gate.code == 1
    assert "conditions" in gate.out


def test_gate_passes_the_same_and_fails_a_worsened_model(out: Path, tmp_path: Path, dmsbench: Call) -> None:
    same = dmsbench("gate", "--reference", "baseline", "--candidate", "baseline", "--out", out)
    assert same.code == 0
    assert "gate passed" in same.out
    worse = tmp_path / "worse"
    shutil.copytree(checkpoint_folder("tiny-llava-easy-vqa"), worse)
    weights = load_file(worse / "model.safetensors")
    rng = np.random.default_rng(0)
    for name, tensor in weights.items():
        if name.startswith("language_model.model.layers"):
            tensor += tensor.new_tensor(rng.normal(0, 1.5, tensor.shape)) * tensor.abs().mean()
    save_file(weights, worse / "model.safetensors", metadata={"format": "pt"})
    copy = tmp_path / "results"
    shutil.copytree(out, copy)
    assert (
        dmsbench("run", "--suite", "smoke", "--model", f"worse={worse}", "--out", copy, "--quiet").code == 0
    )
    done = dmsbench(
        "gate", "--reference", "baseline", "--candidate", "worse", "--tolerance", "0.05", "--out", copy
    )
    assert done.code == 1
    assert "gate failed" in done.out
    assert "FAIL" in done.out


def test_report_rewrites_from_records_alone(out: Path, tmp_path: Path, dmsbench: Call) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(only_run(out).path, copy)
    svg = (copy / "curves.svg").read_bytes()
    for name in ("curves.svg", "leaderboard.md"):
        (copy / name).unlink()
    assert dmsbench("report", copy).code == 0
    assert (copy / "curves.svg").read_bytes() == svg
    assert "baseline" in (copy / "leaderboard.md").read_text()


def test_dry_run_writes_nothing(tmp_path: Path, dmsbench: Call) -> None:
    done = dmsbench("run", "--suite", "smoke", "--dry-run", "--out", tmp_path / "none")
    assert done.code == 0
    assert "19 conditions × 160 samples" in done.out
    assert "3,040" in done.out
    assert "gaussian_noise: 1, 3, 5" in done.out
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--suite", "vqa-corupt"], "unknown suite 'vqa-corupt': did you mean 'vqa-corrupt'?"),
        (
            ["run", "--suite", "smoke", "--model", "basline"],
            "unknown model 'basline': did you mean 'baseline'?",
        ),
        (["run", "--suite", "smoke", "--corruption", "ocluson"], "did you mean 'occlusion'?"),
        (["run", "--suite", "smoke", "--severity", "6"], "--severity '6': use numbers from 1 to 5"),
        (["run", "--suite", "smoke", "--severity", "x"], "--severity 'x': use numbers from 1 to 5"),
        (
            ["run", "--suite", "smoke", "--batch-size", "0"],
            "--batch-size '0': use a number from 1 to 1,000,000, or auto",
        ),
        (["run", "--suite", "smoke", "--device", "warp"], "device 'warp' cannot be used"),
        (["run", "--suite", "smoke", "--data", "none.jsonl"], "none.jsonl"),
        (["run", "--suite", "smoke", "--images", "x"], "--images belongs to --data"),
        (
            ["run", "--suite", "smoke", "--model", "a=baseline", "--model", "a=dms"],
            "two models are named 'a'",
        ),
        (["run", "--suite", "smoke", "--model", "x=/tmp"], "cannot load '/tmp': it has no config.json"),
        (["compare", "a", "b", "--out", "/nonexistent"], "no runs here; start with: dmsbench run"),
        (["gate", "--reference", "a", "--candidate", "b", "--tolerance", "7"], "tolerance"),
        (["suite", "check", "nope"], "unknown suite 'nope'"),
    ],
)
def test_mistakes_cost_one_line_and_exit_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    out: Path,
    dmsbench: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "gate":
        arguments = [*arguments[:2], "baseline", "--candidate", "dms", *arguments[5:], "--out", str(out)]
    done = dmsbench(*arguments)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_own_data_with_bad_rows(tmp_path: Path, dmsbench: Call) -> None:
    pixels = np.full((64, 64, 3), 230, np.uint8)
    pixels[20:40, 20:44] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "red.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "red.png").read_bytes()[:60])
    good = [
        {"id": f"g{i}", "image": "red.png", "question": question, "answers": [answer]}
        for i, (question, answer) in enumerate(
            [
                ("what color is the shape?", "red"),
                ("is there a circle?", "no"),
                ("what shape is present?", "rectangle"),
            ]
        )
    ]
    bad = [
        {"id": "b0", "image": "gone.png", "question": "what?", "answers": ["red"]},
        {"id": "b1", "image": "broken.png", "question": "what?", "answers": ["red"]},
        {"id": "b2", "image": "red.png", "question": "", "answers": ["red"]},
        {"id": "b3", "image": "red.png", "question": "what?", "answers": []},
        {"id": "b4", "image": "red.png", "question": "<image> what?", "answers": ["red"]},
    ]
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in good + bad))
    done = dmsbench(
        "run", "--suite", "smoke", "--data", file, "--corruption", "clean", "--out", tmp_path / "out"
    )
    assert done.code == 4
    assert "16 records of baseline, dms, 10 errors" in done.out
    assert "62.5% of baseline's rows failed, the suite allows 1.0%" in done.err
    found = records(only_run(tmp_path / "out"), "baseline").set_index("sample_id")
    assert found.loc[["g0", "g1", "g2"], "score"].tolist() == [1.0, 1.0, 1.0]
    assert (found.loc[[f"b{i}" for i in range(5)], "status"] == "data_error").all()


def test_killed_at_any_moment_and_continued(tmp_path: Path, out: Path) -> None:
    command = [sys.executable, "-m", "dmsbench", "run", "--suite", "smoke", "--model", "baseline", "--out"]
    process = subprocess.Popen(
        [*command, str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while (
        len(list(tmp_path.rglob("*.parquet"))) < 3 and time.monotonic() < deadline and process.poll() is None
    ):
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "from an earlier run" in done.stdout
    expected = records(only_run(out), "baseline")
    pd.testing.assert_frame_equal(records(only_run(tmp_path), "baseline"), expected, rtol=1e-4)


def test_a_polite_stop_says_how_to_go_on(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "dmsbench",
        "run",
        "--suite",
        "smoke",
        "--limit",
        "0",
        "--out",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in err
    assert "Traceback" not in err


def test_clean_accuracy_of_the_shipped_checkpoint(tmp_path: Path, dmsbench: Call) -> None:
    arguments = ("--suite", "vqa-corrupt", "--model", "baseline", "--corruption", "clean", "--limit", "0")
    done = dmsbench("run", *arguments, "--out", tmp_path, "--quiet")
    assert done.code == 0
    found = records(only_run(tmp_path, "vqa-corrupt"), "baseline")
    assert len(found) == 9673
    assert found["score"].mean() >= 0.97


def test_lists(dmsbench: Call) -> None:
    entries = json.loads(dmsbench("list", "corruptions", "--json").out)
    assert {entry["name"] for entry in entries} >= set(load_suite("vqa-corrupt").corruption_names)
    assert all({"name", "kind", "family", "parameters", "source"} <= entry.keys() for entry in entries)
    by_name = {entry["name"]: entry for entry in entries}
    glass = by_name["glass_blur"]
    assert list(glass["distances"]) == list(glass["flags"]) == list(glass["parameters"])
    assert [row["severity"] for row in glass["distances"]["calibrated64"]] == [1, 2, 3, 4, 5]
    assert glass["flags"]["imagenet224"] == ["not growing 3-4"]
    assert by_name["synonym"]["distances"]["default"][0].keys() == {"severity", "edits", "unchanged"}
    table = dmsbench("list", "corruptions").out
    assert "1−SSIM .226 .295 .374 .461 .505" in table
    assert "hit    .196" in table
    for what in ("suites", "models", "datasets", "scores", "corruptions"):
        assert dmsbench("list", what).code == 0
    scores = json.loads(dmsbench("list", "scores", "--json").out)
    assert [(entry["name"], entry["signature"]) for entry in scores] == [
        (entry.name, entry.signature) for entry in scorers()
    ]
    models = {entry["name"]: entry for entry in json.loads(dmsbench("list", "models", "--json").out)}
    fusions = {name: entry["fusion"] for name, entry in models.items() if entry["kind"] == "model type"}
    weighed = [*SCHEDULED_TYPES, *(f"{kind} for retrieval" for kind in RETRIEVAL_TYPES)]
    assert fusions == {**dict.fromkeys(weighed, "static and dms"), "any other": "static only"}
    assert models["dms"]["specification"].endswith("fusion=dms")
    assert "static only" in dmsbench("list", "models").out
    assert "95 conditions" not in dmsbench("suite", "check", "vqa-corrupt").out
    assert "96 conditions of 19 corruptions" in dmsbench("suite", "check", "vqa-corrupt").out
