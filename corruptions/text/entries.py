"""Catalogue entries of the text corruptions, each family together."""

from __future__ import annotations

from corruptions.entry import Corruption, Topic
from corruptions.text.describe import (
    CHARACTER_SHARES,
    CLAUSES,
    EDA,
    LATIN_ONLY,
    MISSPELLINGS,
    NOISE_MT,
    WORD_SHARES,
    text_entry,
)
from corruptions.text.entries_characters import CHARACTERS
from corruptions.text.entries_words import WORDS

__all__ = ["ENTRIES"]


def _character(name: str, source: str, doc: str, notes: str) -> Corruption:
    return text_entry(
        name, "character", "share of unprotected letters touched", CHARACTER_SHARES, source, doc, notes
    )


def _word(name: str, source: str, doc: str, notes: str) -> Corruption:
    return text_entry(
        name,
        "word",
        "share of unprotected words touched",
        WORD_SHARES,
        source,
        doc,
        notes,
        falsifies=_WORDING,
    )


_WORDING: tuple[Topic, ...] = ("wording",)


ENTRIES = (
    _character(
        "keyboard",
        f"{NOISE_MT}; QWERTY geometry",
        "Hits a neighbouring key instead of the letter.",
        LATIN_ONLY,
    ),
    _character(
        "ocr",
        "this package; confusions of printed Latin glyphs",
        "Misreads letters as look-alikes.",
        LATIN_ONLY,
    ),
    _character(
        "char_delete",
        MISSPELLINGS,
        "Drops letters, with the signs on them, never a word's first.",
        "No-op on words of one letter.",
    ),
    _character(
        "char_swap",
        NOISE_MT,
        "Exchanges two neighbouring letters of a word, with the signs on them.",
        "No-op on words of one letter.",
    ),
    *CHARACTERS,
    _word(
        "word_delete",
        EDA,
        "Drops words, never the last one left.",
        f"No-op on texts of one word. {CLAUSES}",
    ),
    _word(
        "word_swap",
        f"{EDA}; neighbours only",
        "Exchanges two neighbouring words; punctuation stays.",
        f"No-op where no two unprotected words are parted by blanks alone. {CLAUSES}",
    ),
    *WORDS,
)
