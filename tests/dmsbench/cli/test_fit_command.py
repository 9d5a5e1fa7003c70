"""``dmsbench fit`` with the shipped checkpoint, and a run with what it made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmsbench.runner.store import RunFolder

Call = Callable[..., Any]


@pytest.fixture
def scheduler(dmsbench: Call, tmp_path: Path) -> Path:
    out = tmp_path / "scheduler"
    done = dmsbench("fit", "baseline", "--suite", "vqa-corrupt", "--out", out, "--limit", "800")
    assert done.code == 0, done.err
    assert "fitted" in done.out and "best constant" in done.out
    assert "with what was saved beside it: rule 0." in done.out and "permuted 0." in done.out
    assert f"use it: --model NAME=tiny-llava-easy-vqa,fusion=dms,scheduler={out}" in done.out
    assert "baseline on easy_vqa/train: clean, gaussian_noise" in done.err
    return out


def test_fit_then_run(dmsbench: Call, scheduler: Path, tmp_path: Path) -> None:
    arguments = ("run", "--suite", "smoke", "--limit", "40", "--out", tmp_path / "results")
    models = (f"fitted=dms,scheduler={scheduler}", "image-only", "half=baseline,fusion=fixed,weight=0.5")
    done = dmsbench(*arguments, *(part for model in ("baseline", *models) for part in ("--model", model)))
    assert done.code == 0, done.err
    (folder,) = (tmp_path / "results" / "smoke").iterdir()
    run = RunFolder(folder)
    found = {name: run.records(name) for name in ("baseline", "fitted", "image-only", "half")}
    assert set(found["fitted"]["status"]) == {"ok"}
    both = found["fitted"]["consistency"].notna()
    assert both.any() and not both.all(), "drop_image leaves one modality"
    weights = found["fitted"].loc[both, ["weight_image", "weight_text"]].to_numpy()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)
    assert np.ptp(weights[:, 0]) > 0.05
    assert (found["half"]["prediction"] == found["baseline"]["prediction"]).all()
    assert (found["image-only"].loc[both, "weight_image"] == 1.0).all()
    assert (found["image-only"]["score"].mean()) < found["baseline"]["score"].mean()
    again = dmsbench(*arguments, "--model", models[0])
    assert f"{len(found['fitted']):,} from an earlier run" in again.out


def test_fit_probes_then_run(dmsbench: Call, tmp_path: Path) -> None:
    out = tmp_path / "probes"
    arguments = ("--suite", "vqa-corrupt", "--limit", "200", "--out", out, "--source", "probe")
    done = dmsbench("fit", "baseline", *arguments)
    assert done.code == 0, done.err
    assert f"scheduler={out}\n" in done.out and "saved beside it" not in done.out
    for fusion in ("rule", "late", "pdf", "constant", "permuted"):
        model = f"baseline,fusion={fusion},scheduler={out}"
        done = dmsbench("run", "--suite", "smoke", "--out", tmp_path / "refused", "--model", model)
        assert done.code == 2 and "with --source corner" in done.err and done.err.count("\n") == 1
    done = dmsbench(
        *("run", "--suite", "smoke", "--limit", "20", "--out", tmp_path / "results"),
        *("--model", f"probed=baseline,fusion=dms,scheduler={out}"),
    )
    assert done.code == 0, done.err
    (folder,) = (tmp_path / "results" / "smoke").iterdir()
    found = RunFolder(folder).records("probed")
    assert set(found["status"]) == {"ok"}
    assert set(found["weight_image"]) <= {0.0, 0.5, 1.0}
    assert found["uncertainty_image"].notna().any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("baselin", "--suite", "smoke"), "did you mean 'baseline'"),
        (("baseline", "--suite", "smok"), "did you mean 'smoke'"),
        (("baseline", "--suite", "smoke", "--corruption", "fogg"), "did you mean 'fog'"),
        (("baseline", "--suite", "smoke", "--corruption", "fog", "--held-out", "fog"), "held out"),
        (("baseline", "--suite", "smoke", "--held-out", "image:nose"), "did you mean 'image:noise'"),
        (("baseline", "--suite", "smoke", "--images", "x"), "--images belongs to --data"),
        (("baseline", "--suite", "smoke", "--mwcl", "0.5"), "add --mwcl-attached"),
        (("baseline", "--suite", "smoke", "--mwcl-attached"), "belongs to --mwcl"),
        (("baseline", "--suite", "smoke", "--mwcl", "inf", "--mwcl-attached"), "give a finite number"),
        (
            ("baseline", "--suite", "smoke", "--mwcl", "0.5", "--mwcl-attached", "--source", "probe"),
            "use --source corner",
        ),
        (("baseline", "--suite", "smoke", "--data", "not-there.jsonl"), "not-there.jsonl"),
    ],
)
def test_errors(dmsbench: Call, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = dmsbench("fit", *arguments, "--out", tmp_path / "out")
    assert done.code == 2 and words in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_local_suites_need_training_data(dmsbench: Call, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps({"image": "a.png", "question": "q", "answers": "a"}))
    suite = tmp_path / "own.yaml"
    suite.write_text("name: own\ndataset: {name: local, path: q.jsonl}\ngrid: {text: [keyboard]}\n")
    done = dmsbench("fit", "baseline", "--suite", suite, "--out", tmp_path / "out")
    assert done.code == 2 and "give a training file by --data" in done.err
    same = dmsbench("fit", "baseline", "--suite", suite, "--data", tmp_path / "q.jsonl", "--out", tmp_path)
    assert same.code == 2 and "tests on this file" in same.err


def test_what_a_suite_tests_on_is_not_fitted_on(dmsbench: Call, tmp_path: Path) -> None:
    """Not under its own name, and not under another: a copy of the file, or the split itself."""
    rows = [{"image": "a.png", "question": f"q{i}", "answers": "a"} for i in range(3)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "copy.jsonl").write_text("\n".join(map(json.dumps, rows[1:])))
    suite = tmp_path / "own.yaml"
    suite.write_text("name: own\ndataset: {name: local, path: q.jsonl}\ngrid: {text: [keyboard]}\n")
    arguments = ("fit", "baseline", "--suite", suite, "--out", tmp_path / "out")
    copied = dmsbench(*arguments, "--data", tmp_path / "copy.jsonl")
    assert copied.code == 2 and "suite 'own' tests on 1 of its pictures" in copied.err
    suite.write_text("name: own\ndataset: {name: easy_vqa, split: train}\ngrid: {text: [keyboard]}\n")
    split = dmsbench(*arguments)
    assert split.code == 2 and "suite 'own' tests on the training split" in split.err
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_is_not_written_into(dmsbench: Call, tiny_folder: Path) -> None:
    """Its scheduler.json holds the rule's numbers, and would be replaced."""
    before = {path.name: path.read_bytes() for path in tiny_folder.iterdir() if path.is_file()}
    done = dmsbench("fit", f"x={tiny_folder}", "--suite", "smoke", "--out", tiny_folder, "--limit", "40")
    assert done.code == 2 and "is the folder of a checkpoint" in done.err and done.err.count("\n") == 1
    assert before == {path.name: path.read_bytes() for path in tiny_folder.iterdir() if path.is_file()}
