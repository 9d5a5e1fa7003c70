"""``dmsbench leaderboard`` from the command line: where its words go, and its exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one small finished run."""
    from dmsbench.cli.main import app

    out = tmp_path_factory.mktemp("board") / "results"
    app(["run", "--suite", "smoke", "--limit", "8", "--out", str(out)], standalone_mode=False)
    return out


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def edit(out: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    (file,) = out.glob("*/*/manifest.json")
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))
    return file.parent


def another_suite(manifest: dict[str, Any]) -> None:
    manifest["identity"]["suite"] = "another"
    manifest["fingerprint"] = "f" * 24


def test_json_alone_is_on_stdout(dmsbench: Call, out: Path) -> None:
    done = dmsbench("leaderboard", "--out", out, "--format", "json")
    (board,) = json.loads(done.out)["boards"]
    assert done.code == 0 and done.err == ""
    assert {model["model"] for model in board["models"]} == {"baseline", "dms"}


def test_the_table_shows_every_model(dmsbench: Call, out: Path) -> None:
    done = dmsbench("leaderboard", out, "--suite", "smoke")
    assert done.code == 0 and "baseline" in done.out and "dms" in done.out


@pytest.mark.parametrize("how", ["markdown", "html", "csv", "json"])
def test_a_file_holds_what_stdout_would(dmsbench: Call, out: Path, tmp_path: Path, how: str) -> None:
    file = tmp_path / "new" / "board"
    printed = dmsbench("leaderboard", out, "--format", how)
    written = dmsbench("leaderboard", out, "--format", how, "--output", file)
    assert printed.code == written.code == 0 and written.out == ""
    assert file.read_text() == printed.out
    assert [path.name for path in file.parent.iterdir()] == ["board"]


def test_suites_are_not_mixed_unless_apart(dmsbench: Call, out: Path, made: Path) -> None:
    edit(out, another_suite)
    done = dmsbench("leaderboard", made, out)
    assert done.code == 3 and done.out == ""
    assert done.err.count("\n") == 1 and "differ in suite" in done.err and "--by-suite" in done.err
    apart = dmsbench("leaderboard", made, out, "--by-suite", "--format", "json")
    assert apart.code == 0
    assert [board["suite"] for board in json.loads(apart.out)["boards"]] == ["another", "smoke"]


def test_unfinished_models_are_named_on_stderr(dmsbench: Call, out: Path) -> None:
    (run,) = out.glob("*/*/manifest.json")
    next((run.parent / "parts" / "dms").glob("*.parquet")).unlink()
    done = dmsbench("leaderboard", out, "--format", "json")
    assert done.code == 0 and "not finished" in done.err and "dms" in done.err
    assert [model["model"] for model in json.loads(done.out)["boards"][0]["models"]] == ["baseline"]
    shutil.rmtree(run.parent / "parts")
    assert dmsbench("leaderboard", out).code == 3


def test_what_is_not_there_is_a_usage_error(dmsbench: Call, out: Path, tmp_path: Path) -> None:
    for arguments in ((tmp_path / "none",), (out, "--suite", "smok")):
        done = dmsbench("leaderboard", *arguments)
        assert done.code == 2 and done.err.count("\n") == 1
    assert "smoke" in done.err


def test_help_has_examples(dmsbench: Call) -> None:
    assert "dmsbench leaderboard --by-suite --format markdown" in dmsbench("leaderboard", "--help").out
