"""Writing on the picture, in letters of its own: fonts and their renderers differ between versions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number

__all__ = ["KERNELS", "MARKS", "WORDS"]

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

WORDS = (
    "LOREM IPSUM",
    "DOLOR SIT",
    "AMET",
    "CONSECTETUR",
    "ADIPISCING",
    "ELIT SED",
    "EIUSMOD",
    "TEMPOR",
    "INCIDIDUNT",
    "UT LABORE",
    "MAGNA",
    "ALIQUA",
)
"""What `text_overlay` writes: filler without meaning, so that no line answers a question or asks one."""

MARKS = ("SAMPLE", "PREVIEW", "COPYRIGHT", "DRAFT")
"""What `watermark` writes."""

# The classic 5 x 7 dot matrix, a column per byte, lowest bit on top.
_COLUMNS = {
    "A": "7E1111117E", "B": "7F49494936", "C": "3E41414122", "D": "7F4141221C", "E": "7F49494941",
    "F": "7F09090901", "G": "3E4149497A", "H": "7F0808087F", "I": "00417F4100", "J": "2040413F01",
    "K": "7F08142241", "L": "7F40404040", "M": "7F020C027F", "N": "7F0408107F", "O": "3E4141413E",
    "P": "7F09090906", "Q": "3E4151215E", "R": "7F09192946", "S": "4649494931", "T": "01017F0101",
    "U": "3F4040403F", "V": "1F2040201F", "W": "3F4038403F", "X": "6314081463", "Y": "0708700807",
    "Z": "6151494543", " ": "0000000000",
}  # fmt: skip
_ROWS = 7
_LINE = 10

_WRITING = 1 / 64
_MARK_GAP = 12
_WHITE, _BLACK = 255, 0


@lru_cache(maxsize=256)
def _letters(text: str, dot: int) -> Mask:
    """A line of text, `dot` pixels per dot, one dot between the letters."""
    columns = np.frombuffer(bytes.fromhex("00".join(_COLUMNS[letter] for letter in text)), np.uint8)
    dots = (columns[None, :] >> np.arange(_ROWS, dtype=np.uint8)[:, None] & 1).astype(np.bool_)
    return dots.repeat(dot, axis=0).repeat(dot, axis=1)


def _stamp(mask: Mask, letters: Mask, top: int, left: int) -> None:
    """Puts letters on a mask; what is outside is cut off."""
    height, width = mask.shape
    y, x = max(0, -top), max(0, -left)
    part = letters[y : height - top, x : width - left]
    mask[top + y : top + y + part.shape[0], left + x : left + x + part.shape[1]] |= part


def _shifted(letters: Mask, dot: int) -> Mask:
    """The letters' shadow: half a dot, at least a pixel, to the right and down, where no letter is."""
    by = max(1, dot // 2)
    shadow = np.zeros_like(letters)
    shadow[by:, by:] = letters[:-by, :-by]
    return shadow & ~letters


def text_overlay(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """`value` lines of filler text at random places, white with a black shadow.

    Letters are about 7/64 of the shorter side high, at least 7 pixels. A higher severity has the lines of a
    lower one and more.
    """
    height, width = image.shape[:2]
    dot = max(1, round(min(height, width) * _WRITING))
    letters = np.zeros((height, width), np.bool_)
    for word, top, left in rng.random((int(number(value)), 3)).tolist():
        line = _letters(WORDS[int(word * len(WORDS))], dot)
        free = (height - line.shape[0], width - line.shape[1])
        y, x = (round(place * room) for place, room in zip((top, left), free, strict=True))
        _stamp(letters, line, y, x)
    out: Picture = image.copy()
    out[_shifted(letters, dot)] = _BLACK
    out[letters] = _WHITE
    return out


def watermark(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """One word over and over, white with a black shadow, `value` opaque; word and offset drawn once."""
    height, width = image.shape[:2]
    dot = max(1, round(min(height, width) * _WRITING))
    word, down, right = rng.random(3).tolist()
    line = _letters(MARKS[int(word * len(MARKS))], dot)
    across, along = (_LINE + _MARK_GAP // 2) * dot, line.shape[1] + _MARK_GAP * dot
    letters = np.zeros((height, width), np.bool_)
    for i, top in enumerate(range(-int(down * across), height, across)):
        # Every other line is moved by half, so that no column stays free.
        for left in range(-int(right * along) - i % 2 * (along // 2), width, along):
            _stamp(letters, line, top, left)
    opacity = np.float32(number(value))
    out: Picture = image.copy()
    for mask, grey in ((_shifted(letters, dot), _BLACK), (letters, _WHITE)):
        pixels = image[mask] * (1 - opacity) + np.float32(grey) * opacity
        out[mask] = np.rint(pixels).astype(np.uint8)
    return out


KERNELS = {
    "text_overlay": text_overlay,
    "watermark": watermark,
}
