"""Texts cut short, and texts with sentences around them that do not matter."""

from __future__ import annotations

import math

import numpy as np

from corruptions.entry import Value, number
from corruptions.text.edits import edited
from corruptions.text.protect import protection
from corruptions.text.tokens import Word, edit_count, find_words, gaps, rank
from corruptions.text.words import without

__all__ = ["distractor", "filler", "truncate"]

# About nothing that a picture shows, and without a word that could be an answer or a protected one.
DISTRACTORS = (
    "The weather was pleasant yesterday.",
    "My neighbour practises the violin every evening.",
    "The meeting was moved to Thursday.",
    "Some people prefer tea in the afternoon.",
    "The library opens early during the week.",
    "Her brother studies history abroad.",
    "The parcel was late again this week.",
    "They are planning a long holiday.",
    "The recipe needs some patience.",
    "Prices have risen since the summer.",
    "Our teacher explained the theory of tides.",
    "The concert was sold out within minutes.",
    "He forgot his password during the holidays.",
    "The novel won a famous prize.",
    "Many languages share the same roots.",
    "The committee will publish its report soon.",
    "She learned to swim as an adult.",
    "The museum changed its opening hours.",
    "It rained during the whole match.",
    "The company hired another accountant.",
    "His favourite subject was chemistry.",
    "The bridge was repaired in autumn.",
    "They talked about politics for hours.",
    "The soup tasted better the next day.",
    "Enough sleep helps the memory.",
    "The lecture began with a short story.",
    "Her cousin moved to another country.",
    "The radio played an old song.",
    "The election results surprised everybody.",
    "My grandmother told wonderful stories.",
)

# Each kind of phrase once, in the order in which people say them; the last ones come behind the text.
FILLERS_BEFORE = (
    ("Hello,", "Hi there,", "Good day,", "Hey,"),
    ("sorry to bother you,", "excuse me,", "pardon the interruption,"),
    ("I was just wondering,", "I have a quick question,", "here is something I wonder about,"),
    ("if I may ask,", "if you have a moment,", "if it is okay to ask,"),
    ("please tell me:", "could you please tell me:", "would you kindly answer this:"),
)
FILLERS_BEHIND = (("Thank you!", "Thanks in advance!", "Many thanks!", "I appreciate your help."),)


def truncate(
    text: str,
    shares: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """The last unprotected words are left out, each with one space beside it; punctuation stays.

    Nothing is drawn. At most two thirds of the unprotected words go, and never the last word of the text.
    """
    words = find_words(text, protection(protect))
    free = [word for word in words if word.free]
    count = edit_count(len(free), shares, severity, limit=min(math.ceil(len(free) * 2 / 3), len(words) - 1))
    return without(text, free[len(free) - count :])


def distractor(
    text: str,
    counts: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Sentences that do not matter stand before or behind the text; the text itself is not changed.

    They are English whatever the text. Template tokens around the text stay around them.
    """
    order = rank(len(DISTRACTORS), rng)
    before = (rng.random(len(DISTRACTORS)) < 0.5).tolist()
    chosen = order[: int(number(counts[severity - 1]))]
    return _framed(
        text,
        find_words(text, protection(protect)),
        [DISTRACTORS[i] for i in chosen if before[i]],
        [DISTRACTORS[i] for i in chosen if not before[i]],
    )


def filler(
    text: str,
    counts: tuple[Value, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Greetings, apologies and thanks stand around the text; the text itself is not changed.

    They are English whatever the text. Template tokens around the text stay around them.
    """
    kinds = (*FILLERS_BEFORE, *FILLERS_BEHIND)
    # Something comes in front at every severity: thanks alone would be no prefix.
    order = rank(len(FILLERS_BEFORE), rng)
    which = rng.random(len(kinds)).tolist()
    phrases = [kind[int(which[i] * len(kind))] for i, kind in enumerate(kinds)]
    order.insert(2, len(FILLERS_BEFORE))
    chosen = sorted(order[: int(number(counts[severity - 1]))])
    return _framed(
        text,
        find_words(text, protection(protect)),
        [phrases[i] for i in chosen if i < len(FILLERS_BEFORE)],
        [phrases[i] for i in chosen if i >= len(FILLERS_BEFORE)],
    )


def _framed(text: str, words: tuple[Word, ...], before: list[str], behind: list[str]) -> str:
    """The text with phrases in front of its first word and behind its last, inside template tokens."""
    if not any(word.free for word in words):
        return text
    start, end = words[0].start, words[-1].end
    low = next(low for low, high in gaps(text) if low <= start < high)
    high = next(high for low, high in gaps(text) if low < end <= high)
    while start > low and not text[start - 1].isspace():
        start -= 1
    while end < high and not text[end].isspace():
        end += 1
    front = "".join(phrase + " " for phrase in before)
    back = "".join(" " + phrase for phrase in behind)
    if not back:
        return edited(text, {start: (0, front)})
    return edited(text, {start: (0, front), end: (0, back)})
