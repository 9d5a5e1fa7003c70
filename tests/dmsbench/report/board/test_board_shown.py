"""How a board is shown: every column in a narrow terminal, all sections on the page, ties, any order."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dmsbench.report import answer_types
from dmsbench.report.board.build import Board, build_board
from dmsbench.report.board.data import to_csv, to_json
from dmsbench.report.board.html import to_html
from dmsbench.report.board.markdown import to_markdown
from dmsbench.report.board.merge import merge
from dmsbench.report.board.select import selected
from dmsbench.report.board.terminal import board_table
from dmsbench.report.markup import section_as_html
from dmsbench.runner.store import RunFolder
from dmsbench.scores import Estimate
from dmsbench.scores.answer_types import AnswerTypeScore

NASTY = ("<script>alert(1)</script>", "a|b\\|c", "`code` **bold**", "_x_ [y](z)", "new\nline")


class Cells(HTMLParser):
    """The texts of all cells, row by row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def found(paged: RunFolder) -> Board:
    (group,) = merge(selected([str(paged.path)], Path("nowhere")), by_suite=False).groups
    return build_board(group)


def renamed(board: Board, names: tuple[str, ...]) -> Board:
    """The board with other names on its first models."""
    entries = tuple(
        replace(entry, row=replace(entry.row, model=name), spec=name)
        for entry, name in zip(board.entries, names, strict=False)
    )
    return replace(board, entries=entries, dropped={names[0]: 2})


def typed(board: Board, names: tuple[str, ...]) -> Board:
    score = AnswerTypeScore("yes/no", 4, Estimate(0.5, 0.25, 0.75), Estimate(0.25, 0.125, 0.5))
    return replace(board, leaderboard=replace(board.leaderboard, answer_types=dict.fromkeys(names, (score,))))


@pytest.mark.parametrize("width", [80, 91, 92, 109, 110, 140])
def test_every_column_is_there_in_any_terminal(found: Board, width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width).print(board_table(found, width))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for entry in found.entries:
        assert f" {entry.row.model} " in text
    assert ("retention" in text) == (width >= 92)
    for word in ("rank", "mean", "minus", "clean", "worst condition", "errors"):
        assert f"{word} " in text or f"{word}\n" in text, word
    assert text.count(" %") >= len(found.entries)


def test_the_page_has_answer_types_as_the_markdown_has(found: Board) -> None:
    board = typed(found, NASTY)
    page = Cells(to_html([board]))
    assert not {"script", "img"} & page.tags
    rows = [row for row in page.rows if "yes/no" in row]
    assert [row[0] for row in rows] == ["<script>alert(1)</script>", *NASTY[1:4], "new line"]
    assert rows[0][1:] == ["yes/no", "4", "50.0 [25.0, 75.0]", "25.0 [12.5, 50.0]"]
    assert "### By answer type" in to_markdown([board])
    assert "By answer type" not in to_html([found])


@pytest.mark.parametrize("name", NASTY)
def test_a_cell_holds_any_name(name: str) -> None:
    score = AnswerTypeScore("other", 1, Estimate(1.0, 1.0, 1.0), Estimate(1.0, 1.0, 1.0))
    found = Cells(section_as_html(answer_types.section({name: (score,)})))
    assert [row[0] for row in found.rows] == ["model", " ".join(name.split())]
    assert [len(row) for row in found.rows] == [5, 5]


def test_names_are_text_in_every_format(found: Board) -> None:
    board = renamed(found, NASTY)
    page = Cells(to_html([board]))
    assert [row[1] for row in page.rows[1:4]] == list(NASTY[:3])
    assert "script" not in page.tags
    lines = [line for line in to_markdown([board]).splitlines() if line.startswith("|")]
    assert {line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines} == {11}
    assert [row["model"] for row in csv.DictReader(io.StringIO(to_csv([board])))] == list(NASTY[:3])


def test_ties_are_marked(found: Board) -> None:
    tied = replace(found, entries=tuple(replace(entry, tied=i < 2) for i, entry in enumerate(found.entries)))
    text = to_markdown([tied])
    ranks = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")][2:]
    assert [rank.endswith(" =") for rank in ranks] == [True, True, False]
    assert "another model has the same mean" in text
    assert "another model has the same mean" not in to_markdown([found])


def test_equal_models_are_tied_and_hold_the_same_places(paged: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(tmp_path / "b" / paged.path.name)
    shutil.copytree(paged.path, other.path)
    manifest = other.manifest()
    manifest["models"]["dms"]["fingerprint"] = "of other settings"
    other.write_manifest(manifest)
    (group,) = merge(selected([str(paged.path), str(other.path)], tmp_path), by_suite=False).groups
    same = [entry for entry in build_board(group).entries if entry.row.model.startswith("dms (")]
    assert len(same) == 2
    assert same[0].ranks == same[1].ranks
    assert [entry.tied for entry in same] == [True, True]


def test_the_order_of_the_runs_does_not_matter(paged: RunFolder) -> None:
    models = [f"{paged.path}:{name}" for name in paged.manifest()["models"]]
    texts = set()
    for order in (models, models[::-1], models[1:] + models[:1]):
        (group,) = merge(selected(order, Path("nowhere")), by_suite=False).groups
        board = build_board(group)
        texts.add(to_json([board]) + to_csv([board]) + to_markdown([board]) + to_html([board]))
    assert len(texts) == 1


def test_json_has_every_pair(found: Board) -> None:
    (board,) = json.loads(to_json([found]))["boards"]
    names = sorted(entry.row.model for entry in found.entries)
    assert [(pair["a"], pair["b"]) for pair in board["pairs"]] == [
        (a, b) for i, a in enumerate(names) for b in names[i + 1 :]
    ]
    means = {model["model"]: model["mean"]["value"] for model in board["models"]}
    for pair in board["pairs"]:
        assert pair["p_adjusted"] >= pair["p_value"]
        gap = means[pair["b"]] - means[pair["a"]]
        assert pair["difference"] == pytest.approx(gap, abs=0.02)  # one model has an error


def test_the_command_is_said_as_it_was_given(found: Board) -> None:
    text = to_markdown([found], "dmsbench leaderboard --suite `x`")
    assert "Made by `dmsbench leaderboard --suite 'x'` from" in text
