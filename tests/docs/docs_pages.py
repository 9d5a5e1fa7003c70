"""The pages of docs/ as their tests read them: blocks, headings, links.

What a fence's first line says after the language decides what becomes of its block:

    sh                runs, in the page's own folder, after the blocks above it; a line ``# exit N`` says with
                      which code it ends
    sh no-run         is only parsed: it needs a network, a large model, an installation or somebody's files
    yaml, json …      must load; with a file name behind, the block is also written to that file
    yaml fragment     a part of a suite file
    yaml workflow     of GitHub Actions
    yaml action       a step that uses this repository's own
    yaml gitlab       jobs that extend the one of docs/gitlab
    toml gate.toml    a gate's configuration; other TOML is of the example of a package
    text              behind a block that runs: its lines are in that block's output, ``…`` is any text

A comment ``<!-- needs: NAME -->`` right above a fence names what may not be there yet: see ``docs_needs``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\S*) *(.*)$")
_NEEDS = re.compile(r"^<!-- needs: (.+?) -->$")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_EXIT = re.compile(r"^# exit (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is that of its fence, from 1."""

    page: str
    line: int
    language: str
    kind: str
    """What stands behind the language; empty for most."""
    text: str
    needs: str | None

    @property
    def where(self) -> str:
        return f"docs/{self.page}:{self.line}"

    @property
    def exit_code(self) -> int:
        """The code that the block says it ends with."""
        found = _EXIT.search(self.text)
        return int(found[1]) if found else 0

    @property
    def file(self) -> str | None:
        """The file that the reader is told to save the block as."""
        return self.kind if "." in self.kind else None


def pages() -> list[str]:
    return sorted(path.name for path in DOCS.glob("*.md"))


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """The page's blocks in order; ValueError for a fence that is never closed."""
    return tuple(_blocks(page, (DOCS / page).read_text(encoding="utf-8").split("\n")))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    opened: tuple[int, str, str] | None = None
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if opened is None:
            opened = (number, fence[1], fence[2].strip())
            continue
        start, language, kind = opened
        above = _NEEDS.match(lines[start - 2]) if start > 1 else None
        text = "\n".join(lines[start : number - 1]) + "\n"
        yield Block(page, start, language, kind, text, above[1] if above else None)
        opened = None
    if opened is not None:
        raise ValueError(f"docs/{page}:{opened[0]}: this fence is never closed")


def all_blocks() -> list[Block]:
    return [block for page in pages() for block in blocks(page)]


def prose(path: Path) -> list[str]:
    """A Markdown file's lines; those of fenced blocks are empty."""
    inside, kept = False, []
    for line in path.read_text(encoding="utf-8").split("\n"):
        fence = line.startswith("```")
        kept.append("" if inside or fence else line)
        inside ^= fence
    return kept


def links(path: Path) -> list[str]:
    """Targets of links and pictures; what stands in code is none."""
    return [target for line in prose(path) for target in _LINK.findall(re.sub(r"`[^`]*`", "", line))]


def anchors(path: Path) -> set[str]:
    """What ``#…`` can point to, as GitHub makes it of headings."""
    found: set[str] = set()
    for line in prose(path):
        heading = _HEADING.match(line)
        if heading:
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found
