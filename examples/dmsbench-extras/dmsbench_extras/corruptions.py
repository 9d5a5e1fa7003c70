"""A corruption of pictures and one of texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions import Corruption, Definition


def row_jitter(pixels: NDArray[np.uint8], value: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each row is moved sideways by up to ``value`` of the width, and comes in again on the other side."""
    height, width = pixels.shape[:2]
    most = value * width
    moves = np.rint(rng.uniform(-most, most, size=height)).astype(int)
    columns = (np.arange(width)[None, :] - moves[:, None]) % width
    return pixels[np.arange(height)[:, None], columns]


def vowel_drop(
    text: str,
    values: tuple[float, ...],
    severity: int,
    rng: np.random.Generator,
    protect: frozenset[str] | None,
) -> str:
    """Vowels are left out at random; ``protect`` is not asked, since every word keeps its consonants."""
    # One number for every character, whatever the severity: a higher one leaves out what a lower one does.
    drawn = rng.random(len(text))
    share = values[severity - 1]
    kept = (
        character
        for character, number in zip(text, drawn, strict=True)
        if character.lower() not in "aeiou" or number >= share
    )
    return "".join(kept)


def definitions() -> list[Definition]:
    """What the entry points name: several corruptions, each found by its own name."""
    return [
        Definition(
            Corruption(
                name="row_jitter",
                kind="image",
                target="image",
                family="sensor",
                parameter="largest move of a row (share of the width)",
                parameters={"default": (0.01, 0.03, 0.06, 0.1, 0.2)},
                source="dmsbench-extras",
                doc="Rows are moved sideways, as by a bad synchronisation.",
                falsifies=("position",),
            ),
            row_jitter,
        ),
        Definition(
            Corruption(
                name="vowel_drop",
                kind="text",
                target="text",
                family="character",
                parameter="vowels left out (share)",
                parameters={"default": (0.1, 0.25, 0.5, 0.75, 1.0)},
                source="dmsbench-extras",
                doc="Vowels are left out.",
                nested=True,
            ),
            vowel_drop,
        ),
    ]
