"""What the text corruptions share: the letters and words that may be edited, and how edits are put in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from corruptions.entry import Value
from corruptions.text.clusters import is_whole
from corruptions.text.protect import Protection
from corruptions.text.tokens import Word, edit_count, find_words, is_meaningful, rank

__all__ = [
    "budget",
    "edited",
    "first_good",
    "free_words",
    "like",
    "says_something",
    "substitute",
]


def substitute(
    text: str,
    options: dict[str, tuple[str, ...]],
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    guard: Protection,
) -> str:
    words = free_words(text, guard)
    places = [
        (at, word)
        for word in words
        for at in range(word.start, word.end)
        if text[at] in options and is_whole(text, at)
    ]
    order = rank(len(places), rng)
    # One number per place, whatever the severity: a letter gets the same replacement at each.
    which = rng.random(len(places)).tolist()
    count = budget(text, words, shares, severity, 1, len(places))
    chosen: dict[int, tuple[int, str]] = {}
    for i in order:
        if len(chosen) == count:
            break
        at, word = places[i]
        harmless = [new for new in options[text[at]] if not says_something(text, word, at, 1, new, guard)]
        if harmless:
            chosen[at] = (1, harmless[int(which[i] * len(harmless))])
    return edited(text, chosen)


def free_words(text: str, guard: Protection) -> list[Word]:
    return [word for word in find_words(text, guard) if word.free]


def says_something(text: str, word: Word, at: int, length: int, new: str, guard: Protection) -> bool:
    """Whether the edit would turn the word into a protected one ("tight" into "right", "now" into "no")."""
    # Only what is near the edit: where scripts have no spaces a word may be thousands of letters long.
    start, end = max(word.start, at - guard.reach), min(word.end, at + length + guard.reach)
    return is_meaningful(text[start:at] + new + text[at + length : end], guard)


def budget(
    text: str, words: list[Word], shares: tuple[Value, ...], severity: int, per_edit: int, places: int
) -> int:
    """Edits of this severity; never more than half of the letters are touched, beyond the first edit."""
    letters = sum(text[at].isalpha() for word in words for at in range(word.start, word.end))
    limit = min(places, max(1, letters // (2 * per_edit)))
    return edit_count(letters, shares, severity, per_edit=per_edit, limit=limit)


def edited(text: str, edits: dict[int, tuple[int, str]]) -> str:
    """The text with `length` characters from each position replaced; positions do not overlap."""
    parts = []
    done = 0
    for at in sorted(edits):
        length, new = edits[at]
        parts += [text[done:at], new]
        done = at + length
    return "".join([*parts, text[done:]])


def first_good(options: str | tuple[str, ...], number: float, good: Callable[[str], bool]) -> str | None:
    """The option that a number in [0, 1) points at, or the next one (in a circle) that is good."""
    start = int(number * len(options))
    return next(
        (option for i in range(len(options)) if good(option := options[(start + i) % len(options)])),
        None,
    )


def like(word: str, new: str) -> str:
    """The new word in the case of the old one: capitals, a first capital, or as it is."""
    if len(word) > 1 and word.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if word[:1].isupper() else new
