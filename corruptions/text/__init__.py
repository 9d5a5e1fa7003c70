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
    from corruptions.text import characters, words

    return {
        "keyboard": characters.keyboard,
        "ocr": characters.ocr,
        "char_delete": characters.char_delete,
        "char_swap": characters.char_swap,
        "word_delete": words.word_delete,
        "word_swap": words.word_swap,
    }
