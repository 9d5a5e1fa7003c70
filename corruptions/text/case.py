"""Capitals where none belong."""

from __future__ import annotations

import numpy as np

from corruptions.entry import Value
from corruptions.text.edits import budget, edited, free_words
from corruptions.text.protect import protection
from corruptions.text.tokens import ROLES, Word, edit_count, rank

__all__ = ["case_random", "case_upper"]


def case_random(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some letters change their case. Words of one letter stay: "A" would read as an option."""
    words = [word for word in free_words(text, protection(protect)) if _may_change(text, word)]
    places = [at for word in words for at in range(word.start, word.end) if _has_case(text[at])]
    count = budget(text, words, shares, severity, 1, len(places))
    return edited(text, {places[i]: (1, text[places[i]].swapcase()) for i in rank(len(places), rng)[:count]})


def case_upper(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some words are written in capitals throughout. Words of one letter stay."""
    free = [
        (word, capitals)
        for word in free_words(text, protection(protect))
        if _may_change(text, word)
        and (capitals := _capitals(text[word.start : word.end])) != text[word.start : word.end]
    ]
    count = edit_count(len(free), shares, severity, limit=len(free))
    chosen = (free[i] for i in rank(len(free), rng)[:count])
    return edited(text, {word.start: (word.end - word.start, capitals) for word, capitals in chosen})


def _may_change(text: str, word: Word) -> bool:
    # "User:" in capitals would become the role marker of a chat template.
    return word.end - word.start > 1 and text[word.start : word.end].upper() not in ROLES


def _has_case(character: str) -> bool:
    """Whether the other case is one other character that leads back to this one (not so for ß)."""
    other = character.swapcase()
    return len(other) == 1 and other != character and other.swapcase() == character


def _capitals(word: str) -> str:
    return "".join(c.upper() if c.islower() and _has_case(c) else c for c in word)
