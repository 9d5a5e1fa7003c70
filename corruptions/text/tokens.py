"""Where the words of a text are, which of them may be edited, and how many edits a severity makes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from corruptions.entry import Value, number
from corruptions.text.protect import Protection

__all__ = [
    "MASK",
    "ROLES",
    "SHORT",
    "Word",
    "edit_count",
    "find_words",
    "gaps",
    "is_meaningful",
    "rank",
    "token_between",
]

# <image>, <|im_start|>, [INST], {question}, and role markers such as "USER:".
_TEMPLATE = re.compile(
    r"<[^<>\s]{1,64}>|\[/?[A-Z_]{2,32}\]|\{[^{}\s]{0,64}\}|\b(?:USER|ASSISTANT|SYSTEM|HUMAN)[ ]?:"
)
# Scripts without spaces part their clauses by full-width punctuation.
_CHUNK = re.compile(r"[^\s，。、！？；：…（）「」『』【】《》〈〉]+")
_JOINERS = "\u200c\u200d"
_PIECE = re.compile(r"[^\W_]+")
ROLES = frozenset({"USER", "ASSISTANT", "SYSTEM", "HUMAN"})
"""Words that a colon turns into a role marker, in capitals."""

MASK = "[MASK]"
"""What stands for a masked word. It reads as a template token, so that nothing damages it further."""

#: Characters up to which the words of a text are remembered.
SHORT = 500


@dataclass(frozen=True, slots=True)
class Word:
    """A word without the punctuation around it: text[start:end]; `free` if it may be edited."""

    start: int
    end: int
    free: bool


def find_words(text: str, protection: Protection) -> tuple[Word, ...]:
    """The words in order. White space, full-width punctuation and template tokens part them."""
    # A grid corrupts the same question dozens of times; only short texts are worth keeping.
    return _known_words(text, protection) if len(text) <= SHORT else tuple(_words(text, protection))


@lru_cache(maxsize=2048)
def _known_words(text: str, protection: Protection) -> tuple[Word, ...]:
    return tuple(_words(text, protection))


def _words(text: str, protection: Protection) -> Iterator[Word]:
    for low, high in gaps(text):
        for chunk in _CHUNK.finditer(text, low, high):
            start, end = chunk.span()
            while start < end and not text[start].isalnum():
                start += 1
            while start < end and not text[(base := _base(text, start, end))].isalnum():
                end = base
            if start < end:
                yield Word(start, end, not _is_protected(text, start, end, protection))


def gaps(text: str) -> Iterator[tuple[int, int]]:
    """The stretches of text between template tokens, as (start, end); some may be empty."""
    low = 0
    for token in _TEMPLATE.finditer(text):
        yield low, token.start()
        low = token.end()
    yield low, len(text)


def token_between(text: str, one: Word, two: Word) -> bool:
    """Whether a template token stands between two neighbouring words."""
    return _TEMPLATE.search(text, one.end, two.start) is not None


def _base(text: str, start: int, end: int) -> int:
    """The place of the last character that is no sign on another one."""
    # Vowel signs of Indic and other scripts are marks, not letters, and belong to the word; the marks of
    # an emoji do not.
    base = end - 1
    while base > start and (text[base] in _JOINERS or unicodedata.category(text[base]).startswith("M")):
        base -= 1
    return base


def _is_protected(text: str, start: int, end: int, protection: Protection) -> bool:
    word = text[start:end]
    if is_meaningful(word, protection):
        return True
    if protection.numerals and any(character.isdigit() for character in word):
        return True
    if protection.option_letters and len(word) == 1 and word.isascii():
        marked = text[max(0, start - 1) : start] in ("(", "[") or text[end : end + 1] in (")", "]", ".", ":")
        return word.isupper() or marked
    return False


def is_meaningful(word: str, protection: Protection) -> bool:
    """Whether a word, or a part of it that a hyphen or the like sets off, is a protected word."""
    folded = word.casefold()
    if protection.contracted_not and folded.endswith(("n't", "n’t")):
        return True
    return not protection.words.isdisjoint(_PIECE.findall(folded)) or folded in protection.words


def edit_count(units: int, shares: Sequence[Value], severity: int, *, per_edit: int = 1, limit: int) -> int:
    """How many edits the severity makes in `units` characters or words, each touching `per_edit`.

    The severity's share, rounded, but at least one more than the severity below (so at least one), and
    at most `limit`.
    """
    count = 0
    for share in shares[:severity]:
        count = max(count + 1, int(number(share) * units / per_edit + 0.5))
    return max(0, min(count, limit))


def rank(count: int, rng: np.random.Generator) -> list[int]:
    """A random order of range(count). The order is drawn once; a severity takes a prefix of it."""
    # Not Generator.permutation: `random` is the method whose stream is least likely to change.
    order: list[int] = np.argsort(rng.random(count), kind="stable").tolist()
    return order
