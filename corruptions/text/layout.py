"""Blanks and punctuation between words."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np

from corruptions.entry import Value
from corruptions.text.clusters import continues
from corruptions.text.edits import edited, first_good
from corruptions.text.protect import Protection, protection
from corruptions.text.tokens import Word, edit_count, find_words, gaps, is_meaningful, rank, token_between

__all__ = ["punctuation_delete", "punctuation_insert", "whitespace"]

# No colon, bracket or slash: with these a word could become a role marker, an option or a template token.
_MARKS = (",", ".", ";", "!", "?", "-", "...", "…")


def whitespace(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some spaces between words are lost or multiplied; tabs and line breaks stay.

    Only two unprotected words are run together, and not if they make a protected one ("in side").
    """
    guard = protection(protect)
    words = find_words(text, guard)
    places = [
        (text.index(" ", one.end), _may_join(text, one, two, guard))
        for one, two in pairwise(words)
        if (one.free or two.free) and " " in text[one.end : two.start] and not token_between(text, one, two)
    ]
    order = rank(len(places), rng)
    which = rng.random(len(places)).tolist()
    count = edit_count(len(places), shares, severity, limit=len(places))
    chosen: dict[int, tuple[int, str]] = {}
    for i in order[:count]:
        at, joins = places[i]
        if joins and which[i] < 0.5:
            chosen[at] = (1, "")
        else:
            chosen[at] = (0, " " if which[i] < 0.8 else "   ")
    return edited(text, chosen)


def punctuation_insert(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Stray marks follow some words. Not words of one character: "a." would read as an option."""
    words = find_words(text, protection(protect))
    places = [word.end for word in words if word.free and word.end - word.start > 1]
    order = rank(len(places), rng)
    which = rng.random(len(places)).tolist()
    count = edit_count(sum(word.free for word in words), shares, severity, limit=len(places))
    chosen: dict[int, tuple[int, str]] = {}
    for i in order[:count]:
        at = places[i]
        # Another mark than the one that stands there: doubled marks would blur what was added.
        there = text[at : at + 1]
        mark = first_good(_MARKS, which[i], lambda new, there=there: new[0] != there)  # type: ignore[misc]
        chosen[at] = (0, mark or _MARKS[0])
    return edited(text, chosen)


def punctuation_delete(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some marks beside words go. Those inside words stay, and those that part two words alone.

    Marks beside a protected number or single letter stay too: they make "(a)", "50%" or "-3". So does
    the low line, which may stand for a gap to fill. A text without an unprotected word is unchanged.
    """
    words = find_words(text, protection(protect))
    places = _loose_marks(text, words) if any(word.free for word in words) else []
    count = edit_count(len(places), shares, severity, limit=len(places))
    return edited(text, {places[i]: (1, "") for i in rank(len(places), rng)[:count]})


def _may_join(text: str, one: Word, two: Word, guard: Protection) -> bool:
    together = text[one.start : one.end] + text[two.start : two.end]
    return one.free and two.free and text[one.end : two.start] == " " and not is_meaningful(together, guard)


def _loose_marks(text: str, words: tuple[Word, ...]) -> list[int]:
    fixed = [False] * len(text)
    for word in words:
        fixed[word.start : word.end] = [True] * (word.end - word.start)
        if not word.free and _is_sign(text[word.start : word.end]):
            for step, at in ((-1, word.start - 1), (1, word.end)):
                while 0 <= at < len(text) and not text[at].isspace() and not text[at].isalnum():
                    fixed[at] = True
                    at += step
    for one, two in pairwise(words):
        between = text[one.end : two.start]
        if not any(character.isspace() for character in between):
            fixed[one.end : two.start] = [True] * len(between)
    return [
        at
        for low, high in gaps(text)
        for at in range(low, high)
        if not fixed[at]
        and text[at] != "_"
        and unicodedata.category(text[at]).startswith("P")
        # With a sign on it it is an emoji: the sign would settle on what stands before.
        and not continues(text, at + 1)
    ]


def _is_sign(word: str) -> bool:
    """A number or an option letter, whose neighbours may belong to it."""
    return len(word) == 1 or any(character.isdigit() for character in word)
