"""Notes that are written in Markdown, as HTML: bold, code and escapes, nothing else."""

from __future__ import annotations

import re
from html import escape

from dmsbench.report.formats import one_line

_MARKS = re.compile(r"\\(?P<mark>[\\`*\[\]<>|~_])|\*\*(?P<bold>[^*]+)\*\*|`(?P<code>[^`]+)`")


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
