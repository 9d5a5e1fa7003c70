"""Which characters make one letter for a reader: a base, and what is written on it or joined to it."""

from __future__ import annotations

import unicodedata

__all__ = ["cluster_end", "continues", "is_whole"]

_JOINER = "\u200d"

# Below this, no character joins the one before it.
_FIRST = "\u0300"

# Joiners, and letters by category that Unicode's segmentation counts to the letter before: Thai and Lao
# AM, the halfwidth voicing marks, the vowels and finals of Korean syllables written in parts.
_JOINED = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f")
_RANGES = (("\u1160", "\u11ff"), ("\ud7b0", "\ud7fb"), ("\U0001f3fb", "\U0001f3ff"))

# The combining class of the signs that bind two Indic consonants into one.
_VIRAMA = 9


def continues(text: str, at: int) -> bool:
    """Whether the character there belongs to the one before it (an accent, a vowel sign, a joined letter).

    False at either end of the text. Emoji sequences count as one too.
    """
    if not 0 < at < len(text) or text[at] < _FIRST:
        return False
    character = text[at]
    if character in _JOINED or any(low <= character <= high for low, high in _RANGES):
        return True
    if unicodedata.category(character).startswith("M"):
        return True
    before = at - 1
    if text[before] == _JOINER:
        if not character.isalpha():
            return True
        before -= 1
    return character.isalpha() and before >= 0 and unicodedata.combining(text[before]) == _VIRAMA


def cluster_end(text: str, at: int) -> int:
    """Where the letter that begins at this position ends."""
    end = at + 1
    while continues(text, end):
        end += 1
    return end


def is_whole(text: str, at: int) -> bool:
    """Whether the character there is a letter by itself, with nothing written on it or joined to it."""
    return not continues(text, at) and not continues(text, at + 1)
