"""Runs in trackers: what is told, that it is told once, and that a tracker that fails costs a line."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from dmsbench.cli import main as command_line
from dmsbench.report.build import build_report
from dmsbench.runner.find import runs
from dmsbench.scores import Scorecard
from dmsbench.tracking import trackers
from dmsbench.tracking.content import FILES, LONGEST_VALUE, Tracked, metric_name, tracked
from dmsbench.tracking.wandb_client import mode

SUITE = """
name: told
dataset: {name: scenes, count: 3}
models: []
severities: [1, 5]
grid:
  image: [gaussian_noise]
  joint: [{image: gaussian_noise, text: keyboard}]
"""
MODELS = ("--model", "first=tiny-llava-scenes", "--model", "second=tiny-llava-scenes,fusion=image")
Told = tuple[Path, dict[str, Any], dict[str, Scorecard]]
SMOKE = ("run", "--suite", "smoke")
Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls ``dmsbench`` in this process; its exit code and what it says beside the tables."""

    def called(*words: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["dmsbench", *map(str, words)])
        code = 0
        try:
            command_line.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, capsys.readouterr().err

    return called


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite and a finished run of it."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "told.yaml").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "dmsbench", "run", "--suite", "told.yaml", *MODELS, "-q"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Tracked]:
    """A tracker ``mlflow`` that keeps what it is told."""
    kept: list[Tracked] = []

    def hear(found: Sequence[Tracked]) -> str:
        kept.extend(found)
        return "here"

    _put(monkeypatch, hear)
    return kept


def _put(monkeypatch: pytest.MonkeyPatch, send: Callable[[Sequence[Tracked]], str]) -> None:
    fake = trackers.Tracker("mlflow", "json", lambda: None, "", send)
    monkeypatch.setattr(trackers, "TRACKERS", MappingProxyType({"mlflow": fake}))


@pytest.fixture(scope="module")
def told(work: Path) -> Told:
    """The run's folder, its manifest and its scorecards."""
    (folder,) = runs(work / "results")
    manifest = folder.manifest()
    return folder.path, manifest, dict(build_report(folder, manifest).scorecards)


def test_what_is_told_is_what_the_leaderboard_says(told: Told) -> None:
    folder, manifest, cards = told
    found = tracked(folder, manifest, cards, ["second", "first", "neither"])
    assert [one.name for one in found] == ["second", "first"]
    assert len({one.key for one in found}) == 2
    assert {one.group for one in found} == {f"told-{folder.name}"}
    rows = {row["model"]: row for row in json.loads((folder / "leaderboard.json").read_text())["rows"]}
    for one in found:
        row, card = rows[one.name], cards[one.name]
        for name in ("clean", "mean", "retention", "ausc"):
            assert one.metrics[name] == pytest.approx(row[name]["value"], abs=1e-6)
            assert one.metrics[f"{name}_low"] == pytest.approx(row[name]["low"], abs=1e-6)
        assert one.metrics["error_rate"] == row["error_rate"] == 0
        names = [metric_name(part.name) for part in card.corruptions]
        assert names == ["gaussian_noise", "gaussian_noise_with_keyboard"]
        for name, part in zip(names, card.corruptions, strict=True):
            assert one.metrics[f"corruption/{name}/mean"] == part.mean.value
            assert one.curves[f"curve/{name}"] == {p.severity: p.score.value for p in part.curve}
            assert set(one.curves[f"curve/{name}"]) == {0, 1, 5}
        assert one.params["seed"] == "0"
        assert one.params["model.fingerprint"] == manifest["models"][one.name]["fingerprint"]
        assert one.tags["dmsbench.fingerprint"] == manifest["fingerprint"]
        assert one.tags["version.torch"] == manifest["environment"]["torch"]
        assert [path.name for path in one.files] == list(FILES)
        assert max(map(len, one.params.values())) <= LONGEST_VALUE


def test_undefined_scores_are_not_told_as_numbers(told: Told) -> None:
    folder, manifest, cards = told
    undefined = dataclasses.replace(cards["first"].mean, value=math.nan, low=math.nan, high=math.nan)
    card = dataclasses.replace(cards["first"], above_chance_retention=undefined)
    (one,) = tracked(folder, manifest, {"first": card}, ["first"])
    assert "above_chance_retention" not in one.metrics
    assert all(map(math.isfinite, one.metrics.values()))


def test_a_run_tells_a_tracker_when_it_is_done(
    work: Path, call: Call, heard: list[Tracked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work)
    code, said = call("run", "--suite", "told.yaml", *MODELS[:2], "--track", "mlflow", "--track", "mlflow")
    assert code == 0, said
    assert [one.name for one in heard] == ["first"]  # the model that was asked for, and once
    assert "mlflow: first; in here" in said
    code, said = call("track", "--to", "mlflow")
    assert code == 0, said
    assert [one.name for one in heard] == ["first", "first", "second"]
    assert heard[0] == heard[1]


def test_a_tracker_that_fails_costs_a_line_and_not_the_run(
    work: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(found: Sequence[Tracked]) -> str:
        raise ConnectionError("nobody\nthere")

    _put(monkeypatch, fail)
    monkeypatch.chdir(work)
    code, said = call("run", "--suite", "told.yaml", *MODELS, "--track", "mlflow", "-q")
    assert code == 0
    (line,) = [line for line in said.splitlines() if "mlflow" in line]
    assert "mlflow was not told: ConnectionError: nobody there; nothing of the run is lost" in line
    (folder,) = runs(work / "results")
    assert line.endswith(f"later: dmsbench track results/told/{folder.path.name} --to mlflow")
    code, said = call("track", "--to", "mlflow")
    assert code == 2
    assert said.strip() == "dmsbench: mlflow was not told: ConnectionError: nobody there"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*SMOKE, "--track", "wandbb"), "unknown tracker 'wandbb': did you mean 'wandb'?"),
        ((*SMOKE, "--track", "wandb"), "wandb is not installed: pip install 'dmsbench[wandb]'"),
        (("track", "--to", "mlflow"), "mlflow is not installed: pip install 'dmsbench[mlflow]'"),
        (("track",), "give a tracker: --to mlflow or --to wandb"),
    ],
)
def test_what_cannot_be_told_is_refused_before_the_run(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    code, error = call(*words)
    assert (code, error.strip()) == (2, f"dmsbench: {said}")
    assert not list(tmp_path.iterdir())


def _real(work: Path, tmp_path: Path, tracker: str, **settings: str) -> str:
    """``dmsbench track`` with the real client, with no setting of the tester's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "WANDB_"))}
    done = subprocess.run(
        [sys.executable, "-m", "dmsbench", "track", "--out", str(work / "results"), "--to", tracker],
        cwd=tmp_path,
        env={**kept, "HOME": str(tmp_path), "NETRC": str(tmp_path / "none"), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.returncode} {done.stderr}"


@pytest.mark.skipif(find_spec("mlflow") is None, reason="needs mlflow-skinny")
def test_mlflow_has_a_run_for_each_model_and_no_more_when_told_again(work: Path, tmp_path: Path) -> None:
    store = {"MLFLOW_TRACKING_URI": (tmp_path / "ml").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    for _ in range(2):
        said = _real(work, tmp_path, "mlflow", MLFLOW_EXPERIMENT_NAME="mine", **store)
        assert said.startswith("0 "), said
        assert "experiment mine" in said
    (folder,) = runs(work / "results")
    told = {row["model"]: row for row in json.loads((folder.path / "leaderboard.json").read_text())["rows"]}
    logged = {path.parent.parent: path.read_text() for path in tmp_path.glob("ml/*/*/params/model")}
    assert sorted(logged.values()) == ["first", "second"]
    for run, model in logged.items():
        (value, *_) = {line.split()[1] for line in _lines(run / "metrics" / "mean")}
        assert float(value) == pytest.approx(told[model]["mean"]["value"], abs=1e-6)
        steps = {line.split()[2] for line in _lines(run / "metrics" / "curve" / "gaussian_noise")}
        assert steps == {"0", "1", "5"}
        assert {path.name for path in (run / "artifacts").iterdir()} == set(FILES)
        assert (run / "tags" / "dmsbench.group").read_text() == f"told-{folder.path.name}"
        assert "status: 3" in (run / "meta.yaml").read_text()


@pytest.mark.skipif(find_spec("mlflow") is None, reason="needs mlflow-skinny")
@pytest.mark.skipif(find_spec("sqlalchemy") is not None, reason="all of mlflow can use its default")
def test_mlflow_without_a_place_says_what_to_set(work: Path, tmp_path: Path) -> None:
    said = _real(work, tmp_path, "mlflow")
    assert said.startswith("2 dmsbench: mlflow cannot be used here")
    assert "name a server by MLFLOW_TRACKING_URI" in said


@pytest.mark.skipif(find_spec("wandb") is None, reason="needs wandb")
def test_wandb_writes_offline_unless_the_user_says_otherwise(work: Path, told: Told, tmp_path: Path) -> None:
    said = _real(work, tmp_path, "wandb", WANDB_DIR=str(tmp_path), WANDB_PROJECT="mine")
    assert said.startswith("0 "), said
    folder, manifest, cards = told
    found = tracked(folder, manifest, cards, ["first", "second"])
    logs = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    files = {path.stem.removeprefix("run-"): path.read_bytes() for path in logs}
    assert set(files) == {one.key for one in found}
    for one in found:
        for word in ("curve/gaussian_noise", "error_rate", "mine", one.group, *FILES):
            assert word.encode() in files[one.key], word


@pytest.mark.parametrize("said", ["offline", "disabled", "online"])
def test_what_the_user_says_of_wandb_is_left_to_wandb(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("WANDB_MODE", said)
    assert mode() is None


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
