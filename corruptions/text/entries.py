"""Catalogue entries of the text corruptions, each family together."""

from __future__ import annotations

from corruptions.entry import Corruption, Topic
from corruptions.text.describe import CHARACTER_SHARES, EDA, NOISE_MT, WORD_SHARES, text_entry
from corruptions.text.entries_characters import CHARACTERS
from corruptions.text.entries_words import WORDS

__all__ = ["ENTRIES"]


def _character(name: str, source: str, doc: str) -> Corruption:
    return text_entry(
        name, "character", "share of unprotected letters touched", CHARACTER_SHARES, source, doc
    )


def _word(name: str, source: str, doc: str, falsifies: tuple[Topic, ...] = ()) -> Corruption:
    return text_entry(
        name,
        "word",
        "share of unprotected words touched",
        WORD_SHARES,
        source,
        doc,
        falsifies=falsifies,
    )


ENTRIES = (
    _character("keyboard", f"{NOISE_MT}; QWERTY geometry", "Hits a neighbouring key instead of the letter."),
    _character("ocr", "this package; confusions of printed Latin glyphs", "Misreads letters as look-alikes."),
    _character("char_delete", NOISE_MT, "Drops letters, never a word's first."),
    _character("char_swap", NOISE_MT, "Exchanges two neighbouring letters of a word."),
    *CHARACTERS,
    _word("word_delete", EDA, "Drops words, never the last one left.", ("wording",)),
    _word(
        "word_swap",
        f"{EDA}; neighbours only",
        "Exchanges two neighbouring words; punctuation stays.",
        ("wording",),
    ),
    *WORDS,
)
