"""Every table as JSON, CSV and Markdown: the document on stdout, everything else on stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    command = ["run", "--suite", "smoke", "--limit", "12", "--corruption", "keyboard", "--corruption"]
    command += ["occlusion", "--model", "a=baseline", "--model", "x_[b]_=baseline", "--out", str(folder)]
    subprocess.run([sys.executable, "-m", "dmsbench", *command, "--quiet"], check=True)
    return folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def check_markdown(text: str, columns: int) -> None:
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines()} == {columns + 1}


def test_report(out: Path, dmsbench: Call) -> None:
    done = dmsbench("report", "--out", out, "--format", "json")
    found = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert [row["model"] for row in found["leaderboard"]["rows"]] == ["a", "x_[b]_"]
    assert [entry["corruption"] for entry in found["by_corruption"]] == ["occlusion", "keyboard"]
    curve = found["by_corruption"][0]["models"]["a"]["curve"]
    assert [point["severity"] for point in curve] == [0, 1, 3, 5]
    assert all((Path(found["folder"]) / name).is_file() for name in found["files"])
    rows = rows_of(dmsbench("report", "--out", out, "--format", "csv").out)
    assert [row["model"] for row in rows] == ["a", "x_[b]_"]
    assert float(rows[0]["occlusion"]) == found["by_corruption"][0]["models"]["a"]["score"]
    markdown = dmsbench("report", "--out", out, "--format", "markdown").out
    check_markdown(markdown, 3)
    assert markdown.startswith(r"| points | a | x\_\[b\]\_ |")


def test_quiet_leaves_the_data_that_were_asked_for(out: Path, dmsbench: Call) -> None:
    for command in (["report"], ["compare", "a", "x_[b]_"], ["gate", "--reference", "a", "--candidate", "a"]):
        done = dmsbench(*command, "--out", out, "--quiet")
        assert (done.code, done.out, done.err) == (0, "", "")
        done = dmsbench(*command, "--out", out, "--quiet", "--format", "json")
        assert isinstance(json.loads(done.out), dict) and done.err == ""
        assert dmsbench(*command, "--out", out, "--quiet", "--format", "table").out


def test_gate(out: Path, dmsbench: Call) -> None:
    done = dmsbench("gate", "--reference", "a", "--candidate", "x_[b]_", "--out", out, "--format", "json")
    found = json.loads(done.out)
    assert found["passed"] is True and found["tolerance"] == 0.02
    keys = ["name", "kind", "reference", "candidate", "change", "ci_low", "ci_high", "passed", "message"]
    keys += ["score", "rule", "tolerance", "bound", "p_value", "p_adjusted", "detectable_80", "detectable_90"]
    assert all(list(check) == keys for check in found["checks"])
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["conditions"]["ci_low"] is None
    assert by_name["overall"]["kind"] == "score"
    assert "gate passed" in done.err
    csv_rows = rows_of(
        dmsbench("gate", "--reference", "a", "--candidate", "a", "--out", out, "--format", "csv").out
    )
    assert [row["name"] for row in csv_rows] == [check["name"] for check in found["checks"]]


def test_dry_run_and_rescore(out: Path, tmp_path: Path, dmsbench: Call) -> None:
    run = ["run", "--suite", "smoke", "--limit", "12", "--corruption", "keyboard", "--corruption"]
    run += ["occlusion", "--model", "a=baseline", "--out", str(out)]
    found = json.loads(dmsbench(*run, "--dry-run", "--format", "json").out)
    assert found["models"] == [{"model": "a", "rows": 84, "cached": 84, "to_do": 0, "seconds": 0.0}]
    assert found["corruptions"] == {"clean": [], "occlusion": [1, 3, 5], "keyboard": [1, 3, 5]}
    assert rows_of(dmsbench(*run, "--dry-run", "--format", "csv").out)[0]["cached"] == "84"
    done = dmsbench("rescore", "--score", "exact_match_parsed", "--out", out, "--format", "json")
    rescored = json.loads(done.out)
    assert rescored["rescored"]["records"] == 2 * 84
    assert rescored["leaderboard"]["score"].startswith("exact_match_parsed")
    assert "scored by exact_match_parsed" in done.err


def test_compare_says_what_it_found(out: Path, dmsbench: Call) -> None:
    done = dmsbench("compare", "a", "x_[b]_", "--out", out, "--format", "json", "--verbose")
    assert json.loads(done.out)["pairs"] == 84
    assert "A: a (" in done.err and "10,000 resamples" in done.err


def test_curves_stand_in_the_table_where_there_is_room(out: Path, dmsbench: Call) -> None:
    assert "A by" in dmsbench("compare", "a", "x_[b]_", "--out", out).out
    command = [sys.executable, "-m", "dmsbench", "compare", "a", "x_[b]_", "--out", str(out)]

    def lines(**environment: str) -> list[str]:
        own = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "PYTHONUTF8")}
        own |= {"PYTHONIOENCODING": "utf-8"} | environment
        return subprocess.run(command, env=own, capture_output=True, check=True).stdout.decode().splitlines()

    narrow = lines(COLUMNS="80")
    table = narrow[: next(i for i, line in enumerate(narrow) if line.startswith("points;"))]
    assert not any("A by" in line or "█" in line for line in table)
    assert max(map(len, table)) <= 80
    assert sum("not significant" in line for line in table) == 4  # a row is a line
    assert any("█" in line for line in lines())  # a pipe has room
    ascii_only = lines(PYTHONIOENCODING="ascii", COLUMNS="140")
    assert not any("A by" in line for line in ascii_only)


def test_lists(dmsbench: Call) -> None:
    for what in ("suites", "models", "datasets", "corruptions", "scores"):
        entries = json.loads(dmsbench("list", what, "--format", "json").out)
        assert entries == json.loads(dmsbench("list", what, "--json").out)
        assert [row["name"] for row in rows_of(dmsbench("list", what, "--format", "csv").out)] == [
            entry["name"] for entry in entries
        ]
        assert dmsbench("list", what, "--format", "markdown").out.startswith("| name |")
    done = dmsbench("list", "modles")
    assert (done.code, done.err) == (2, "dmsbench: unknown topic 'modles': did you mean 'models'?\n")
    assert dmsbench("list", "models", "--json", "--format", "csv").code == 2


def test_debug_shows_where_an_error_came_from(dmsbench: Call) -> None:
    plain = dmsbench("run", "--suite", "smok")
    debug = dmsbench("--debug", "run", "--suite", "smok")
    assert (plain.code, debug.code) == (2, 2)
    assert plain.err.count("\n") == 1
    assert debug.err.startswith("Traceback") and debug.err.endswith(plain.err)
    assert "load_suite" in debug.err
    unknown = dmsbench("--debug", "preview", "--corruption", "focus")
    assert "UnknownCorruptionError" in unknown.err and unknown.code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["run", "--sute", "smoke"], "No such option: --sute. Did you mean --suite?"),
        (["--verson"], "Did you mean --version?"),
        (["suite", "chek", "x"], "Did you mean 'check'?"),
    ],
)
def test_misspelt_commands_and_options(arguments: list[str], said: str, dmsbench: Call) -> None:
    done = dmsbench(*arguments)
    assert done.code == 2
    assert said in done.err
