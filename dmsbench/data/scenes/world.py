"""Scenes: a few coloured shapes on a grid of nine places."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

SHAPES = ("circle", "square", "triangle", "cross")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SIZES = ("small", "large")
ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")

#: Fewest and most things of a level of difficulty.
LEVELS = {1: (1, 2), 2: (2, 3), 3: (3, 5)}
#: Shares of all scenes, by a hash of what is in them: no scene is in two splits.
SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """A shape at a place: ``row`` 0 is the top, ``column`` 0 the left."""

    row: int
    column: int
    shape: str
    colour: str
    size: str

    @property
    def name(self) -> str:
        """What tells it from the scene's other things: ``red circle``."""
        return f"{self.colour} {self.shape}"

    @property
    def place(self) -> str:
        """``top left``, ``centre``, ``middle right`` …"""
        row, column = ROWS[self.row], COLUMNS[self.column]
        return "centre" if (row, column) == ("middle", "centre") else f"{row} {column}"


@dataclass(frozen=True, slots=True)
class Scene:
    """Things in reading order, no two of one shape and colour; ``background`` is a grey in 0-255.

    ``jitter``: each thing's shift from the middle of its place, in pixels (down, right).
    """

    things: tuple[Thing, ...]
    background: int
    jitter: tuple[tuple[int, int], ...]

    @property
    def split(self) -> str:
        """The split that a scene with these things belongs to, whatever its background and jitter."""
        content = json.dumps(
            [[t.row, t.column, t.shape, t.colour, t.size] for t in self.things], separators=(",", ":")
        )
        digest = hashlib.blake2b(content.encode(), digest_size=8, person=b"scenes").digest()
        draw = int.from_bytes(digest, "little") / 2**64
        for name, share in SPLITS.items():
            if draw < share:
                return name
            draw -= share
        return "test"


#: Pixels by which a thing may lie off the middle of its place.
JITTER = 1


def draw_scene(rng: np.random.Generator, level: int, most: int | None = None) -> Scene:
    """A random scene of a level, 1 to 3; with ``most`` 1 or more, of so many things at most."""
    low, high = LEVELS[level]
    if most is not None:
        low, high = min(low, most), min(high, most)
    count = int(rng.integers(low, high + 1))
    places = sorted(rng.choice(9, size=count, replace=False).tolist())
    kinds = rng.choice(len(SHAPES) * len(COLOURS), size=count, replace=False).tolist()
    things = tuple(
        Thing(
            row=place // 3,
            column=place % 3,
            shape=SHAPES[kind % len(SHAPES)],
            colour=COLOURS[kind // len(SHAPES)],
            size=SIZES[int(rng.integers(2))],
        )
        for place, kind in zip(places, kinds, strict=True)
    )
    shifts = rng.integers(-JITTER, JITTER + 1, size=(count, 2)).tolist()
    return Scene(things, int(rng.integers(30, 226)), tuple((int(dy), int(dx)) for dy, dx in shifts))


def scenes(seed: int, split: str, level: int, count: int) -> list[Scene]:
    """The first ``count`` scenes of a split; more contain fewer."""
    rng = np.random.Generator(np.random.Philox(key=[seed, (level << 8) + sorted(SPLITS).index(split)]))
    found: list[Scene] = []
    while len(found) < count:
        scene = draw_scene(rng, level)
        if scene.split == split:
            found.append(scene)
    return found
