"""Figures on the page of evidence are those of the committed files that the rows name."""

from __future__ import annotations

import re

from docs_pages import DOCS, ROOT

TEXT = (DOCS / "dms-and-its-evidence.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.split("\n") if "](../results/reference/" in line]


def test_every_row_of_figures_names_its_file() -> None:
    assert len(ROWS) > 15
    for line in TEXT.split("\n"):
        assert line in ROWS or not re.search(r"\[[+-]\d", line), line


def test_figures_are_in_the_files() -> None:
    for row in ROWS:
        (name,) = re.findall(r"\]\(\.\./(results/reference/[^)]+)\)", row)
        committed = (ROOT / name).read_text(encoding="utf-8")
        figures = re.findall(r"[+-]\d+\.\d+ \[[^\]]+\]", row)
        assert figures, row
        for figure in figures:
            assert figure in committed, f"{figure}: not in {name}"
