"""What is changed is computed again, and what is not changed is not: an ingredient of the key at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from echo_model import EchoModel
from PIL import Image as PictureFile

import corruptions
import dmsbench.runner.job
from dmsbench.models.spec import parse
from dmsbench.models.zoo import Zoo
from dmsbench.runner.arms import Arm, Tally
from dmsbench.runner.run import execute, key_maker, prepare
from dmsbench.suite import load_suite

ROWS = 36 * 22


def run(suite_file: Path, out: Path, settings: dict[str, Any] | None = None, **changes: Any) -> Tally:
    """Runs the suite; the model's own settings are what a change makes of them."""
    job = prepare(load_suite(str(suite_file)).changed(**changes), out)
    model = EchoModel()
    arm = Arm("echo", model, key_maker(job, "echo", model.settings() | (settings or {})))
    # Whatever suite and data: the records would lie in one folder, were it not for the keys.
    tally, _ = execute(replace(job, folder=replace(job.folder, path=out)), [arm], {"echo": {}}, batch_size=64)
    return tally


def a_pixel(suite_file: Path) -> None:
    path = suite_file.parent / "4.png"
    pixels = np.array(PictureFile.open(path))
    pixels[7, 9, 1] ^= 1
    PictureFile.fromarray(pixels).save(path)


def a_question(suite_file: Path) -> None:
    path = suite_file.parent / "questions.jsonl"
    path.write_text(path.read_text().replace("what is it?", "what is it ?", 1))


def an_answer(suite_file: Path) -> None:
    path = suite_file.parent / "questions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[5]["answers"] = ["another"]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")


@pytest.mark.parametrize("change", [a_pixel, a_question, an_answer])
def test_changed_data_are_asked_anew(
    suite_file: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    assert not run(suite_file, tmp_path / "out").reused
    assert run(suite_file, tmp_path / "out").reused == {"echo": ROWS}
    change(suite_file)
    assert not run(suite_file, tmp_path / "out").reused
    assert run(suite_file, tmp_path / "out").reused == {"echo": ROWS}


def test_another_seed_profile_or_score_is_asked_anew(suite_file: Path, tmp_path: Path) -> None:
    run(suite_file, tmp_path)
    for change in ({"seed": 1}, {"score": "vqa_v2_official"}):
        assert not run(suite_file, tmp_path, **change).reused
    assert run(suite_file, tmp_path).reused == {"echo": ROWS}
    text = suite_file.read_text()
    suite_file.write_text(text + "profile: calibrated\n")
    assert not run(suite_file, tmp_path).reused


def test_a_corruptions_version_is_asked_anew_where_it_is_applied(
    suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(suite_file, tmp_path)
    stock = corruptions.version_of

    def newer(name: str) -> int | str:
        return "newer" if name == "contrast" else stock(name)

    monkeypatch.setattr(corruptions, "version_of", newer)
    assert run(suite_file, tmp_path).reused == {"echo": ROWS - 3 * 36}


@pytest.mark.parametrize("library", ["torch", "transformers", "numpy", "pillow", "opencv-python-headless"])
def test_a_librarys_version_is_asked_anew(
    suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    run(suite_file, tmp_path)
    versions = dict(dmsbench.runner.job.libraries())
    monkeypatch.setattr(dmsbench.runner.job, "libraries", lambda: versions | {library: "99"})
    assert not run(suite_file, tmp_path).reused


@pytest.mark.parametrize("name", ["weights", "dtype", "generation", "prompt", "device", "fusion"])
def test_a_models_setting_is_asked_anew(suite_file: Path, tmp_path: Path, name: str) -> None:
    run(suite_file, tmp_path, {name: "a"})
    assert not run(suite_file, tmp_path, {name: "b"}).reused
    assert run(suite_file, tmp_path, {name: "a"}).reused == {"echo": ROWS}


def flipped(folder: Path, new: Path) -> Path:
    """The checkpoint with one bit of one weight turned."""
    shutil.copytree(folder, new)
    weights = new / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    return new


def reworded(folder: Path, new: Path) -> Path:
    """The checkpoint with another chat template."""
    shutil.copytree(folder, new)
    template = next(path for path in new.iterdir() if "template" in path.name)
    assert "ASSISTANT" in template.read_text()
    template.write_text(template.read_text().replace("ASSISTANT", "REPLY"))
    return new


def test_what_decides_a_real_models_answers_is_in_its_settings(tiny_folder: Path, tmp_path: Path) -> None:
    specs = [
        f"m={tiny_folder}",
        f"m={tiny_folder},dtype=bfloat16",
        f"m={tiny_folder},max_new_tokens=3",
        f"m={tiny_folder},fusion=dms",
        f"m={tiny_folder},fusion=dms,alpha=2",
        f"m={tiny_folder},fusion=dms,passes=3",
        f"m={flipped(tiny_folder, tmp_path / 'flipped')}",
        f"m={reworded(tiny_folder, tmp_path / 'reworded')}",
    ]
    found = [json.dumps(Zoo("cpu").load(parse(spec)).settings(), sort_keys=True) for spec in specs]
    assert len(set(found)) == len(found)
    moved = shutil.copytree(tiny_folder, tmp_path / "moved")
    same = Zoo("cpu").load(parse(f"m={moved}")).settings()
    assert json.dumps(same, sort_keys=True) == found[0]
