"""Letters written with other signs: look-alikes of other alphabets, accents, digits."""

from __future__ import annotations

import numpy as np

from corruptions.entry import Value
from corruptions.text.clusters import is_whole
from corruptions.text.edits import budget, edited, first_good, free_words, says_something
from corruptions.text.protect import Protection, protection
from corruptions.text.tokens import Word, rank

__all__ = ["diacritics", "homoglyph", "leet"]

# Pairs that most fonts draw alike: Latin with Cyrillic, then Latin with Greek.
_CYRILLIC = ("aceopsxyijhABCEHIJKMOPSTXY", "асеорѕхуіјһАВСЕНІЈКМОРЅТХУ")  # fmt: skip
_GREEK = ("ovABEHIKMNOPTXYZ", "ονΑΒΕΗΙΚΜΝΟΡΤΧΥΖ")
# Latin letters and signs of other blocks that have a likeness but no twin in another alphabet.
_LIKE = ("dglqvwzbkn", "ԁɡӏԛѵԝᴢЬκո")


def _twins() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for latin, other in (_CYRILLIC, _GREEK, _LIKE):
        for one, two in zip(latin, other, strict=True):
            found[one] = (*found.get(one, ()), two)
            if other is not _LIKE[1]:
                found[two] = (one,)
    return found


_TWINS = _twins()

_ACCENTED = {
    "a": "áàâäãåā", "c": "çćč", "d": "ďđ", "e": "éèêëēę", "g": "ğģ", "h": "ĥħ", "i": "íìîïī", "j": "ĵ",
    "k": "ķ", "l": "ľĺł", "n": "ñńň", "o": "óòôöõøō", "r": "řŕ", "s": "šśş", "t": "ťţ", "u": "úùûüůū",
    "w": "ŵẃ", "y": "ýÿŷ", "z": "žźż",
}  # fmt: skip
_DIACRITICS = {base: tuple(accented) for base, accented in _ACCENTED.items()} | {
    base.upper(): tuple(accented.upper()) for base, accented in _ACCENTED.items()
}

_LEET = {
    "a": ("4", "@"), "b": ("8",), "e": ("3",), "g": ("9",), "i": ("1", "!"), "l": ("1",), "o": ("0",),
    "s": ("5", "$"), "t": ("7", "+"), "z": ("2",),
}  # fmt: skip
_LEET |= {letter.upper(): digits for letter, digits in _LEET.items()}


def homoglyph(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some Latin letters become the Cyrillic or Greek ones that look the same, and the other way round."""
    return _written(text, _TWINS, shares, severity, rng, protection(protect), letters_to_keep=0)


def diacritics(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some plain Latin letters get an accent, in the same case. Other scripts are unchanged."""
    return _written(text, _DIACRITICS, shares, severity, rng, protection(protect), letters_to_keep=0)


def leet(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some ASCII letters become digits and signs that resemble them. Other scripts are unchanged.

    Every word keeps a letter: "to" as "70" would be a number.
    """
    return _written(text, _LEET, shares, severity, rng, protection(protect), letters_to_keep=1)


def _written(
    text: str,
    table: dict[str, tuple[str, ...]],
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    guard: Protection,
    *,
    letters_to_keep: int,
) -> str:
    words = free_words(text, guard)
    places = [
        (at, word)
        for word in words
        for at in range(word.start, word.end)
        if text[at] in table and is_whole(text, at)
    ]
    order = rank(len(places), rng)
    # One number per place, whatever the severity: a letter gets the same sign at each.
    which = rng.random(len(places)).tolist()
    count = budget(text, words, shares, severity, 1, len(places))
    letters = {word.start: sum(c.isalpha() for c in text[word.start : word.end]) for word in words}
    chosen: dict[int, tuple[int, str]] = {}
    for i in order:
        if len(chosen) == count:
            break
        at, word = places[i]
        if letters[word.start] <= letters_to_keep:
            continue

        def good(new: str, at: int = at, word: Word = word) -> bool:
            return not says_something(text, word, at, 1, new, guard)

        new = first_good(table[text[at]], which[i], good)
        if new is not None:
            letters[word.start] -= 1
            chosen[at] = (1, new)
    return edited(text, chosen)
