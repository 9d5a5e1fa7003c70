"""Text corruptions: functions of (text, five shares, severity, generator, protected words)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from corruptions.entry import Value

__all__ = ["Kernel", "kernels"]

Kernel = Callable[[str, tuple[Value, ...], int, np.random.Generator, frozenset[str] | None], str]


@cache
def kernels() -> dict[str, Kernel]:
    """The function of every text corruption."""
    from corruptions.text import (
        case,
        characters,
        glyphs,
        layout,
        lexical,
        paraphrase,
        sentences,
        typing_errors,
        word_edits,
        words,
    )

    return {
        "keyboard": characters.keyboard,
        "ocr": characters.ocr,
        "char_delete": characters.char_delete,
        "char_swap": characters.char_swap,
        "char_insert": typing_errors.char_insert,
        "char_replace": typing_errors.char_replace,
        "char_repeat": typing_errors.char_repeat,
        "homoglyph": glyphs.homoglyph,
        "diacritics": glyphs.diacritics,
        "leet": glyphs.leet,
        "case_random": case.case_random,
        "case_upper": case.case_upper,
        "whitespace": layout.whitespace,
        "punctuation_insert": layout.punctuation_insert,
        "punctuation_delete": layout.punctuation_delete,
        "word_delete": words.word_delete,
        "word_swap": words.word_swap,
        "word_shuffle": word_edits.word_shuffle,
        "word_insert": word_edits.word_insert,
        "word_repeat": word_edits.word_repeat,
        "word_split": word_edits.word_split,
        "word_mask": word_edits.word_mask,
        "nonsense": word_edits.nonsense,
        "spelling": lexical.spelling,
        "synonym": lexical.synonym,
        "stopword_delete": lexical.stopword_delete,
        "truncate": sentences.truncate,
        "distractor": sentences.distractor,
        "filler": sentences.filler,
        "paraphrase": paraphrase.paraphrase,
    }
