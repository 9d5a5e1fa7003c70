"""Slips of the finger and of the scanner, inside words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from corruptions.entry import Value
from corruptions.text.clusters import cluster_end, continues
from corruptions.text.edits import budget, edited, free_words, says_something, substitute
from corruptions.text.protect import protection
from corruptions.text.tokens import Word, rank

__all__ = ["char_delete", "char_swap", "keyboard", "ocr"]

_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))


def _keyboard_neighbours() -> dict[str, tuple[str, ...]]:
    """Keys that touch on a QWERTY board, whose rows are each shifted against the one above."""
    keys = [(key, i + offset, row) for row, (line, offset) in enumerate(_ROWS) for i, key in enumerate(line)]
    lower = {
        key: tuple(
            other
            for other, x2, row2 in keys
            if other != key and abs(row - row2) <= 1 and abs(x - x2) <= (1.0 if row == row2 else 0.99)
        )
        for key, x, row in keys
    }
    return lower | {key.upper(): tuple(o.upper() for o in others) for key, others in lower.items()}


_NEIGHBOURS = _keyboard_neighbours()

# Confusions of printed glyphs that look alike.
_LOOK_ALIKES: dict[str, tuple[str, ...]] = {
    "a": ("o", "e"),
    "b": ("h", "6"),
    "c": ("e", "o"),
    "d": ("cl", "o"),
    "e": ("c", "o"),
    "f": ("t",),
    "g": ("q", "9"),
    "h": ("b", "n"),
    "i": ("l", "1", "j"),
    "j": ("i",),
    "k": ("lc",),
    "l": ("1", "I", "i"),
    "m": ("rn", "nn"),
    "n": ("r", "h"),
    "o": ("0", "c"),
    "p": ("q",),
    "q": ("g", "9"),
    "r": ("n",),
    "s": ("5",),
    "t": ("f", "l"),
    "u": ("v", "ii"),
    "v": ("u", "y"),
    "w": ("vv",),
    "x": ("z",),
    "y": ("v",),
    "z": ("2", "x"),
    "A": ("4",),
    "B": ("8", "3"),
    "C": ("G", "("),
    "D": ("O", "0"),
    "E": ("F",),
    "F": ("P", "E"),
    "G": ("6", "C"),
    "H": ("N",),
    "I": ("l", "1"),
    "J": ("I",),
    "K": ("X",),
    "L": ("I",),
    "M": ("N",),
    "N": ("H", "M"),
    "O": ("0", "Q"),
    "P": ("F",),
    "Q": ("O", "0"),
    "R": ("K",),
    "S": ("5", "8"),
    "T": ("7", "I"),
    "U": ("V",),
    "V": ("U", "Y"),
    "W": ("VV",),
    "X": ("K",),
    "Y": ("V",),
    "Z": ("2", "7"),
}


def keyboard(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some ASCII letters become the letter of a neighbouring key, in the same case.

    Other scripts have other boards and are left unchanged.
    """
    return substitute(text, _NEIGHBOURS, shares, severity, rng, protection(protect))


def ocr(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some ASCII letters become glyphs that look alike, m as rn. Other scripts are unchanged."""
    return substitute(text, _LOOK_ALIKES, shares, severity, rng, protection(protect))


def char_delete(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some letters of any script are left out, with the signs on them, never the first of a word."""
    guard = protection(protect)
    words = free_words(text, guard)
    places = [
        (at, end - at)
        for word in words
        for at, end in _letters(text, word)
        if at > word.start and not says_something(text, word, at, end - at, "", guard)
    ]
    count = budget(text, words, shares, severity, 1, len(places))
    chosen = (places[i] for i in rank(len(places), rng)[:count])
    return edited(text, {at: (length, "") for at, length in chosen})


def char_swap(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some pairs of neighbouring, different letters of a word, in any script, change places.

    The signs on a letter move with it.
    """
    guard = protection(protect)
    words = free_words(text, guard)
    places = [
        (at, middle, end)
        for word in words
        for (at, middle), (after, end) in pairwise(_letters(text, word))
        if middle == after
        and text[at:middle] != text[middle:end]
        and not says_something(text, word, at, end - at, text[middle:end] + text[at:middle], guard)
    ]
    count = budget(text, words, shares, severity, 2, len(places))
    chosen: dict[int, tuple[int, str]] = {}
    moved: set[int] = set()
    for i in rank(len(places), rng):
        at, middle, end = places[i]
        if len(chosen) == count:
            break
        # A letter moves once: which pairs are passed over depends on higher ranks only, so prefixes nest.
        if moved.isdisjoint((at, middle)):
            moved.update((at, middle))
            chosen[at] = (end - at, text[middle:end] + text[at:middle])
    return edited(text, chosen)


def _letters(text: str, word: Word) -> list[tuple[int, int]]:
    """Start and end of the word's letters, each with the signs on it."""
    return [
        (at, cluster_end(text, at))
        for at in range(word.start, word.end)
        if text[at].isalpha() and not continues(text, at)
    ]
