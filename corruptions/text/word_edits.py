"""Words moved, added, doubled, cut in two, masked or replaced by nonsense."""

from __future__ import annotations

import numpy as np

from corruptions.entry import Value
from corruptions.text.clusters import continues
from corruptions.text.edits import edited, first_good, like
from corruptions.text.protect import Protection, protection
from corruptions.text.tokens import MASK, Word, edit_count, find_words, is_meaningful, rank, token_between

__all__ = ["nonsense", "word_insert", "word_mask", "word_repeat", "word_shuffle", "word_split"]

# Words that say nothing about a picture, whatever stands around them.
_HESITATIONS = (
    "um", "uh", "er", "hmm", "well", "just", "really", "actually", "basically", "simply", "maybe",
    "perhaps", "please", "anyway", "somehow", "okay", "you know", "I mean", "indeed",
)  # fmt: skip

# Onsets that hardly any English word has, so that no nonsense is a word by chance ("dog", "black").
_ONSETS = ("bw", "dv", "fw", "gw", "kv", "mv", "pw", "sv", "vl", "vr", "zl", "zv", "zw", "zr")
_CONSONANTS = "bdfgklmnprtvz"
_VOWELS = "aeiou"
_LONGEST = 12


def word_shuffle(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some different words change places in a circle, however far apart; all else stands where it stood.

    A word that is out of place at one severity is so at all higher ones; each severity's further words
    join the circle. Of a word that occurs more than once, one occurrence moves.
    """
    free = [word for word in find_words(text, protection(protect)) if word.free]
    order = rank(len(free), rng)
    circle: list[Word] = []
    seen: set[str] = set()
    for i in order:
        word = text[free[i].start : free[i].end].casefold()
        if word not in seen:
            seen.add(word)
            circle.append(free[i])
    if len(circle) < 2:
        return text
    # A circle of one does not move, so the count is of words beyond the first.
    count = 1 + edit_count(len(free) - 1, shares, severity, limit=len(circle) - 1)
    circle = circle[:count]
    return edited(
        text,
        {
            word.start: (word.end - word.start, text[other.start : other.end])
            for word, other in zip(circle, [*circle[1:], circle[0]], strict=True)
        },
    )


def word_insert(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Hesitations ("um", "you know") are put before some words of ASCII letters.

    Never directly behind a protected word, whose meaning they could shift ("not really").
    """
    guard = protection(protect)
    words = find_words(text, guard)
    places = [
        word.start
        for before, word in zip((None, *words), words, strict=False)
        if word.free
        and text[word.start : word.end].isascii()
        and text[max(0, word.start - 1) : word.start] in ("", " ", "\n", "\t")
        and (before is None or before.free or token_between(text, before, word))
    ]
    order = rank(len(places), rng)
    which = rng.random(len(places)).tolist()
    count = edit_count(sum(word.free for word in words), shares, severity, limit=len(places))
    chosen: dict[int, tuple[int, str]] = {}
    for i in order[:count]:
        new = first_good(_HESITATIONS, which[i], lambda new: not is_meaningful(new, guard))
        if new is not None:
            chosen[places[i]] = (0, new + " ")
    return edited(text, chosen)


def word_repeat(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some words are said twice in a row, a space between."""
    free = [word for word in find_words(text, protection(protect)) if word.free]
    count = edit_count(len(free), shares, severity, limit=len(free))
    chosen = (free[i] for i in rank(len(free), rng)[:count])
    return edited(text, {word.end: (0, " " + text[word.start : word.end]) for word in chosen})


def word_split(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """A space gets into some words of four letters or more, with two characters or more on each side.

    Neither part is a protected word ("in left over" from "leftover").
    """
    guard = protection(protect)
    free = [word for word in find_words(text, guard) if word.free]
    places = [cuts for word in free if (cuts := _cuts(text, word, guard))]
    order = rank(len(places), rng)
    which = rng.random(len(places)).tolist()
    count = edit_count(len(free), shares, severity, limit=len(places))
    return edited(text, {places[i][int(which[i] * len(places[i]))]: (0, " ") for i in order[:count]})


def word_mask(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some words are replaced by [MASK]; punctuation stays."""
    free = [word for word in find_words(text, protection(protect)) if word.free]
    count = edit_count(len(free), shares, severity, limit=len(free))
    chosen = (free[i] for i in rank(len(free), rng)[:count])
    return edited(text, {word.start: (word.end - word.start, MASK) for word in chosen})


def nonsense(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some words become pronounceable words that do not exist, of about their length and in their case.

    Words without an ASCII letter are left unchanged: Latin nonsense would be another language there.
    """
    guard = protection(protect)
    free = [word for word in find_words(text, guard) if word.free]
    words = [word for word in free if any(c.isascii() and c.isalpha() for c in text[word.start : word.end])]
    order = rank(len(words), rng)
    draws = rng.random((len(words), _LONGEST))
    count = edit_count(len(free), shares, severity, limit=len(words))
    chosen: dict[int, tuple[int, str]] = {}
    for i in order[:count]:
        old = text[words[i].start : words[i].end]
        new = like(old, _invented(min(max(len(old), 3), _LONGEST), draws[i].tolist()))
        if not is_meaningful(new, guard):
            chosen[words[i].start] = (len(old), new)
    return edited(text, chosen)


def _cuts(text: str, word: Word, guard: Protection) -> list[int]:
    return [
        at
        for at in range(word.start + 2, word.end - 1)
        if text[at - 1].isalpha()
        and text[at].isalpha()
        and not continues(text, at)
        and not is_meaningful(text[max(word.start, at - guard.reach) : at], guard)
        and not is_meaningful(text[at : min(word.end, at + guard.reach)], guard)
    ]


def _invented(length: int, draws: list[float]) -> str:
    word = _ONSETS[int(draws[0] * len(_ONSETS))]
    for draw in draws[1 : length - 1]:
        # Vowels behind consonants and the other way round.
        pool = _CONSONANTS if word[-1] in _VOWELS else _VOWELS
        word += pool[int(draw * len(pool))]
    return word
