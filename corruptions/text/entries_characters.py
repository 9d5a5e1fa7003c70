"""Catalogue entries of the corruptions of letters, glyphs, case and layout."""

from __future__ import annotations

from corruptions.entry import Corruption
from corruptions.text.describe import (
    CHARACTER_SHARES,
    FULL_SHARES,
    LATIN_ONLY,
    MISSPELLINGS,
    OWN,
    WORD_SHARES,
    text_entry,
)

__all__ = ["CHARACTERS"]

_LETTERS = "share of unprotected letters touched"
_ZEROE = f"{OWN}; after the visual attack of Eger & Benz, From Hero to Zéroe, AACL 2020 (2010.05648)"
_REPETITION = (
    "Moradi & Samwald, Evaluating the Robustness of Neural Language Models to Input Perturbations, EMNLP "
    "2021 (2108.12237)"
)
_TEXTFLINT = "WordCase of Wang et al., TextFlint, ACL 2021 demo (2103.11441)"
_NL_AUGMENTER = "of Dhole et al., NL-Augmenter, 2021 (2112.02721)"


def _letter(name: str, family: str, source: str, doc: str, notes: str = "") -> Corruption:
    return text_entry(name, family, _LETTERS, CHARACTER_SHARES, source, doc, notes)


CHARACTERS = (
    _letter("char_insert", "character", MISSPELLINGS, "Puts random letters behind letters."),
    _letter(
        "char_replace",
        "character",
        f"{OWN}; after TextAttack's WordSwapRandomCharacterSubstitution",
        "Replaces letters by random ones in the same case.",
        "No-op where a text in another script repeats one letter.",
    ),
    _letter("char_repeat", "character", _REPETITION, "Types letters twice."),
    _letter(
        "homoglyph",
        "glyph",
        f"{_ZEROE}; Unicode confusables",
        "Writes letters of another alphabet that look the same.",
        "No-op on texts without Latin, Cyrillic or Greek look-alikes.",
    ),
    _letter("diacritics", "glyph", _ZEROE, "Puts accents on plain Latin letters.", LATIN_ONLY),
    _letter(
        "leet",
        "glyph",
        f"{OWN}; internet usage",
        "Writes letters as digits and signs; every word keeps a letter.",
        "No-op on texts without Latin letters; saturates on very short words.",
    ),
    text_entry(
        "case_random",
        "case",
        _LETTERS,
        (0.05, 0.10, 0.20, 0.35, 0.50),
        f"{OWN}; after RandomUpperPerturbation {_NL_AUGMENTER}",
        "Changes the case of letters.",
        "No-op on scripts without case; no-op for models that lower their input.",
    ),
    text_entry(
        "case_upper",
        "case",
        "share of unprotected words in capitals",
        FULL_SHARES,
        _TEXTFLINT,
        "Writes words in capitals.",
        "No-op on scripts without case and on capitals; no-op for models that lower their input.",
    ),
    text_entry(
        "whitespace",
        "layout",
        "share of the spaces between words lost or multiplied",
        (0.2, 0.35, 0.5, 0.75, 1.0),
        f"{OWN}; after WhitespacePerturbation {_NL_AUGMENTER}",
        "Loses and multiplies spaces.",
        "No-op on texts without a space between words; saturates on very short texts.",
    ),
    text_entry(
        "punctuation_insert",
        "layout",
        "share of unprotected words that a stray mark follows",
        WORD_SHARES,
        "Karimi et al., AEDA, Findings of EMNLP 2021 (2108.13230)",
        "Puts stray marks behind words.",
        "Saturates on very short texts.",
    ),
    text_entry(
        "punctuation_delete",
        "layout",
        "share of the marks beside words that go",
        FULL_SHARES,
        OWN,
        "Drops punctuation.",
        "No-op on texts without punctuation; saturates at severity 1 where there is one mark.",
    ),
)
