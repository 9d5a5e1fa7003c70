"""Words lost and words out of order."""

from __future__ import annotations

import math

import numpy as np

from corruptions.entry import Value
from corruptions.text.protect import protection
from corruptions.text.tokens import Word, edit_count, find_words, rank

__all__ = ["without", "word_delete", "word_swap"]

_BLANKS = " \t"


def word_delete(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some words are left out, each with one space beside it; punctuation, tabs and line breaks stay.

    At most two thirds of the unprotected words go, and never the last word of the text.
    """
    words = find_words(text, protection(protect))
    free = [word for word in words if word.free]
    limit = min(math.ceil(len(free) * 2 / 3), len(words) - 1)
    count = edit_count(len(free), shares, severity, limit=limit)
    gone = sorted(rank(len(free), rng)[:count])
    return without(text, [free[i] for i in gone])


def word_swap(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some pairs of neighbouring, different words change places; case, punctuation and blanks stay.

    Only blanks may stand between the two, and a word moves once.
    """
    words = find_words(text, protection(protect))
    units = sum(word.free for word in words)
    pairs = [i for i in range(len(words) - 1) if _may_swap(text, words[i], words[i + 1])]
    count = edit_count(units, shares, severity, per_edit=2, limit=len(pairs))
    chosen: set[int] = set()
    for r in rank(len(pairs), rng):
        if len(chosen) == count:
            break
        i = pairs[r]
        if i - 1 not in chosen and i + 1 not in chosen:
            chosen.add(i)
    parts = []
    done = 0
    for i in sorted(chosen):
        one, two = words[i], words[i + 1]
        parts += [
            text[done : one.start],
            text[two.start : two.end],
            text[one.end : two.start],
            text[one.start : one.end],
        ]
        done = two.end
    return "".join([*parts, text[done:]])


def _may_swap(text: str, one: Word, two: Word) -> bool:
    gap = text[one.end : two.start]
    return (
        one.free
        and two.free
        and gap.strip(_BLANKS) == ""
        and gap != ""
        and text[one.start : one.end] != text[two.start : two.end]
    )


def without(text: str, words: list[Word]) -> str:
    """The text without these words, given in order, and without one space beside each."""
    kept: list[str] = []
    done = 0
    for word in words:
        kept.extend(text[done : word.start])
        done = word.end
        before = kept[-1] if kept else "\n"
        after = text[done : done + 1]
        # Tabs and line breaks are layout; only a space goes with the word.
        if before == " ":
            kept.pop()
        elif before.isspace() and after == " ":
            done += 1
    kept.extend(text[done:])
    return "".join(kept)
