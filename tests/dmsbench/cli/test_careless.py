"""Odd command lines: one line that helps, never a traceback, never a silent reading of something else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dmsbench.errors import SuiteError
from dmsbench.suite import load_suite

HEAD = "name: s\ndataset: {name: easy_vqa}\n"


@pytest.mark.parametrize("text", ["5-1", "1,5-1", "1-", "²", "1-²", "", "0", "1-99999999999", "-1"])
def test_severities_that_are_none(dmsbench: Callable[..., Any], text: str) -> None:
    done = dmsbench("run", "--suite", "smoke", f"--severity={text}")
    assert done.code == 2
    assert done.err == f"dmsbench: --severity '{text}': use numbers from 1 to 5, such as 1,3,5 or 1-5\n"


def test_a_batch_size_that_is_none(dmsbench: Callable[..., Any]) -> None:
    done = dmsbench("run", "--suite", "smoke", "--batch-size", "²")
    assert (done.code, done.err) == (
        2,
        "dmsbench: --batch-size '²': use a number from 1 to 1,000,000, or auto\n",
    )


def test_brackets_are_no_markup_and_errors_are_explained(
    dmsbench: Callable[..., Any], tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    rows = [
        {"image": "a.png", "question": "what?", "answers": ["[/x]"]},
        {"image": "a.png", "answers": ["it"]},
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "out[/y]"
    done = dmsbench(
        *("run", "--suite", "smoke", "--corruption", "keyboard", "--severity", "1", "--out", out),
        *("--data", tmp_path / "q.jsonl", "--model", "[b]=baseline"),
    )
    assert done.code == 4
    assert "4 records of [b], 2 errors; in " in done.out
    assert "out[/y]" in done.out
    assert "errors: 2 × line 2: no question" in done.out
    done = dmsbench("compare", "[b]", "[b]", "--out", out)
    assert (done.code, "out[/y]" in done.out) == (0, True)


def test_a_suite_may_leave_its_models_to_the_command_line(
    dmsbench: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(HEAD + "models: []\ngrid: {text: [keyboard]}")
    assert "models to be given: fine" in dmsbench("suite", "check", file).out
    done = dmsbench("run", "--suite", file, "--out", tmp_path)
    assert done.code == 2
    assert "suite 's' names no models: give --model NAME=SPEC" in done.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("models: [basline]\ngrid: {text: [keyboard]}", "did you mean 'baseline'"),
        ("grid: {}\ndataset: {name: easy_vqa, split: tset}", "no split 'tset'"),
        ("grid: {}\ndataset: {name: scenes, split: tset}", "scenes has no split 'tset'"),
        ("grid: {}\ndataset: {name: easy_vqa, images: x}", "'images' belongs to the local data set"),
    ],
)
def test_suite_check_finds_what_a_run_would(
    dmsbench: Callable[..., Any], tmp_path: Path, more: str, said: str
) -> None:
    head = "name: s\n" if "dataset:" in more else HEAD
    (tmp_path / "s.yaml").write_text(head + more)
    done = dmsbench("suite", "check", tmp_path / "s.yaml")
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize("command", [["suite", "check"], ["run", "--dry-run", "--suite"], ["run", "--suite"]])
def test_a_missing_backend_is_said_first(
    dmsbench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + "grid: {text: [ocr]}\nsettings: {ocr: {backend: nlpaug}}")
    done = dmsbench(*command, path)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "dmsbench: suite 's': settings: ocr: backend 'nlpaug' needs nlpaug, which is not installed: "
        "pip install 'dmsbench[reference]'\n"
    )
    assert [found.name for found in tmp_path.iterdir()] == ["s.yaml"]


def test_half_of_a_joint_corruption_is_not_silently_nothing(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(HEAD + "grid: {joint: [{image: contrast, text: keyboard}]}")
    suite = load_suite(str(tmp_path / "s.yaml"))
    with pytest.raises(SuiteError, match="name both of a pair"):
        suite.changed(only=["contrast"])
    assert len(suite.changed(only=["contrast", "keyboard"]).conditions) == 6
    assert len(suite.changed(only=["clean"]).conditions) == 1


def test_ci_fails_where_the_readme_has_no_command(tmp_path: Path) -> None:
    """An empty command would pass."""
    script = Path(__file__).parents[3] / ".ci" / "run"
    function = script.read_text().split("work=$(mktemp")[0].replace('cd "$(dirname "$0")/.."', "")
    (tmp_path / "README.md").write_text("## Run it\n\n```sh\necho hello\n```\n")

    def call(heading: str) -> subprocess.CompletedProcess[str]:
        command = f"{function}\ncommand=$(command_after '{heading}')\necho \"got $command\""
        return subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert call("## Run it").stdout == "got echo hello\n"
    assert call("## Test it").returncode != 0
