"""Reading the word lists of the text corruptions."""

from __future__ import annotations

__all__ = ["word_table"]


def word_table(lines: str) -> dict[str, tuple[str, ...]]:
    """Entries "word: one two; word: three" as a mapping; a low line stands for a space in a replacement."""
    table = {}
    for entry in lines.split(";"):
        word, _, options = entry.partition(":")
        if word.strip():
            table[word.strip()] = tuple(option.replace("_", " ") for option in options.split())
    return table
