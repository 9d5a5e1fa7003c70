"""Catalogue entries of the text corruptions."""

from __future__ import annotations

from corruptions.entry import DEFAULT_PROFILE, Corruption, Value

__all__ = ["ENTRIES"]

_CHARACTER_SHARES = (0.02, 0.05, 0.10, 0.15, 0.25)
_WORD_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)


def _entry(
    name: str, family: str, parameter: str, shares: tuple[Value, ...], source: str, doc: str
) -> Corruption:
    return Corruption(
        name=name,
        kind="text",
        target="text",
        family=family,
        parameter=parameter,
        parameters={DEFAULT_PROFILE: shares},
        source=source,
        doc=doc,
        nested=True,
    )


def _character(name: str, source: str, doc: str) -> Corruption:
    return _entry(name, "character", "share of unprotected letters touched", _CHARACTER_SHARES, source, doc)


def _word(name: str, source: str, doc: str) -> Corruption:
    return _entry(name, "word", "share of unprotected words touched", _WORD_SHARES, source, doc)


_NOISE_MT = "Belinkov & Bisk, Synthetic and Natural Noise Both Break Neural MT, ICLR 2018 (1711.02173)"
_EDA = "Wei & Zou, EDA: Easy Data Augmentation, EMNLP 2019 (1901.11196)"

ENTRIES = (
    _character("keyboard", f"{_NOISE_MT}; QWERTY geometry", "Hits a neighbouring key instead of the letter."),
    _character("ocr", "this package; confusions of printed Latin glyphs", "Misreads letters as look-alikes."),
    _character("char_delete", _NOISE_MT, "Drops letters, never a word's first."),
    _character("char_swap", _NOISE_MT, "Exchanges two neighbouring letters of a word."),
    _word("word_delete", _EDA, "Drops words, never the last one left."),
    _word("word_swap", f"{_EDA}; neighbours only", "Exchanges two neighbouring words; punctuation stays."),
)
