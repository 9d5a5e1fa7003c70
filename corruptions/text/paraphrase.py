"""The same question in other words, by templates that keep its right answer.

Every rule replaces a phrase of unprotected words only and leaves what it speaks of as it stands. None
adds, removes or moves a negation, and sentences whose question is negated keep their opening.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from corruptions.entry import Value
from corruptions.text.clusters import continues
from corruptions.text.edits import edited, like
from corruptions.text.protect import Protection, protection
from corruptions.text.tokens import SHORT, edit_count, find_words, gaps, is_meaningful, rank

__all__ = ["paraphrase"]


# Start, end, replacements.
_Place = tuple[int, int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Rule:
    """Group 1 of the pattern becomes one of the options, in which \\2 and so on are further groups."""

    pattern: re.Pattern[str]
    options: tuple[str, ...]
    #: Whether the phrase must open a sentence.
    opening: bool


def _opening(pattern: str, *options: str) -> _Rule:
    return _Rule(re.compile(rf"\b{pattern}", re.IGNORECASE), options, True)


def _anywhere(pattern: str, *options: str) -> _Rule:
    return _Rule(re.compile(rf"\b{pattern}", re.IGNORECASE), options, False)


_NOT = r"(?! (?:no|not|none|never|nothing|nobody|neither)\b)"
_PICTURE = r"(image|picture|photo|photograph)"
_DETERMINER = r"(?:the|this|that|these|those|its|his|her|their)"
# "the small circle?", but not "the man wearing?", whose verb would be left hanging.
_THING = (
    rf"(?= {_DETERMINER}(?: (?!\w*ing\b|(?:in|on|at|of|by|to|with|from|for|is|are|and|or|he|she|it|they|"
    rf"you|we|i|has|have|made|used|not)\b)[\w'-]+){{1,3}}(?: in (?:the|this) {_PICTURE})?\s*(?:[.?!\n]|$))"
)
_SUBJECT = (
    r"(?= (?:the|this|that|these|those|he|she|it|they|anyone|everyone|someone|anybody|everybody|all|both"
    r"|each|his|her|their)\b)"
)

# The earlier of two rules that touch the same words comes to bear.
_RULES = (
    _opening(rf"(is there){_NOT}(?= \w)", "can you see", "do you see", "would you say there is"),
    _opening(rf"(are there){_NOT}(?= \w)", "can you see", "do you see", "would you say there are"),
    _opening(rf"(can you see){_NOT}(?= \w)", "do you see", "are you able to see", "can you make out"),
    _opening(rf"(do you see){_NOT}(?= \w)", "can you see", "are you able to see", "can you make out"),
    _opening(
        rf"(does (the|this) {_PICTURE} (?:show|contain|depict|include|have)){_NOT}(?= \w)",
        r"in \2 \3, can you see",
        r"in \2 \3, do you see",
        r"looking at \2 \3, can you see",
    ),
    _anywhere(
        rf"(does (the|this) {_PICTURE} (?:show|contain|depict|include|have))(?=\s*(?:[.?!\n]|$))",
        r"can be seen in \2 \3",
        r"do you see in \2 \3",
        r"is shown in \2 \3",
    ),
    _opening(
        rf"(what (colou?r|shape) (?:is|are)){_THING}",
        r"tell me the \2 of",
        r"name the \2 of",
        r"can you tell me the \2 of",
        r"what is the \2 of",
    ),
    _opening(
        r"(what)(?= (?:colou?r|shape|kind|type|sort|animal|sport|room|food|brand|material|vehicle)s?\b)",
        "which",
        "tell me which",
    ),
    _opening(r"(which)(?! (?:of|one|ones|is|are|was|were|do|does)\b)(?= \w)", "what", "tell me which"),
    _opening(r"(how many)(?! of\b)(?= \w)", "what number of", "exactly how many", "tell me how many"),
    _anywhere(r"how many [^.?!\n]{1,60}?\b(are there)\b(?! (?:no|not)\b)", "can you see", "can be seen"),
    _opening(
        rf"(what (is|are))(?= {_DETERMINER}\b)",
        r"what exactly \2",
        r"tell me, what \2",
        r"can you say what \2",
    ),
    _opening(r"(where)(?= (?:is|are|was|were)\b)", "where exactly", "tell me, where"),
    _opening(r"(who)(?= (?:is|are|was|were)\b)", "who exactly", "tell me, who"),
    _opening(r"(why)(?= (?:is|are|was|were|do|does|did)\b)", "for what reason", "tell me, why"),
    _opening(r"(is (this|that|it))(?= (?:an?|the)\b)", r"would you say that \2 is", r"do you think \2 is"),
    _opening(
        rf"(is|are|was|were|does|do|did|has|have){_SUBJECT}",
        r"tell me, \1",
        r"judging by what you see, \1",
        r"from what you see, \1",
    ),
    _anywhere(
        rf"(in (?:the|this) {_PICTURE})(?=\s*(?:[.,?!;\n]|$))",
        r"in the \2 shown",
        r"in the \2 given",
        r"in the \2 you were shown",
    ),
    _anywhere(r"can be (seen)\b", "spotted", "observed", "made out"),
    _anywhere(r"(?:is|are) (wearing)\b", "seen wearing", "shown wearing"),
    _anywhere(r"(looking)(?= at\b)", "gazing"),
    _anywhere(r"(people)(?= (?:are|is|in|on|who|can|do|have)\b)", "persons", "individuals"),
    _anywhere(r"(kind)(?= of\b)", "type", "sort"),
    _anywhere(r"(type|sort)(?= of\b)", "kind"),
    _anywhere(r"(located|placed|positioned)\b", "situated"),
    _anywhere(r"(?:the|this) (image)\b(?!['’])", "picture", "photo"),
    _anywhere(r"(?:the|this) (picture|photo|photograph)\b(?!['’])", "image"),
    _anywhere(r"(color)\b", "colour"),
    _anywhere(r"(colour)\b", "color"),
)
_BEFORE_A_SENTENCE = ".,:;?!…\n"


def paraphrase(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Some of the phrases that a rule knows are put in other words; the rest stays to the last blank.

    A text that no rule fits is unchanged.
    """
    guard = protection(protect)
    places = _places(text, guard)
    order = rank(len(places), rng)
    which = rng.random(len(places)).tolist()
    count = edit_count(len(places), shares, severity, limit=len(places))
    chosen: dict[int, tuple[int, str]] = {}
    for i in order[:count]:
        start, end, options = places[i]
        new = options[int(which[i] * len(options))]
        chosen[start] = (end - start, like(text[start:end], new))
    return edited(text, chosen)


def _places(text: str, guard: Protection) -> tuple[_Place, ...]:
    """Where which rules apply, in order and without overlap."""
    # As with words: a grid corrupts the same question dozens of times.
    return _known_places(text, guard) if len(text) <= SHORT else _found_places(text, guard)


@lru_cache(maxsize=2048)
def _known_places(text: str, guard: Protection) -> tuple[_Place, ...]:
    return _found_places(text, guard)


def _found_places(text: str, guard: Protection) -> tuple[_Place, ...]:
    taken = bytearray(len(text))
    for word in find_words(text, guard):
        if not word.free:
            taken[word.start : word.end] = b"\1" * (word.end - word.start)
    found: list[_Place] = []
    for rule in _RULES:
        for match in _matches(rule, text):
            start, end = match.span(1)
            # A rule is for letters without signs: one on the last of them would be left over.
            if any(taken[start:end]) or continues(text, end):
                continue
            # With words of the caller's own under protection, not every replacement is allowed.
            expanded = (match.expand(option) for option in rule.options)
            options = tuple(new for new in expanded if not _says(new, guard))
            if options:
                taken[start:end] = b"\1" * (end - start)
                found.append((start, end, options))
    return tuple(sorted(found))


def _says(new: str, guard: Protection) -> bool:
    return any(is_meaningful(word, guard) for word in new.split())


def _matches(rule: _Rule, text: str) -> Iterator[re.Match[str]]:
    for low, high in gaps(text):
        for match in rule.pattern.finditer(text, low, high):
            before = text[low : match.start(1)].rstrip(" \t\"'(") if rule.opening else ""
            if before == "" or before[-1] in _BEFORE_A_SENTENCE:
                yield match
