"""Boards as one self-contained HTML page, without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dmsbench.plain_text import one_line
from dmsbench.report import answer_types, retrieval
from dmsbench.report.board.build import Board, Entry
from dmsbench.report.board.markdown import COLUMNS, cells, head, notes
from dmsbench.report.markup import as_html, section_as_html

_STYLE = """
:root { --paper: #fff; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --focus: #0a5ea8;
  color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171c; --ink: #e8eaed; --quiet: #a9b3be; --line: #3a424c; --focus: #6cb6ff; }
}
body { margin: 0 auto; max-width: 1180px; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1, h2 { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .38rem .7rem; text-align: right; vertical-align: top; }
th, td { border-bottom: 1px solid var(--line); }
small { white-space: nowrap; }
td > small { display: block; }
thead th, small, dt { color: var(--quiet); }
th[scope="row"], .text { text-align: left; }
th[scope="row"] { min-width: 7.5rem; max-width: 20rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: minmax(8rem, auto) 1fr; gap: .2rem 1rem; overflow-wrap: anywhere; }
dd { margin: 0; }
:focus-visible { outline: 3px solid var(--focus); }
"""


def to_html(boards: Sequence[Board]) -> str:
    """A section a suite; every text of the data is text."""
    body = "\n".join(_section(board) for board in boards)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Leaderboard</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Leaderboard</h1>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _section(board: Board) -> str:
    about = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in head(board))
    titles = "".join(f'<th scope="col"{_kind(title)}>{_text(title)}</th>' for title in COLUMNS)
    rows = "\n".join(_row(entry) for entry in board.entries)
    explained = "\n".join(f"<li>{as_html(note)}</li>" for note in notes(board))
    models = "".join(
        f"<dt>{_text(e.row.model)}</dt><dd>{_text(e.spec)}, asked by dmsbench {_text(e.version)}</dd>"
        for e in board.entries
    )
    found = board.leaderboard
    lines = answer_types.section(found.answer_types) if found.answer_types else []
    lines += retrieval.section(found.retrieval) if found.retrieval else []
    suite = _text(board.leaderboard.info.suite)
    return (
        f"<section>\n<h2>{suite}</h2>\n<dl>{about}</dl>\n"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{suite}">'
        f"<table><thead><tr>{titles}</tr></thead><tbody>\n{rows}\n</tbody></table></div>\n"
        f"<ul>\n{explained}\n</ul>\n<h3>Models</h3>\n<dl>{models}</dl>\n"
        f"{section_as_html(lines)}\n</section>"
    )


def _row(entry: Entry) -> str:
    found = []
    for i, cell in enumerate(cells(entry)):
        value, bracket, rest = _text(cell).partition(" [")
        shown = f"{value} <small>[{rest}</small>" if bracket else value
        found.append(f'<th scope="row">{shown}</th>' if i == 1 else f"<td{_kind(COLUMNS[i])}>{shown}</td>")
    return f"<tr>{''.join(found)}</tr>"


def _kind(title: str) -> str:
    return ' class="text"' if title in ("model", "worst condition") else ""


def _text(text: str) -> str:
    return escape(one_line(text))
