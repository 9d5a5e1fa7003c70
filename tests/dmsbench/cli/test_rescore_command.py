"""A finished run under another score: what is written, what stays, what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dmsbench.runner.records import SCHEMA
from dmsbench.runner.store import MANIFEST_FORMAT, RunFolder, digest
from dmsbench.tasks.scorers import names, scorer

Call = Callable[..., Any]

#: Ten annotators who differ, ten who agree, and one alone.
REFERENCES = (["blue"] * 3 + ["navy"] * 7, ["yes"] * 10, ["2"])
PLAIN = ("blue", "yes", "2")
VERBOSE = ("The answer is: blue.", "Yes, it is.", "two")
#: By score, of PLAIN and of VERBOSE, worked out by hand.
EXPECTED = {
    "exact_match": ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
    "exact_match_parsed": ([1.0, 1.0, 1.0], [1.0, 1.0, 0.0]),
    "vqa_v2_official": ([0.9, 1.0, 1.0], [0.0, 0.0, 0.0]),
    "vqa_v2_normalized": ([1.0, 1.0, 1.0], [0.0, 0.0, 1.0]),
    "vqa_v2_normalized_parsed": ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
}


def rows(model: str, predictions: tuple[str, ...], severity: int) -> dict[str, list[Any]]:
    """A part: three samples that were answered and one that failed."""
    columns: dict[str, list[Any]] = {name: [None] * 4 for name in SCHEMA.names}
    return columns | {
        "model": [model] * 4,
        "sample_id": ["a", "b", "c", "d"],
        "group": ["p0", "p1", "p2", "p3"],
        "image_corruption": ["fog" if severity else "clean"] * 4,
        "image_severity": [severity] * 4,
        "text_corruption": ["clean"] * 4,
        "text_severity": [0] * 4,
        "question": ["what?"] * 4,
        "references": [*REFERENCES, ["red"]],
        "prediction": [*predictions, None],
        "score": [
            *(scorer("exact_match").function(*pair) for pair in zip(predictions, REFERENCES, strict=True)),
            None,
        ],
        "status": ["ok"] * 3 + ["model_error"],
        "error": [None] * 3 + ["out of luck"],
        "changed": [severity > 0] * 4,
        "confidence": [0.5] * 4,
    }


def make_run(out: Path, models: Mapping[str, tuple[str, ...]]) -> RunFolder:
    """A run as the runner leaves it, scored by exact match."""
    identity = {
        "suite": "little",
        "task": "vqa",
        "score": scorer("exact_match").signature,
        "dataset": {"name": "local", "split": "all", "fingerprint": "f" * 8, "samples": "s" * 8},
        "seed": 0,
        "profile": "auto",
        "conditions": ["clean", "fog@1"],
        "corruptions": {"fog": 1},
    }
    folder = RunFolder(out / "little" / digest(identity)[:12])
    entries = {}
    for model, predictions in models.items():
        parts = [
            {"key": digest([model, severity]), "block": 0, "image": f"fog@{severity}", "rows": 4}
            for severity in (0, 1)
        ]
        for severity, part in enumerate(parts):
            folder.write_part(model, part["key"], rows(model, predictions, severity))
        entries[model] = {
            "spec": model,
            "fingerprint": digest(model),
            "settings": {},
            "status": "complete",
            "parts": parts,
        }
    folder.write_manifest(
        {
            "format": MANIFEST_FORMAT,
            "dmsbench": "0.1.0",
            "created": "2026-01-01T00:00:00+00:00",
            "fingerprint": digest(identity),
            "identity": identity,
            "suite": {"name": "little", "task": "vqa", "score": "exact_match"},
            "dataset": {"name": "local", "split": "all", "samples": 4, "images": 4},
            "chance": {"value": 0.25, "definition": "a guess"},
            "models": entries,
        }
    )
    return folder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path, {"plain": PLAIN, "verbose": VERBOSE})


def content(folder: RunFolder) -> dict[str, bytes]:
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in folder.path.rglob("*.*")}


def other(run: RunFolder, score: str) -> RunFolder:
    identity = run.manifest()["identity"] | {"score": scorer(score).signature}
    return RunFolder(run.path.parent / digest(identity)[:12])


@pytest.mark.parametrize("score", [name for name in names("vqa") if name != "exact_match"])
def test_scores_are_those_of_the_other_rule(run: RunFolder, score: str, dmsbench: Call) -> None:
    before = content(run)
    done = dmsbench("rescore", run.path, "--score", score)
    assert (done.code, done.err) == (0, "")
    assert content(run) == before
    found = other(run, score)
    assert done.out.rstrip().endswith(f"in {found.path}")
    for model, expected in zip(("plain", "verbose"), EXPECTED[score], strict=True):
        old, new = run.records(model), found.records(model)
        assert new["score"].dropna().tolist() == pytest.approx(expected * 2)
        assert new["score"].isna().tolist() == [False, False, False, True] * 2
        pd.testing.assert_frame_equal(new.drop(columns="score"), old.drop(columns="score"))
    manifest = found.manifest()
    assert manifest["suite"]["score"] == score
    assert manifest["identity"]["score"] == scorer(score).signature
    assert manifest["fingerprint"] == digest(manifest["identity"]) != run.manifest()["fingerprint"]
    assert manifest["models"]["plain"]["rescored"]["run"] == run.path.name
    board = json.loads((found.path / "leaderboard.json").read_text())
    assert board["score"] == scorer(score).signature
    clean = {row["model"]: row["clean"]["value"] for row in board["rows"]}
    assert clean["verbose"] == pytest.approx(np.mean(EXPECTED[score][1]), abs=1e-6)
    assert board["chance"] == (None if score == "vqa_v2_official" else 0.25)


def test_rescoring_twice_changes_nothing(run: RunFolder, dmsbench: Call) -> None:
    first = dmsbench("rescore", run.path, "--score", "vqa_v2_official")
    before = content(other(run, "vqa_v2_official"))
    stamps = {path: path.stat().st_mtime_ns for path in run.path.parent.rglob("*.parquet")}
    again = dmsbench("rescore", run.path, "--score", "vqa_v2_official")
    assert (again.code, again.out) == (0, first.out)
    assert content(other(run, "vqa_v2_official")) == before
    assert {path: path.stat().st_mtime_ns for path in run.path.parent.rglob("*.parquet")} == stamps


def test_a_rescored_run_is_rescored_as_its_answers_were(run: RunFolder, dmsbench: Call) -> None:
    dmsbench("rescore", run.path, "--score", "vqa_v2_normalized")
    direct = other(run, "vqa_v2_normalized")
    before = content(direct)
    dmsbench("rescore", run.path, "--score", "vqa_v2_official")
    shutil.rmtree(direct.path)
    done = dmsbench("rescore", other(run, "vqa_v2_official").path, "--score", "vqa_v2_normalized")
    assert done.code == 0
    after = content(direct)
    assert {name for name in after if after[name] != before[name]} <= {"manifest.json", "report.html"}
    assert direct.manifest()["chance"] == {"value": 0.25, "definition": "a guess, by exact match"}


def test_without_a_folder_the_newest_run_that_was_asked(run: RunFolder, dmsbench: Call) -> None:
    out = run.path.parent.parent
    for score in ("vqa_v2_official", "exact_match_parsed", "vqa_v2_official"):
        done = dmsbench("rescore", "--score", score, "--out", out)
        assert done.code == 0
        assert f"unlike in {run.path};" in done.out
    assert len(list(run.path.parent.iterdir())) == 3


def test_report_compare_and_gate_take_it_and_refuse_two_scores(run: RunFolder, dmsbench: Call) -> None:
    dmsbench("rescore", run.path, "--score", "exact_match_parsed")
    new = other(run, "exact_match_parsed").path
    assert dmsbench("report", new).code == 0
    compared = dmsbench("compare", f"{new}:plain", f"{new}:verbose")
    assert compared.code == 0
    assert "score exact_match_parsed;" in compared.out
    assert dmsbench("gate", "--reference", f"{new}:plain", "--candidate", f"{new}:plain").code == 0
    for command in (
        ("compare", f"{run.path}:plain", f"{new}:plain"),
        ("gate", "--reference", f"{run.path}:plain", "--candidate", f"{new}:plain"),
    ):
        done = dmsbench(*command)
        assert done.code == 3
        assert "differ in score (exact_match|norm" in done.err


@pytest.mark.parametrize(
    ("score", "message", "code"),
    [
        ("vqa_v2_oficial", "unknown score 'vqa_v2_oficial': did you mean 'vqa_v2_official'?", 2),
        ("exact_match", "scored by exact_match already; see: dmsbench report", 2),
    ],
)
def test_mistakes_leave_nothing(run: RunFolder, score: str, message: str, code: int, dmsbench: Call) -> None:
    done = dmsbench("rescore", run.path, "--score", score)
    assert done.code == code
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert list(run.path.parent.iterdir()) == [run.path]


def test_no_run(tmp_path: Path, dmsbench: Call) -> None:
    done = dmsbench("rescore", "--score", "vqa_v2_official", "--out", tmp_path)
    assert (done.code, "no runs here; start with: dmsbench run" in done.err) == (2, True)
    done = dmsbench("rescore", tmp_path, "--score", "vqa_v2_official")
    assert (done.code, "no run here (no manifest.json)" in done.err) == (2, True)


def test_an_unfinished_model_is_left_out_until_it_is_finished(run: RunFolder, dmsbench: Call) -> None:
    (part, *_) = sorted((run.path / "parts" / "verbose").iterdir())
    aside = part.rename(part.with_suffix(".aside"))
    done = dmsbench("rescore", run.path, "--score", "vqa_v2_normalized")
    assert done.code == 0
    assert "not finished, so not rescored: verbose" in done.out
    found = other(run, "vqa_v2_normalized")
    assert list(found.manifest()["models"]) == ["plain"]
    aside.rename(part)
    assert dmsbench("rescore", run.path, "--score", "vqa_v2_normalized").code == 0
    assert list(found.manifest()["models"]) == ["plain", "verbose"]
    for path in (run.path / "parts").rglob("*.parquet"):
        path.unlink()
    done = dmsbench("rescore", run.path, "--score", "exact_match_parsed")
    assert (done.code, "no model is finished" in done.err) == (3, True)


def test_a_damaged_part_is_named(run: RunFolder, dmsbench: Call) -> None:
    (part, *_) = (run.path / "parts" / "plain").iterdir()
    part.write_bytes(part.read_bytes()[:100])
    done = dmsbench("rescore", run.path, "--score", "vqa_v2_official")
    assert done.code == 2
    assert f"{part}: damaged" in done.err
    assert not other(run, "vqa_v2_official").path.joinpath("manifest.json").exists()


def test_neither_torch_nor_data_are_touched(run: RunFolder) -> None:
    script = (
        "import sys; sys.argv = ['dmsbench', *sys.argv[1:]]\n"
        "from dmsbench.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "heavy = ('torch', 'transformers', 'dmsbench.models.base')\n"
        "print('HEAVY', [name for name in heavy if name in sys.modules])"
    )
    arguments = ["rescore", str(run.path), "--score", "vqa_v2_official"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"


SUITE = """
name: mine
dataset: {name: local, path: mine.jsonl}
models: [baseline]
score: SCORE
severities: [5]
grid: {text: [keyboard], modality: [drop_image]}
"""


def test_asking_again_gives_what_rescoring_gave(tmp_path: Path, dmsbench: Call) -> None:
    pixels = np.full((64, 64, 3), 230, np.uint8)
    pixels[20:40, 20:44] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "red.png")
    asked = [
        ("what color is the shape?", ["red"] * 2 + ["Red!"] * 8),
        ("is there a circle?", ["no"] * 9 + ["yes"]),
        ("what shape is present?", ["square"] * 8 + ["rectangle", "a rectangle"]),
    ]
    lines = [
        json.dumps({"id": f"q{i}", "image": "red.png", "question": question, "answers": answers})
        for i, (question, answers) in enumerate(asked)
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    suite = tmp_path / "mine.yaml"
    suite.write_text(SUITE.replace("SCORE", "exact_match"))
    assert dmsbench("run", "--suite", suite, "--out", tmp_path / "one", "--quiet").code == 0
    data = (tmp_path / "mine.jsonl").rename(tmp_path / "away.jsonl")
    assert dmsbench("rescore", "--score", "vqa_v2_official", "--out", tmp_path / "one").code == 0
    data.rename(tmp_path / "mine.jsonl")
    suite.write_text(SUITE.replace("SCORE", "vqa_v2_official"))
    assert dmsbench("run", "--suite", suite, "--out", tmp_path / "two", "--quiet").code == 0
    (native,) = (tmp_path / "two" / "mine").iterdir()
    rescored = RunFolder(tmp_path / "one" / "mine" / native.name)
    expected, found = RunFolder(native).records("baseline"), rescored.records("baseline")
    pd.testing.assert_frame_equal(found, expected)
    clean = found[(found["image_corruption"] == "clean") & (found["text_corruption"] == "clean")]
    assert clean.set_index("sample_id")["score"].to_dict() == pytest.approx({"q0": 1.0, "q1": 1.0, "q2": 0.6})
    # What the models were asked under that score is not overwritten by rescored records.
    before = (native / "manifest.json").read_bytes()
    (old,) = (path for path in (tmp_path / "one" / "mine").iterdir() if path.name != native.name)
    shutil.copytree(old, native.parent / old.name)
    done = dmsbench("rescore", native.parent / old.name, "--score", "vqa_v2_official")
    assert done.code == 2
    assert f"were asked under vqa_v2_official in {native}; see: dmsbench report" in done.err
    assert (native / "manifest.json").read_bytes() == before
