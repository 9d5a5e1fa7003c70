"""The commands of the gate, as CI types them."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
from gate_made_up import answers, make_run, worse

Call = Callable[..., Any]
BEFORE = answers()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def bad(tmp_path: Path) -> None:
    """A reference file, and a run of a worse model."""
    make_run(tmp_path / "was", {"mine": BEFORE})
    make_run(tmp_path / "results", {"mine": worse(BEFORE, [3, 4], 0.4)})


def test_ten_lines_of_ci(bad: None, dmsbench: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = dmsbench("reference", "save", "was/made-up/000000000000", "--to", "ref/mine.parquet")
    assert done.code == 0
    assert "840 records of 'mine'" in done.out
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("before\n")
    words = [
        "gate",
        "--reference",
        "ref/mine.parquet",
        "--junit",
        "out/gate.xml",
        "--markdown",
        "out/gate.md",
    ]
    done = dmsbench(*words, "--badge", "out/gate.svg", "--flips", "out/flips.csv")
    assert done.code == 1
    assert "FAIL fog: dropped by 0." in done.out
    assert done.out.rstrip().endswith("gate failed: 2 of 7 checks (tolerance 0.02)")
    summary = (tmp_path / "summary.md").read_text()
    assert summary == f"before\n{(tmp_path / 'out/gate.md').read_text()}\n"
    junit = ElementTree.fromstring((tmp_path / "out/gate.xml").read_text())  # noqa: S314 - our own
    assert junit[0].attrib["failures"] == "2"
    assert "failed: 2 checks" in (tmp_path / "out/gate.svg").read_text()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out/flips.csv").read_text())))
    assert {row["after"] for row in rows} == {"blue"}
    assert {row["before"] for row in rows} == {""}
    assert "holds no predictions" in summary


def test_the_configuration_of_the_folder_holds(bad: None, dmsbench: Call, tmp_path: Path) -> None:
    words = ("gate", "--reference", "was/made-up/000000000000")
    assert dmsbench(*words).code == 1
    (tmp_path / "pyproject.toml").write_text("[tool.dmsbench.gate]\ntolerance = 0.9\n")
    assert dmsbench(*words).code == 0
    assert dmsbench(*words, "--tolerance", "0.01").code == 1
    (tmp_path / "strict.toml").write_text("[corruption.keyboard]\nfloor = 0.99\n")
    done = dmsbench(*words, "--config", "strict.toml", "--format", "json", "--quiet")
    assert (done.code, done.err) == (1, "")
    found = json.loads(done.out)
    assert found["config"] == "strict.toml"
    assert [(c["name"], c["kind"]) for c in found["checks"] if not c["passed"]][-1] == ("keyboard", "floor")
    (tmp_path / "gate.toml").write_text("tolerrance = 1\n")
    done = dmsbench(*words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "gate.toml: tolerrance: unknown key 'tolerrance': did you mean 'tolerance'?" in done.err


@pytest.mark.parametrize("suffix", [".md", ".json", ".csv"])
def test_flips_go_to_a_file_or_to_the_terminal(
    bad: None, dmsbench: Call, tmp_path: Path, suffix: str
) -> None:
    words = ("gate", "--reference", "was/made-up/000000000000")
    assert dmsbench(*words, "--flips", f"flips{suffix}").code == 1
    whole = (tmp_path / f"flips{suffix}").read_text()
    count = json.loads(dmsbench(*words, "--format", "json").out)["flips"]["right_to_wrong"]
    if suffix == ".json":
        found = json.loads(whole)
        assert len(found["samples"]) == found["right_to_wrong"] == count
        assert found["samples"][0]["references"] == ["red"]
    else:
        assert whole.count("blue") == count
    shown = dmsbench(*words, "--flips", "3")
    assert f"3 of {count}" in shown.out
    assert len(json.loads(dmsbench(*words, "--flips", "3", "--format", "json").out)["flips"]["samples"]) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--flips", "x.txt"], "give a number, or a file that ends in .md, .json, .csv"),
        (["--flips", "-3"], "give a number"),
        (["--config", "none.toml"], "none.toml: cannot be read"),
        (["--tolerance", "nan"], "tolerance must lie between 0 and 1"),
        (["--junit", "was"], "cannot be written"),
        (["--reference", "none.parquet"], "none.parquet: cannot be read"),
        (["--candidate", "other"], "unknown model 'other'"),
    ],
)
def test_mistakes_cost_one_line(bad: None, dmsbench: Call, words: list[str], message: str) -> None:
    done = dmsbench("gate", "--reference", "was/made-up/000000000000", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_summary_that_cannot_be_written_fails_no_gate(
    dmsbench: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "results", {"old": BEFORE, "new": BEFORE})
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "folder" / "here"))
    done = dmsbench("gate", "--reference", "old")
    assert done.code == 0
    assert "GITHUB_STEP_SUMMARY" in done.err


def test_saved_references_are_shown(bad: None, dmsbench: Call) -> None:
    assert dmsbench("reference", "save", "mine", "--to", "refs", "--with-predictions", "-q").out == ""
    file = "refs/made-up-mine.parquet"
    found = json.loads(dmsbench("reference", "show", file, "--format", "json").out)
    assert (found["model"], found["spec"], found["suite"]) == ("mine", "mine-spec", "made-up")
    assert (found["samples"], found["images"], found["records"]) == (120, 40, 840)
    assert found["predictions"] is True
    table = dmsbench("reference", "show", file).out
    assert table.count("\n") == len(found)
    assert "| model | mine |" in dmsbench("reference", "show", file, "--format", "markdown").out
    done = dmsbench("reference", "show", "results")
    assert (done.code, done.err.count("\n")) == (2, 1)


def test_power_answers_from_two_runs_from_one_and_from_none(dmsbench: Call, tmp_path: Path) -> None:
    make_run(tmp_path / "results", {"old": BEFORE, "new": answers(3)})
    words = ("power", "--drop", "0.05", "--format", "json", "-q")
    pair = json.loads(dmsbench(*words, "--reference", "old", "--candidate", "new").out)
    assert {need["observed"] for need in pair["needs"]} == {True, False}
    one = json.loads(dmsbench(*words, "--reference", "old").out)
    assert (one["samples"], one["images"]) == (120, 40)
    assert {check["churn"] for check in one["checks"]} == {None}
    none = json.loads(dmsbench(*words, "--suite", "smoke").out)
    assert none["suite"] == "smoke"
    assert "assumed" in none["basis"]
    looser = json.loads(dmsbench(*words, "--reference", "old", "--power", "0.6").out)
    assert looser["needs"][0]["samples"] < one["needs"][0]["samples"]
    alike = json.loads(dmsbench(*words, "--suite", "smoke", "--correlation", "0.5").out)
    assert alike["needs"][0]["samples"] > none["needs"][0]["samples"]
    other = json.loads(dmsbench(*words, "--reference", "old", "--rule", "non-inferiority").out)
    assert other["rule"] == "non-inferiority"
    table = dmsbench("power", "--drop", "0.05", "--reference", "old", "--candidate", "new").out
    assert "churn seen" in table
    assert "overall: " in table
    rows = dmsbench(*words[:3], "--reference", "old", "--format", "csv").out
    assert len(rows.splitlines()) == 1 + 3 * 4 * 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--drop", "0", "--reference", "old"], "the drop must lie above 0"),
        (["--drop", "0.1"], "give --suite, --reference or both"),
        (["--drop", "0.1", "--reference", "old", "--power", "1"], "the power must be"),
        (["--drop", "0.1", "--suite", "smoke", "--correlation", "2"], "the correlation must"),
        (["--drop", "0.1", "--suite", "smoke", "--candidate", "x"], "--candidate belongs to --reference"),
        (
            ["--drop", "0.1", "--reference", "old", "--correlation", "0.1"],
            "--correlation is for plans without",
        ),
        (["--drop", "0.1", "--reference", "old", "--suite", "smoke"], "is of suite 'made-up'"),
    ],
)
def test_power_refuses_what_cannot_be(dmsbench: Call, tmp_path: Path, words: list[str], message: str) -> None:
    make_run(tmp_path / "results", {"old": answers(samples=12)})
    done = dmsbench("power", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_run_says_what_machine_it_took_its_times_on(dmsbench: Call, tmp_path: Path) -> None:
    run = ["run", "--suite", "smoke", "--limit", "4", "--corruption", "clean", "--model", "baseline", "-q"]
    assert dmsbench(*run).code == 0
    (path,) = (tmp_path / "results" / "smoke").iterdir()
    timing = json.loads((path / "manifest.json").read_text())["models"]["baseline"]["timing"]
    assert timing["machine"]["device"] == "cpu"
    assert timing["machine"]["cores"] == os.cpu_count()
    assert timing["machine"]["processor"]
    (tmp_path / "gate.toml").write_text("limits.time_ratio = 5\n")
    done = dmsbench("gate", "--reference", "baseline", "--candidate", "baseline", "--format", "json")
    assert [check["change"] for check in json.loads(done.out)["checks"] if check["kind"] == "time"] == [1.0]
