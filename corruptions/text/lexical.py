"""Single words by list: misspelt, replaced by a synonym, or left out because they carry little."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from corruptions.entry import Value
from corruptions.text.edits import edited, first_good, like
from corruptions.text.misspellings import MISSPELLINGS
from corruptions.text.protect import Protection, protection
from corruptions.text.synonyms import STOPWORDS, SYNONYMS
from corruptions.text.tokens import edit_count, find_words, is_meaningful, rank
from corruptions.text.words import without

__all__ = ["spelling", "stopword_delete", "synonym"]

_VOWELS = ("a", "e", "i", "o", "u")


def spelling(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some words of the list are misspelt as people commonly do, in their case."""
    return _by_table(text, MISSPELLINGS, shares, severity, rng, protection(protect), article=False)


def synonym(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some words of the list are replaced by a synonym, in their case; "a" and "an" still fit."""
    return _by_table(text, SYNONYMS, shares, severity, rng, protection(protect), article=True)


def stopword_delete(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some English stop words are left out, each with one space beside it; never the text's last word.

    Question words, "and", "or" and the words that say where something is are no stop words here.
    """
    words = find_words(text, protection(protect))
    stops = [word for word in words if word.free and text[word.start : word.end].lower() in STOPWORDS]
    count = edit_count(len(stops), shares, severity, limit=min(len(stops), len(words) - 1))
    return without(text, [stops[i] for i in sorted(rank(len(stops), rng)[:count])])


def _by_table(
    text: str,
    table: Mapping[str, tuple[str, ...]],
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    guard: Protection,
    *,
    article: bool,
) -> str:
    words = find_words(text, guard)
    places: list[tuple[int, int, tuple[str, ...]]] = []
    for i, word in enumerate(words):
        old = text[word.start : word.end]
        options = table.get(old.lower()) if word.free else None
        if options and article and i:
            before = text[words[i - 1].start : words[i - 1].end].lower()
            options = _after(before, options)
        if options:
            places.append((word.start, word.end, options))
    order = rank(len(places), rng)
    which = rng.random(len(places)).tolist()
    count = edit_count(len(places), shares, severity, limit=len(places))
    chosen: dict[int, tuple[int, str]] = {}
    for i in order:
        if len(chosen) == count:
            break
        start, end, options = places[i]
        # With words of the caller's own under protection, not every replacement is allowed.
        new = first_good(options, which[i], lambda new: not is_meaningful(new, guard))
        if new is not None:
            chosen[start] = (end - start, like(text[start:end], new))
    return edited(text, chosen)


def _after(before: str, options: tuple[str, ...]) -> tuple[str, ...]:
    if before not in ("a", "an"):
        return options
    return tuple(new for new in options if new.startswith(_VOWELS) == (before == "an"))
