"""``dmsbench leaderboard`` and ``report --figures`` through the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def dmsbench(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dmsbench", *map(str, arguments)]
    # A test runner may say how wide its own terminal is.
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two little runs of one suite with other models, and one of another seed."""
    folder = tmp_path_factory.mktemp("board")
    for out, more in (
        ("a", ("--model", "baseline")),
        ("b", ("--model", "dms")),
        ("c", ("--model", "baseline", "--seed", "7")),
    ):
        run = ("run", "--suite", "smoke", "--limit", "20", "--severity", "3", "--corruption", "occlusion")
        done = dmsbench(*run, "--out", out, "--quiet", *more, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert (next((folder / out / "smoke").iterdir()) / "report.html").is_file()
    return folder


def test_two_runs_become_one_board(results: Path) -> None:
    done = dmsbench("leaderboard", "a", "b", "--format", "json", cwd=results)
    assert done.returncode == 0, done.stderr
    (board,) = json.loads(done.stdout)["boards"]
    assert {model["model"] for model in board["models"]} == {"baseline", "dms"}
    assert board["score"].startswith("exact_match|")
    table = dmsbench("leaderboard", "a", "b", cwd=results)
    assert "1–2" in table.stdout and table.stderr == ""


def test_other_seeds_are_refused_unless_apart(results: Path) -> None:
    done = dmsbench("leaderboard", "a", "c", cwd=results)
    assert done.returncode == 3 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "differ in seed" in done.stderr and "--by-suite" in done.stderr
    done = dmsbench(
        "leaderboard", "a", "c", "--by-suite", "--format", "html", "--output", "x.html", cwd=results
    )
    assert done.returncode == 0 and done.stdout == "" and "written: x.html" in done.stderr
    assert (results / "x.html").read_text().count("<h2>smoke</h2>") == 2


def test_every_format_goes_to_a_file(results: Path) -> None:
    for name, start in (
        ("table", "smoke: "),
        ("markdown", "# Leaderboard\n\nMade by `dmsbench leaderboard --suite smoke --format markdown` from"),
        ("html", "<!DOCTYPE html>"),
        ("csv", "suite,fingerprint,"),
        ("json", '{\n  "boards": ['),
    ):
        command = ("leaderboard", "a", "b", "--suite", "smoke", "--format", name)
        done = dmsbench(*command, "--output", f"new/{name}", cwd=results)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert done.stderr == f"written: new/{name}\n"
        text = (results / "new" / name).read_text()
        assert text.startswith(start)
        assert text == dmsbench(*command, cwd=results).stdout
        assert str(results) not in text
    assert len(list((results / "new").iterdir())) == 5  # nothing is left beside them


def test_a_run_given_twice_is_one_and_a_copy_is_said(results: Path) -> None:
    shutil.copytree(results / "a", results / "copy", dirs_exist_ok=True)
    done = dmsbench("leaderboard", "a", "a", "copy", "b", "--format", "csv", cwd=results)
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == "baseline: 1 more run holds the same records.\n"


def test_a_damaged_part_is_named_and_a_model_without_it_left_out(results: Path) -> None:
    shutil.copytree(results / "b", results / "broken", dirs_exist_ok=True)
    part = next((results / "broken" / "smoke").glob("*/parts/dms/*.parquet"))
    part.write_bytes(part.read_bytes()[:-40])
    done = dmsbench("leaderboard", "a", "broken", cwd=results)
    assert (done.returncode, done.stdout) == (2, "")
    assert part.name in done.stderr and "damaged" in done.stderr and done.stderr.count("\n") == 1
    part.unlink()
    done = dmsbench("leaderboard", "a", "broken", "--format", "csv", cwd=results)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2
    assert done.stderr.startswith("not finished, so not shown: dms (broken/")
    done = dmsbench("leaderboard", "broken", cwd=results)
    assert done.returncode == 3 and "no model is finished yet" in done.stderr


def test_what_is_not_there_is_a_usage_error(results: Path) -> None:
    for arguments in (("leaderboard", "nowhere"), ("leaderboard", "a", "--suite", "smok")):
        done = dmsbench(*arguments, cwd=results)
        assert done.returncode == 2 and done.stderr.startswith("dmsbench: "), done.stderr


def test_figures_come_when_asked_for(results: Path) -> None:
    run = next((results / "a" / "smoke").iterdir())
    done = dmsbench("report", run, "--figures", "--format", "json", cwd=results)
    assert done.returncode == 0, done.stderr
    assert "report.html" in json.loads(done.stdout)["files"]
    assert "figures" in done.stderr
    assert (run / "figures" / "curves.pdf").is_file() and (
        run / "figures" / "table-leaderboard.tex"
    ).is_file()
