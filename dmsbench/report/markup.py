"""What reports write in Markdown, as HTML: bold, code and escapes, headings and tables, nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from dmsbench.plain_text import one_line

_MARKS = re.compile(r"\\(?P<mark>[\\`*\[\]<>|~_])|\*\*(?P<bold>[^*]+)\*\*|`(?P<code>[^`]+)`")

_CELL = re.compile(r"(?:\\.|[^|\\])+")  # a bar behind a backslash ends no cell


def as_html(line: str) -> str:
    """A line of Markdown as ``formats.escaped`` and the leaderboard's notes write it; any text is safe."""
    text, found, end = one_line(line), [], 0
    for match in _MARKS.finditer(text):
        found.append(escape(text[end : match.start()]))
        if match["mark"] is not None:
            found.append(escape(match["mark"]))
        elif match["bold"] is not None:
            found.append(f"<strong>{escape(match['bold'])}</strong>")
        else:
            found.append(f"<code>{escape(match['code'])}</code>")
        end = match.end()
    return "".join([*found, escape(text[end:])])


def section_as_html(lines: Sequence[str]) -> str:
    """Lines as ``answer_types.section`` and ``retrieval.section`` write them: headings of the second level
    become ``h3``, tables can be scrolled, what else there is are paragraphs."""
    found: list[str] = []
    heading, at = "", 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("## "):
            heading = line[3:]
            found.append(f"<h3>{as_html(heading)}</h3>")
        elif line.startswith("|"):
            end = next((i for i in range(at, len(lines)) if not lines[i].startswith("|")), len(lines))
            found.append(_table(lines[at - 1 : end], heading))
            at = end
        elif line:
            found.append(f"<p>{as_html(line)}</p>")
    return "\n".join(found)


def _table(lines: Sequence[str], name: str) -> str:
    """A heading, a line of alignments, rows; the first column names the row."""
    titles, marks, *rows = ([cell.strip() for cell in _CELL.findall(line)] for line in lines)
    kinds = ["" if mark.endswith(":") and not mark.startswith(":") else ' class="text"' for mark in marks]
    head = "".join(
        f'<th scope="col"{kind}>{as_html(title)}</th>' for title, kind in zip(titles, kinds, strict=True)
    )
    body = "\n".join(
        f'<tr><th scope="row">{as_html(row[0])}</th>'
        + "".join(f"<td{kind}>{as_html(cell)}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
