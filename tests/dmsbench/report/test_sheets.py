"""One table as CSV and Markdown."""

from __future__ import annotations

import csv
import io
import math

import pytest

from dmsbench.report.sheets import Sheet, sheet_of, to_csv, to_markdown

HOSTILE = 'a|b_c\n<script> \ud800,"q"'
SHEET = Sheet(("name", "score", "ok"), ((HOSTILE, 1 / 3, True), ("b", math.nan, False), ("c", None, True)))


def test_csv_reads_back_and_has_a_line_a_row() -> None:
    text = to_csv(SHEET)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(text.splitlines()) == 4
    assert [row["score"] for row in rows] == ["0.333333", "", ""]
    assert [row["ok"] for row in rows] == ["true", "false", "true"]
    assert rows[0]["name"] == 'a|b_c <script> \N{REPLACEMENT CHARACTER},"q"'


def test_markdown_escapes_text_and_aligns_numbers() -> None:
    head, rule, first, *rest = to_markdown(SHEET).splitlines()
    assert head == "| name | score | ok |"
    assert rule == "| :-- | --: | :-- |"
    assert r"a\|b_c \<script\>" in first
    assert first.count(" | ") == 2 and len(rest) == 2


def test_entries_with_different_keys_share_the_columns() -> None:
    sheet = sheet_of([{"a": 1, "b": [1, 2]}, {"a": 2, "c": "x"}])
    assert sheet == Sheet(("a", "b", "c"), ((1, "1, 2", None), (2, None, "x")))
    assert sheet_of([{"a": 1, "b": 2}], ("b",)).rows == ((2,),)


def test_a_row_too_short_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="as many cells"):
        Sheet(("a", "b"), ((1,),))
