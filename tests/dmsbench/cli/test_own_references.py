"""The committed references: what they are, and that a model which was made worse does not pass them."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dmsbench.gate import GateConfig, gate_sides
from dmsbench.gate.saved import read

Call = Callable[..., Any]
REFERENCE = Path(__file__).parents[3] / "results" / "reference"
SMOKE = REFERENCE / "smoke" / "baseline.parquet"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.mark.parametrize("suite", ["smoke", "vqa-corrupt"])
@pytest.mark.parametrize("model", ["baseline", "dms"])
def test_they_are_small_and_name_no_machine(suite: str, model: str, dmsbench: Call) -> None:
    path = REFERENCE / suite / f"{model}.parquet"
    assert path.stat().st_size < 100_000
    assert json.loads(dmsbench("reference", "show", path, "--format", "json").out)["suite"] == suite
    assert "/" not in str(json.loads(path.with_suffix(".json").read_text())["entry"]["spec"])


def test_they_are_what_the_leaderboard_was_made_of() -> None:
    board = json.loads((REFERENCE / "vqa-corrupt" / "leaderboard.json").read_text())
    for row in board["rows"]:
        table = pq.read_table(REFERENCE / "vqa-corrupt" / f"{row['model']}.parquet").to_pandas()
        clean = (table["image_corruption"] == "clean") & (table["text_corruption"] == "clean")
        assert table[clean]["score"].mean() == pytest.approx(row["clean"]["value"], abs=1e-5)


def test_noise_on_the_weights_fails_the_gate_with_the_reviewer_s_message(
    tmp_path: Path, dmsbench: Call
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    noisy = tmp_path / "noisy"
    shutil.copytree(str(files("dmsbench") / "models" / "weights" / "tiny-llava-easy-vqa"), noisy)
    weights = load_file(noisy / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in weights.items():
        if tensor.is_floating_point() and tensor.ndim > 1:
            noise = torch.randn(tensor.shape, generator=generator) * tensor.float().std()
            weights[name] = (tensor.float() + 0.3 * noise).to(tensor.dtype)
    save_file(weights, noisy / "model.safetensors", metadata={"format": "pt"})
    done = dmsbench("run", "--suite", "smoke", "--model", f"mine={noisy},fusion=static", "--quiet")
    assert done.code == 0, done.err
    done = dmsbench("gate", "--reference", SMOKE, "--candidate", "mine")
    assert done.code == 1
    assert re.search(
        r"^FAIL overall: dropped by 0\.\d{4}, more than the tolerance of 0\.02, and noise does",
        done.out,
        re.M,
    )
    assert "The gate failed: 'mine' fails" in done.out


def test_another_machine_and_other_libraries_are_compared_all_the_same() -> None:
    """What the gate holds against each other is what was asked, not what it ran on."""
    reference = read(SMOKE)
    manifest = copy.deepcopy(reference.manifest)
    entry = manifest["models"]["baseline"]
    assert {"torch", "transformers"} <= set(entry["environment"])
    entry["environment"] = dict.fromkeys(entry["environment"], "0.0.1")
    entry["timing"]["machine"] = {"processor": "another", "cores": 1, "device": "cuda"}
    entry["fingerprint"], manifest["dmsbench"] = "0" * 24, "99.0"
    other = dataclasses.replace(reference, manifest=manifest)
    assert gate_sides(reference, other).result.passed
    # Only times are not, and it says so.
    timed = GateConfig.model_validate({"limits": {"time_ratio": 2.0}})
    found = gate_sides(reference, other, config=timed)
    assert any(note.startswith("times are not compared") for note in found.result.notes)
