"""Reads what a caption says of a scene or of easy-VQA: things, their shapes, colours, sizes, places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from dmsbench.data.scenes.world import COLOURS, COLUMNS, ROWS, SHAPES, SIZES

#: What a claim can be about.
ATTRIBUTES = ("shape", "colour", "size", "place")

#: What easy-VQA shows beside the scenes' shapes and colours.
_MORE_SHAPES, _MORE_COLOURS = ("rectangle",), ("black", "brown", "gray", "teal")
#: Other words for the same, and plurals. What none of these nor a word of the scenes is says nothing.
_SYNONYMS = {
    "circles": "circle",
    "squares": "square",
    "triangles": "triangle",
    "crosses": "cross",
    "rectangles": "rectangle",
    "grey": "gray",
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
    **dict.fromkeys((*SHAPES, *_MORE_SHAPES), "shape"),
    **dict.fromkeys((*COLOURS, *_MORE_COLOURS), "colour"),
    **dict.fromkeys(SIZES, "size"),
    **dict.fromkeys((*ROWS, *COLUMNS), "place"),
}
_BREAKS = frozenset({"and", "a", "an", *",.;:"})
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


# A data set's references come back under every condition.
@lru_cache(maxsize=2048)
def things_said(caption: str) -> tuple[Said, ...]:
    """The things that a caption names, in its order; empty where it names no attribute.

    A thing names each attribute once at most: what comes a second time, even the same word, is another
    thing, so that babble ("red red red") makes many claims. "and", "a", commas and full stops part phrases,
    and so does a colour or size after a shape. A phrase without a shape ("… is red", "at the top left, …")
    belongs to the thing before it if that does not name the attribute yet, else to the one after; one that
    was broken off ("and a small") stays alone.

    A place is a row and a column in either order, ``middle`` and ``centre`` both the middle of either and
    alone the middle of both. Words of scenes, some synonyms (big, tiny, violet, center, upper, …) and
    plurals, which count as one thing, are read in any case; numbers, negations and relations ("left of the
    square") are not.
    """
    things: list[Said] = []
    waiting = Said()
    for said, opens in _phrases(caption):
        alone = opens and said.described
        if things and said.shape is None and not waiting.claims and not alone:
            joined = things[-1].joined(said)
            if joined is not None:
                things[-1] = joined
                continue
        joined = None if opens and waiting.described else waiting.joined(said)
        if joined is None:
            things.append(waiting)
            joined = said
        if joined.shape is not None:
            things.append(joined)
            joined = Said()
        waiting = joined
    return tuple(thing for thing in (*things, waiting) if thing.claims)


def _phrases(caption: str) -> Iterator[tuple[Said, bool]]:
    """What each phrase says, and whether it opens with "a"."""
    words = [_SYNONYMS.get(word, word) for word in _WORD.findall(caption.lower())]
    said, opens = Said(), False
    index = 0
    while index < len(words):
        word, slot = words[index], _SLOTS.get(words[index])
        index += 1
        if word in _BREAKS or (said.shape is not None and slot in ("colour", "size")):
            yield said, opens
            said, opens = Said(), word in ("a", "an")
        if slot is None:
            continue
        if slot == "place":
            run = [word]
            if index < len(words) and _SLOTS.get(words[index]) == "place":
                run.append(words[index])
                index += 1
            if _relates(words[index : index + 3]):
                continue
            word = _place(run)
        joined = said.joined(Said(**{slot: word}))
        if joined is None:
            yield said, opens
            joined = Said(**{slot: word})
        said = joined
    yield said, opens


def _relates(rest: list[str]) -> bool:
    """Whether a place's next words make it a relation to something other than the picture."""
    return rest[:1] == ["of"] and _PICTURES.isdisjoint(rest)


def _place(run: list[str]) -> str:
    """A scene's place for one or two words, or the words themselves where they are none."""
    rows = [word for word in run if word in ROWS and word not in _MIDDLES]
    columns = [word for word in run if word in COLUMNS and word not in _MIDDLES]
    if not rows and not columns:
        return "centre"
    if rows and columns:
        return f"{rows[0]} {columns[0]}"
    if _MIDDLES.isdisjoint(run):
        return " ".join(run)
    return f"{rows[0]} centre" if rows else f"middle {columns[0]}"
