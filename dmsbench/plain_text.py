"""Text from data and from names as a terminal, a CSV file or JSON can show it: it commands nothing.

Control characters move cursors, rename windows and hide lines; the marks of Unicode that turn the direction
of writing make one name look like another; and a spreadsheet computes what begins like a formula.
"""

from __future__ import annotations

import json
import re
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
#: What spreadsheets take for the beginning of a formula, in full width too.
_FORMULA = tuple("=+-@\t\r＝＋－＠")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def one_line(text: str) -> str:
    """Text that any medium can show: no control characters, line breaks or half surrogate pairs."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Every character that cannot be printed replaced by a mark; spaces stay as they are."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else REPLACEMENT for c in text)


def printable_lines(text: str) -> str:
    """As ``printable``, but for line breaks."""
    return "\n".join(map(printable, text.split("\n")))


def csv_text(text: str) -> str:
    """A cell of CSV on one line, an apostrophe before what a spreadsheet would compute; numbers stay."""
    line = one_line(text)
    return f"'{line}" if line.startswith(_FORMULA) and not _NUMBER.fullmatch(line) else line


def json_text(document: Any, *, indent: int | None = 1, ascii_only: bool = False) -> str:
    """A document as JSON in which everything that cannot be printed is written as an escape.

    Raises ValueError for NaN.
    """
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only, allow_nan=False)
    return "".join(c if c == "\n" or c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return json.dumps(character, ensure_ascii=True)[1:-1] if ord(character) != 0x7F else "\\u007f"
