"""Names that are free, and text fit for a message."""

from __future__ import annotations


def unused(name: str, taken: set[str], number: int = 2) -> str:
    """``name#2`` or the next number that is free; it is taken from then on."""
    while f"{name}#{number}" in taken:
        number += 1
    taken.add(f"{name}#{number}")
    return f"{name}#{number}"


def one_line(text: str) -> str:
    """Fit for a message: one line, printable, at most 200 characters."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:200]


def quoted(text: str) -> str:
    """A name of the data's in a message, shortened where it is long."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
