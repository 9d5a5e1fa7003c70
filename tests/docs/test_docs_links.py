"""Links of the pages and of the README lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_pages import DOCS, ROOT, anchors, links, pages

FILES = [
    *(DOCS / page for page in pages()),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_links_resolve(path: Path) -> None:
    for target in links(path):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.is_relative_to(ROOT) and found.exists(), f"{path.name}: no {target}"
        if anchor:
            assert anchor in anchors(found), f"{path.name}: no heading for #{anchor} in {found.name}"


def test_the_index_names_every_page() -> None:
    assert {page for page in pages() if page != "README.md"} <= set(links(DOCS / "README.md"))


def test_the_readme_leads_to_the_pages() -> None:
    assert "docs/README.md" in links(ROOT / "README.md")


def test_every_page_says_what_the_reader_can_do_after_it() -> None:
    for page in pages():
        lines = (DOCS / page).read_text(encoding="utf-8").split("\n")
        assert lines[0].startswith("# ") and lines[2].startswith("After this page you can "), page
