"""Words that a text corruption must leave alone.

A corrupted question is scored against the answer of the clean one. A word whose loss or change would
alter the right answer ("red" in "is there a red circle", "not", "left", "3") would turn robustness into
a matter of luck, so such words are left untouched by default.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from corruptions.errors import InvalidInputError

__all__ = ["CONTRACTED_NOT", "NUMERALS", "OPTION_LETTERS", "PROTECTED", "Protection", "protection"]

NUMERALS = "#numerals"
"""Class in a `protect` set: every word with a digit in it (3, 3.5, 2nd, 50%)."""

OPTION_LETTERS = "#options"
"""Class in a `protect` set: single capital letters, and single letters marked as options: (a) b) c."""

CONTRACTED_NOT = "#n't"
"""Class in a `protect` set: words that end in n't, with either apostrophe."""

_NUMBER_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand
    million billion dozen half quarter once twice single double triple first second third fourth fifth
    sixth seventh eighth ninth tenth last
"""
_COLOURS = """
    red orange yellow green blue indigo violet purple pink brown black white grey gray cyan magenta teal
    turquoise beige tan maroon navy gold golden silver crimson scarlet lime olive lavender coral
"""
_PLACES = """
    left right top bottom above below over under upper lower up down front behind back beside between
    inside outside near far middle center centre corner north south east west leftmost rightmost
    topmost bottommost
"""
_NEGATIONS = "no not never without none neither nor nobody nothing nowhere cannot except non"
_COMPARISONS = "more fewer less most least"

PROTECTED: frozenset[str] = frozenset(
    f"{_NUMBER_WORDS} {_COLOURS} {_PLACES} {_NEGATIONS} {_COMPARISONS}".split()
) | {NUMERALS, OPTION_LETTERS, CONTRACTED_NOT}
"""The default: numbers, colours, places and directions, negations, comparisons of amount, option letters.

Template tokens such as <image>, [INST] and {question} are not words and are always left alone.
"""

# No ordinary word is longer, so that every ordinary word is looked at as a whole.
_REACH = 64

_CLASSES = frozenset({NUMERALS, OPTION_LETTERS, CONTRACTED_NOT})


class Protection:
    """A `protect` set made ready: words folded for comparison without case, classes as flags.

    `reach` is how far from an edit a word can begin or end that the edit turns into a protected one.
    """

    __slots__ = ("contracted_not", "numerals", "option_letters", "reach", "words")

    def __init__(self, protect: frozenset[str]) -> None:
        for word in protect:
            if not isinstance(word, str):
                raise InvalidInputError(f"protect must be a set of words, got {word!r} in it; pass strings")
        self.words = frozenset(word.casefold() for word in protect - _CLASSES)
        self.reach = max([_REACH, *map(len, self.words)])
        self.numerals = NUMERALS in protect
        self.option_letters = OPTION_LETTERS in protect
        self.contracted_not = CONTRACTED_NOT in protect


@lru_cache(maxsize=64)
def _prepared(protect: frozenset[str]) -> Protection:
    return Protection(protect)


def protection(protect: frozenset[str] | None) -> Protection:
    """The prepared form of a `protect` option; None stands for PROTECTED.

    InvalidInputError for what is no collection of words; a string is one of characters.
    """
    if protect is None:
        return _prepared(PROTECTED)
    given: object = protect
    if isinstance(given, str) or not isinstance(given, Collection):
        raise InvalidInputError(f"protect must be a set of words, got {given!r}; pass frozenset([...])")
    return _prepared(frozenset(given))
