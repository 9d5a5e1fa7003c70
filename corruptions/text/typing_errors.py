"""Letters too many, wrong letters and stuck keys, inside words of any script."""

from __future__ import annotations

import string

import numpy as np

from corruptions.entry import Value
from corruptions.text.clusters import is_whole
from corruptions.text.edits import budget, edited, first_good, free_words, says_something
from corruptions.text.protect import Protection, protection
from corruptions.text.tokens import Word, rank

__all__ = ["char_insert", "char_repeat", "char_replace"]


def char_insert(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Random letters are put behind some letters, in their case, never in front of a word.

    Behind an ASCII letter comes one of a to z, behind another one a letter of the text that is not ASCII.
    """
    return _with_letters(text, shares, severity, rng, protection(protect), length=0)


def char_replace(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some letters become another random letter, in their case.

    An ASCII letter becomes one of a to z, another one a different letter of the text that is not ASCII.
    """
    return _with_letters(text, shares, severity, rng, protection(protect), length=1)


def char_repeat(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some letters of any script are typed twice."""
    guard = protection(protect)
    words = free_words(text, guard)
    places = [
        at for at, word in _letters(text, words) if not says_something(text, word, at, 0, text[at], guard)
    ]
    count = budget(text, words, shares, severity, 1, len(places))
    return edited(text, {places[i]: (0, text[places[i]]) for i in rank(len(places), rng)[:count]})


def _with_letters(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    guard: Protection,
    *,
    length: int,
) -> str:
    words = free_words(text, guard)
    places = _letters(text, words)
    order = rank(len(places), rng)
    # One number per place, whatever the severity: a place gets the same letter at each.
    which = rng.random(len(places)).tolist()
    count = budget(text, words, shares, severity, 1, len(places))
    others = "".join(sorted({text[at] for at, _ in places if not text[at].isascii()}))
    chosen: dict[int, tuple[int, str]] = {}
    for i in order:
        if len(chosen) == count:
            break
        at, word = places[i]
        where = at if length else at + 1

        def good(new: str, at: int = at, word: Word = word, where: int = where) -> bool:
            return new != text[at] and not says_something(text, word, where, length, new, guard)

        new = first_good(_pool(text[at], others), which[i], good)
        if new is not None:
            chosen[where] = (length, new)
    return edited(text, chosen)


def _pool(character: str, others: str) -> str:
    if not character.isascii():
        return others
    return string.ascii_uppercase if character.isupper() else string.ascii_lowercase


def _letters(text: str, words: list[Word]) -> list[tuple[int, Word]]:
    """Letters with their words; one with signs written on it, or joined to another, is left alone."""
    return [
        (at, word)
        for word in words
        for at in range(word.start, word.end)
        if text[at].isalpha() and is_whole(text, at)
    ]
