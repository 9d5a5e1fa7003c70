"""Names and texts from data reach terminals, Markdown and spreadsheets as text that commands nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from counted import count
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.plain_text import csv_text, json_text, one_line, printable, printable_lines
from dmsbench.report.sheets import Sheet, to_csv
from dmsbench.runner.store import RunFolder

#: Colours, a window's title, a line hidden, C1 controls, direction of writing, lines of their own.
EVIL = "=1+1 \x1b[31m\x1b]0;owned\x07\x9b2J\r\b\u202e\u2028|[bold red]<b>`*_\x7f"
OTHER = "+[red]x[-]`~"
FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1+1", "-", "+a", "=")


@given(st.text())
def test_nothing_but_printable_characters_is_left(text: str) -> None:
    count("texts made printable")
    assert printable(text).isprintable() and len(printable(text)) == len(text)
    assert one_line(text).isprintable()
    assert printable_lines(text).replace("\n", "").isprintable()
    assert csv_text(text).isprintable()
    shown = json_text({"t": [text, {text: 1.5}]})
    assert shown.replace("\n", "").isprintable()
    assert json.loads(shown) == {"t": [text, {text: 1.5}]}


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"])))
def test_what_is_printable_stays(text: str) -> None:
    assert printable(text) == text


@given(st.one_of(st.text(), st.sampled_from(FORMULAS), st.text(alphabet="=+-@\t\r 1a'")))
def test_no_cell_begins_a_formula(text: str) -> None:
    count("cells of CSV tried")
    cell = next(
        csv.reader(io.StringIO(to_csv(Sheet(("a",), ((f"x{text}",), (text,))))).readlines()[2:]), [""]
    )[0]
    number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", cell)
    assert number or not cell.startswith(tuple("=+-@\t\r＝＋－＠"))


def test_numbers_are_untouched_and_texts_keep_theirs() -> None:
    rows = (("-1.5", -1.5, -2, float("-inf")), ("1e-5", 1e-5, True, None), ("=a", 0.0, 0, "b"))
    assert to_csv(Sheet(("=x", "b", "c", "d"), rows)).splitlines() == [
        "'=x,b,c,d", "-1.5,-1.5,-2,-inf", "1e-5,1e-05,true,", "'=a,0.0,0,b",
    ]  # fmt: skip


@pytest.fixture(scope="module", params=["texts", "corruptions too"])
def poisoned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_run: Path
) -> Path:
    """A run whose manifest and records say evil things wherever text of others can stand."""
    run = tmp_path_factory.mktemp("poisoned") / "tiny" / tiny_run.name
    shutil.copytree(tiny_run, run)
    folder = RunFolder(run)
    manifest = folder.manifest()
    (entry,) = manifest["models"].values()
    manifest["identity"]["suite"] = EVIL
    for place in (manifest["dataset"], manifest["identity"]["dataset"]):
        place["name"] = place["split"] = EVIL
    manifest["dataset"]["licence"] = manifest["created"] = manifest["dmsbench"] = EVIL
    manifest["suite"]["description"] = manifest["fingerprint"] = EVIL
    manifest["environment"] = entry["environment"] = {"python": EVIL, "=system": EVIL}
    entry["spec"] = EVIL
    manifest["left_out"] = [{"corruption": EVIL, "samples": 3, "topics": [EVIL]}]
    manifest["models"] = {"baseline": entry, OTHER: entry}
    for model in manifest["models"]:
        for part in entry["parts"]:
            table = folder.read_part("baseline", part["key"])
            columns = {name: table[name].to_pylist() for name in table.column_names}
            columns["question"] = columns["prediction"] = [EVIL] * table.num_rows
            columns["sample_id"] = [f"{EVIL}{sample}" for sample in tiny_ids(columns["sample_id"])]
            columns["error"] = [EVIL] * table.num_rows
            if request.param != "texts":
                for name in ("image_corruption", "text_corruption"):
                    columns[name] = [found if found == "clean" else EVIL for found in columns[name]]
            arrays = {
                name: pa.array(values, table.schema.field(name).type) for name, values in columns.items()
            }
            RunFolder(run / "new").write_part(model, part["key"], arrays)
    shutil.rmtree(run / "parts")
    (run / "new" / "parts").rename(run / "parts")
    (run / "new").rmdir()
    folder.write_manifest(manifest)
    return run


def tiny_ids(found: list[str]) -> list[int]:
    order = sorted(set(found))
    return [order.index(sample) for sample in found]


@pytest.mark.parametrize("format_", ["table", "json", "csv", "markdown"])
def test_no_command_passes_on_what_commands_a_terminal(
    poisoned: Path, dmsbench: Callable[..., Any], tmp_path: Path, format_: str
) -> None:
    run = tmp_path / "results" / "tiny" / poisoned.name
    shutil.copytree(poisoned, run)
    pair = (f"{run}:baseline", f"{run}:{OTHER}")
    for words in (
        ("report", run, *(["--figures"] if format_ == "csv" else [])),
        ("compare", *pair, *(["--verbose"] if format_ == "table" else [])),
        ("gate", "--reference", pair[0], "--candidate", pair[1], "--flips", "5"),
        ("power", "--reference", pair[0], "--candidate", pair[1], "--drop", "0.1"),
        ("leaderboard", run),
        ("rescore", run, "--score", "vqa_v2_official"),
    ):
        done = dmsbench(*words, "--format", format_)
        assert done.code == 0, done.err
        shown = (done.out + done.err).replace("\n", "")
        assert shown.isprintable(), [c for c in shown if not c.isprintable()][:5]
        if format_ == "markdown":
            check_markdown(done.out)
        if format_ == "csv" and done.code in (0, 1):
            check_cells(done.out)
        if format_ == "json" and done.out:
            json.loads(done.out)
        count("outputs of commands on poisoned runs")
    for path in run.parent.rglob("*.csv"):
        check_cells(path.read_text(encoding="utf-8"))
    for path in run.parent.rglob("*.md"):
        check_markdown(path.read_text(encoding="utf-8"))


def test_a_gate_s_files_hold_evil_texts_as_texts(
    poisoned: Path, dmsbench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model that gets everything wrong, so that every question is listed."""
    run = tmp_path / "results" / "tiny" / poisoned.name
    shutil.copytree(poisoned, run)
    folder = RunFolder(run)
    for part in folder.manifest()["models"][OTHER]["parts"]:
        for model, score in (("baseline", 1.0), (OTHER, 0.0)):
            table = folder.read_part(model, part["key"])
            columns = {name: table[name] for name in table.column_names}
            columns["score"] = pa.array([score] * table.num_rows, pa.float32())
            folder.write_part(model, part["key"], columns)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    saved = dmsbench("reference", "save", f"{run}:baseline", "--to", "r.parquet", "--with-predictions")
    shown = dmsbench("reference", "show", "r.parquet")
    gates = [
        dmsbench(
            "gate", "--reference", reference, "--candidate", f"{run}:{OTHER}", "--junit", "g.xml", "--badge",
            "g.svg", "--markdown", "g.md", "--flips", f"flips{suffix}",
        )
        for reference in ("r.parquet", f"{run}:baseline")
        for suffix in (".md", ".csv", ".json")
    ]  # fmt: skip
    assert {done.code for done in gates} <= {0, 1}
    for done in (saved, shown, *gates):
        assert (done.out + done.err).replace("\n", "").isprintable()
    check_cells((tmp_path / "flips.csv").read_text(encoding="utf-8"))
    for name in ("g.md", "flips.md", "summary.md"):
        check_markdown((tmp_path / name).read_text(encoding="utf-8"))
        assert "owned" in (tmp_path / name).read_text(encoding="utf-8")
    found = json.loads((tmp_path / "flips.json").read_text(encoding="utf-8"))
    assert {flip["question"] for flip in found["samples"]} == {EVIL}  # an escape in the file
    for name in ("g.xml", "g.svg", "flips.json", "r.json"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.replace("\n", "").isprintable()
        assert "<b>" not in text or name.endswith("json")
        if not name.endswith("json"):
            ElementTree.fromstring(text)  # noqa: S314 - our own
        count("files of gates on poisoned runs")


def check_markdown(text: str) -> None:
    """No markup of the data's is left beside escapes and code."""
    for line in text.splitlines():
        assert line.isprintable()
        plain = re.sub(r"\\.|`[^`]*`", "", line)
        assert "<b>" not in plain and "[bold" not in plain and "[red]" not in plain, line


def check_cells(text: str) -> None:
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            assert not cell.startswith(tuple("=+-@\t\r")) or re.fullmatch(r"[+-]?[\d.]+(e-\d+)?", cell), cell
            count("cells of CSV read")


def test_messages_quote_evil_suites_as_text(tmp_path: Path, dmsbench: Callable[..., Any]) -> None:
    for content in (
        {"name": EVIL},
        {"name": "a", EVIL: 1},
        {"name": "a", "dataset": {"name": EVIL}, "grid": {"image": [EVIL]}},
        {"name": "a", "dataset": {"name": "easy_vqa"}, "grid": {"image": [EVIL]}},
        {"name": "a", "description": EVIL, "dataset": {"name": "easy_vqa"}, "grid": {"image": ["fog"]}},
        {"name": "a", "models": [f"{EVIL}=dms"], "dataset": {"name": "easy_vqa"}, "grid": {"image": ["fog"]}},
    ):
        (tmp_path / "s.yaml").write_text(json.dumps(content))
        file, out = tmp_path / "s.yaml", tmp_path / "out"
        run = ("run", "--suite", file, "--dry-run", "--limit", "1", "--out", out)
        for words in (("suite", "check", file), run):
            done = dmsbench(*words)
            assert (done.out + done.err).replace("\n", "").isprintable()
            count("messages about evil suites")
