"""Reads what a caption says of a scene: things with their shapes, colours, sizes and places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from dmsbench.data.scenes.world import COLOURS, COLUMNS, ROWS, SHAPES, SIZES

#: What a claim can be about.
ATTRIBUTES = ("shape", "colour", "size", "place")

#: Other words for the same, and plurals. What none of these nor a word of the scenes is says nothing.
_SYNONYMS = {
    **{f"{shape}s": shape for shape in SHAPES},
    "crosses": "cross",
    "disc": "circle",
    "disk": "circle",
    "big": "large",
    "little": "small",
    "tiny": "small",
    "violet": "purple",
    "center": "centre",
    "upper": "top",
    "lower": "bottom",
}
_SLOTS = {
    **dict.fromkeys(SHAPES, "shape"),
    **dict.fromkeys(COLOURS, "colour"),
    **dict.fromkeys(SIZES, "size"),
    **dict.fromkeys((*ROWS, *COLUMNS), "place"),
}
#: Nouns that stand where a shape could, without saying which.
_NOUNS = frozenset({"thing", "things", "shape", "shapes", "object", "objects", "figure", "figures"})
_BREAKS = frozenset({"and", "with", "a", "an", "the", "there", *",.;:"})
_LINKS = frozenset({"is", "are", "that", "which"})
_MIDDLES = frozenset({"middle", "centre"})
_WORD = re.compile(r"[^\W\d_]+|[,.;:]")
#: "left of the square" relates two things; "top left of the picture" is a place.
_PICTURES = frozenset({"picture", "image", "frame", "photo", "scene", "canvas", "grid"})


@dataclass(frozen=True, slots=True)
class Said:
    """What a caption says of one thing; None where it does not say.

    ``place`` is ``top left``, ``centre``, …, or what is said of it where that is no place of a scene.
    """

    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    place: str | None = None

    @property
    def claims(self) -> int:
        """How many attributes are named, 0 to 4."""
        return sum(getattr(self, name) is not None for name in ATTRIBUTES)

    @property
    def described(self) -> bool:
        """Whether it names what stands before a noun: colour or size."""
        return self.colour is not None or self.size is not None

    def agreements(self, other: Said) -> int:
        """How many attributes both name alike, 0 to 4."""
        return sum(
            getattr(self, name) is not None and getattr(self, name) == getattr(other, name)
            for name in ATTRIBUTES
        )

    def joined(self, other: Said) -> Said | None:
        """Both as one thing, or None where both name the same attribute."""
        extra = {name: value for name in ATTRIBUTES if (value := getattr(other, name)) is not None}
        if any(getattr(self, name) is not None for name in extra):
            return None
        return replace(self, **extra)


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A part of a caption: what it says, whether it has a noun, whether it opens with "a"."""

    said: Said
    named: bool = False
    opens: bool = False


# A data set's references come back under every condition.
@lru_cache(maxsize=8192)
def things_said(caption: str) -> tuple[Said, ...]:
    """The things that a caption names, in its order; empty where it names no attribute.

    A thing names each attribute once at most: what comes a second time, even the same word, is another
    thing, so that babble ("red red red") makes many claims. "and", articles, commas and full stops part
    phrases. A phrase without a noun ("… and red", "at the top left, …") belongs to the thing before it if
    that does not name the attribute yet, else to the one after; one that was broken off ("and a small")
    stays alone. Colours and sizes stand before their noun, or after "is", "are", "that", "which".

    A place is a row and a column in either order, ``middle`` and ``centre`` both the middle of either and
    alone the middle of both. Words of scenes, some synonyms (big, tiny, violet, center, upper, …) and
    plurals, which count as one thing, are read in any case; numbers, negations and relations ("left of the
    square") are not.
    """
    things: list[Said] = []
    waiting = Said()
    for phrase in _phrases(caption):
        said = phrase.said
        follows = bool(things) and not phrase.named and not waiting.claims
        if follows and not (phrase.opens and said.described):
            joined = things[-1].joined(said)
            if joined is not None:
                things[-1] = joined
                continue
        joined = None if phrase.opens and waiting.described else waiting.joined(said)
        if joined is None:
            things.append(waiting)
            joined = said
        if phrase.named:
            things.append(joined)
            joined = Said()
        waiting = joined
    return tuple(thing for thing in (*things, waiting) if thing.claims)


def _phrases(caption: str) -> Iterator[_Phrase]:
    words = [_SYNONYMS.get(word, word) for word in _WORD.findall(caption.lower())]
    phrase, linked = _Phrase(Said()), False
    index = 0
    while index < len(words):
        word, slot = words[index], _SLOTS.get(words[index])
        index += 1
        if word in _BREAKS or (phrase.named and not linked and slot in ("colour", "size")):
            yield phrase
            phrase, linked = _Phrase(Said(), opens=word in ("a", "an")), False
        if slot is None:
            linked = linked or word in _LINKS
            if word in _NOUNS:
                phrase = replace(phrase, named=True)
            continue
        if slot == "place":
            run = [word]
            if index < len(words) and _SLOTS.get(words[index]) == "place":
                run.append(words[index])
                index += 1
            if _relates(words[index : index + 3]):
                continue
            word = _place(run)
        joined = phrase.said.joined(Said(**{slot: word}))
        if joined is None:
            yield phrase
            phrase, linked = _Phrase(Said(**{slot: word}), named=slot == "shape"), False
        else:
            phrase = replace(phrase, said=joined, named=phrase.named or slot == "shape")
    yield phrase


def _relates(rest: list[str]) -> bool:
    """Whether a place's next words make it a relation to something other than the picture."""
    return rest[:1] == ["of"] and _PICTURES.isdisjoint(rest)


def _place(run: list[str]) -> str:
    """A scene's place for one or two words, or the words themselves where they are none."""
    rows = [word for word in run if word in ROWS and word not in _MIDDLES]
    columns = [word for word in run if word in COLUMNS and word not in _MIDDLES]
    middles = len(run) - len(rows) - len(columns)
    if not rows and not columns:
        return "centre"
    if len(run) == 2 and len(rows) < 2 and len(columns) < 2:
        if rows and columns:
            return f"{rows[0]} {columns[0]}"
        if middles == 1:
            return f"{rows[0]} centre" if rows else f"middle {columns[0]}"
    return " ".join(run)
