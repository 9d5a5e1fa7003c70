"""One leaderboard of several runs: what is merged, told apart and refused, and what its files say."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dmsbench.errors import DmsbenchError, NotComparableError, UnknownNameError
from dmsbench.report.board.build import Board, build_board
from dmsbench.report.board.data import to_csv, to_json
from dmsbench.report.board.html import to_html
from dmsbench.report.board.markdown import to_markdown
from dmsbench.report.board.merge import merge
from dmsbench.report.board.select import selected
from dmsbench.runner.store import RunFolder

NAMES = {"static", "dms", "third"}


def board(*texts: str | Path) -> Board:
    (group,) = merge(selected([str(text) for text in texts], Path("nowhere")), by_suite=False).groups
    return build_board(group)


def copied(run: RunFolder, into: Path) -> RunFolder:
    """The run in another results folder."""
    target = into / run.path.parent.name / run.path.name
    shutil.copytree(run.path, target)
    return RunFolder(target)


def keep(run: RunFolder, *models: str) -> RunFolder:
    manifest = run.manifest()
    manifest["models"] = {name: manifest["models"][name] for name in models}
    run.write_manifest(manifest)
    return run


def edit(run: RunFolder, change: Callable[[dict[str, Any]], None]) -> RunFolder:
    manifest = run.manifest()
    change(manifest)
    run.write_manifest(manifest)
    return run


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_halves_in_two_folders_give_the_board_of_the_whole(paged: RunFolder, tmp_path: Path) -> None:
    keep(copied(paged, tmp_path / "a"), "static", "third")
    keep(copied(paged, tmp_path / "b"), "dms")
    assert to_csv([board(tmp_path / "a", tmp_path / "b")]) == to_csv([board(paged.path)])


def test_ranks_are_ranges_and_differences_paired(paged: RunFolder) -> None:
    found = board(paged.path)
    assert {entry.row.model for entry in found.entries} == NAMES
    first = found.entries[0]
    assert first.behind is None and first.ranks is not None and first.ranks.low == 1
    for entry in found.entries[1:]:
        assert entry.behind is not None and entry.ranks is not None
        gap = entry.row.mean.value - first.row.mean.value
        # Of rows that are ok in both; third failed on some.
        assert entry.behind.difference == pytest.approx(gap, abs=0.02)
        assert entry.behind.low <= entry.behind.difference <= entry.behind.high


def test_the_same_model_twice_is_one_entry_another_of_its_name_is_told_apart(
    paged: RunFolder, tmp_path: Path
) -> None:
    copied(paged, tmp_path / "a")
    other = copied(paged, tmp_path / "b")
    whole = board(tmp_path / "a", tmp_path / "b")
    assert {entry.row.model for entry in whole.entries} == NAMES
    assert whole.dropped == dict.fromkeys(NAMES, 1)
    edit(other, lambda manifest: manifest["models"]["dms"].update(fingerprint="another"))
    names = {entry.row.model for entry in board(tmp_path / "a", tmp_path / "b").entries}
    assert names == {"static", "third", "dms (a)", "dms (b)"}


@pytest.mark.parametrize("key", ["suite", "task", "seed", "score", "profile"])
def test_runs_that_differ_are_refused(paged: RunFolder, tmp_path: Path, key: str) -> None:
    other = edit(copied(paged, tmp_path), lambda manifest: manifest["identity"].update({key: "else"}))
    with pytest.raises(NotComparableError, match=r"differ in .*--by-suite makes one table per suite"):
        board(paged.path, other.path)


def test_runs_of_other_data_conditions_or_corruptions_are_refused(paged: RunFolder, tmp_path: Path) -> None:
    def data(manifest: dict[str, Any]) -> None:
        manifest["identity"]["dataset"]["fingerprint"] = "0" * 32

    def conditions(manifest: dict[str, Any]) -> None:
        manifest["identity"]["conditions"].pop()

    def versions(manifest: dict[str, Any]) -> None:
        manifest["identity"]["corruptions"]["fog"] = 99

    for number, change in enumerate((data, conditions, versions)):
        other = edit(copied(paged, tmp_path / str(number)), change)
        with pytest.raises(NotComparableError):
            board(paged.path, other.path)


def test_suites_side_by_side(paged: RunFolder, tmp_path: Path) -> None:
    def other_suite(manifest: dict[str, Any]) -> None:
        manifest["identity"]["suite"] = "another"
        manifest["fingerprint"] = "f" * 24

    other = edit(copied(paged, tmp_path), other_suite)
    models = selected([str(paged.path), str(other.path)], Path("nowhere"))
    boards = [build_board(group) for group in merge(models, by_suite=True).groups]
    assert [one.leaderboard.info.suite for one in boards] == ["another", "paged"]
    assert to_markdown(boards).count("\n## ") >= 2


def test_unfinished_models_are_named_and_nothing_finished_is_refused(
    paged: RunFolder, tmp_path: Path
) -> None:
    run = copied(paged, tmp_path)
    next((run.path / "parts" / "third").iterdir()).unlink()
    merged = merge(selected([str(run.path)], Path("nowhere")), by_suite=False)
    assert [model.model for model in merged.unfinished] == ["third"]
    keep(run, "third")
    with pytest.raises(NotComparableError, match="no model is finished yet"):
        merge(selected([str(run.path)], Path("nowhere")), by_suite=False)


def test_files_say_the_same_and_texts_stay_texts(paged: RunFolder, tmp_path: Path) -> None:
    found = board(paged.path)
    models = json.loads(to_json([found]))["boards"][0]["models"]
    lines = list(csv.DictReader(io.StringIO(to_csv([found]))))
    assert [m["model"] for m in models] == [line["model"] for line in lines]
    for model, line in zip(models, lines, strict=True):
        assert float(line["mean"]) == model["mean"]["value"]
        assert int(line["rank_low"]) == model["rank_low"]
    page = Page()
    page.feed(to_html([found]))
    assert not {"script", "img", "link"} & set(page.tags)
    assert "<script>document.title='owned'" in page.text  # of a specification
    assert all(name in page.text for name in NAMES)
    text = to_markdown([found])
    assert text.count("\n| ") >= 4 and "`exact_match" in text
    assert str(tmp_path) not in text and str(paged.path) not in text


def test_what_is_not_there_is_said(paged: RunFolder, tmp_path: Path) -> None:
    for text, error in (
        (str(tmp_path / "none"), DmsbenchError),
        (f"{paged.path}:nobody", UnknownNameError),
        (str(tmp_path), DmsbenchError),
    ):
        with pytest.raises(error):
            board(text)
    with pytest.raises(DmsbenchError, match="suite"):
        selected([str(paged.path)], Path("nowhere"), "smoke")
