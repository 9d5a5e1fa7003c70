"""Changes of colour in the hexcone model (hue, saturation, value)."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number, pair

__all__ = ["brightness", "saturate"]

# Lifts values that 32-bit arithmetic left a hair under a whole level.
_ROUNDING = np.float32(2.0**-12)


def brightness(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Adds `value`, a share of full scale, to the largest channel; hue and saturation stay.

    At a given largest channel that multiplies every channel by one factor, so a table of two grey
    levels says all.
    """
    table = _brighter(number(value))
    planes = cv2.split(image)
    row: NDArray[np.intp] = np.maximum(np.maximum(planes[0], planes[1]), planes[2]).astype(np.intp)
    row <<= 8
    out = [table.take(np.add(row, plane, dtype=np.intp)) for plane in planes]
    return np.asarray(cv2.merge(out), np.uint8)


@lru_cache(maxsize=16)
def _brighter(gain: float) -> NDArray[np.uint8]:
    """The new level at [largest channel * 256 + channel]."""
    largest = np.arange(256)[:, None] / 255.0
    channel = np.minimum(np.arange(256)[None, :] / 255.0, largest)
    saturation = np.divide(largest - channel, largest, out=np.zeros((256, 256)), where=largest > 0)
    levels: NDArray[np.float64] = np.clip(largest + gain, 0, 1) * (1 - saturation) * 255
    return levels.astype(np.uint8).reshape(-1)


def saturate(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Saturation * factor + offset, clipped to 0-1, `value` = (factor, offset); hue and value stay.

    The distance of every channel from the largest one grows by the same ratio. A grey has hue 0, which
    is red's: an offset turns it reddish, as in the published definition.
    """
    factor, offset = pair(value)
    stretch, grey = _stretched(factor, offset)
    planes = cv2.split(image)
    largest = np.maximum(np.maximum(planes[0], planes[1]), planes[2])
    smallest = np.minimum(np.minimum(planes[0], planes[1]), planes[2])
    index = largest.astype(np.intp)
    index <<= 8
    index += smallest
    ratio = stretch.take(index)
    top = largest.astype(np.float32)
    lifted = top + _ROUNDING
    out = []
    for plane in planes:
        level = top - plane
        level *= ratio
        np.subtract(lifted, level, out=level)
        np.maximum(level, 0, out=level)
        out.append(level.astype(np.uint8))
    if offset > 0:
        colourless = largest == smallest
        tinted = grey.take(largest)
        for plane in out[1:]:
            np.copyto(plane, tinted, where=colourless)
    return np.asarray(cv2.merge(out), np.uint8)


@lru_cache(maxsize=16)
def _stretched(factor: float, offset: float) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(new saturation / old one at [largest * 256 + smallest], a grey's new green and blue)."""
    largest = np.arange(256.0)[:, None]
    smallest = np.arange(256.0)[None, :]
    old = np.divide(largest - smallest, largest, out=np.zeros((256, 256)), where=largest > smallest)
    new = np.clip(old * factor + offset, 0, 1)
    ratio = np.divide(new, old, out=np.zeros((256, 256)), where=old > 0)
    grey = np.arange(256) * (1 - min(offset, 1.0)) + 1e-9
    return ratio.astype(np.float32).reshape(-1), grey.astype(np.uint8)
