"""Zooming while the shutter is open."""

from __future__ import annotations

import math
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, pair
from corruptions.image.warp import four_channels, places_between

__all__ = ["zoom_blur"]

# Lifts values that 32-bit arithmetic left a hair under a whole level.
_ROUNDING = np.float32(2.0**-9)

# Pixels that a processor's second-level cache holds, with the arrays derived from them.
_BLOCK = 1 << 14
_STRIP = 40_960


def zoom_blur(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The mean of the picture and its enlargements, `value` = (end, step) of the factors, which start at 1.

    An enlargement keeps the middle and interpolates linearly, corners on corners. The picture counts
    twice: by itself and as its own enlargement by 1, as in the published definition.
    """
    stop, step = pair(value)
    factors = np.arange(1, stop, step)
    pixels = four_channels(image).astype(np.float32)
    added = _warped if _warps_exactly() else _taken
    total = added(pixels, tuple(factors[1:].tolist()))
    total *= np.float32(1 / (factors.size + 1))
    total += _ROUNDING
    grey: NDArray[np.uint8] = total[..., :3].astype(np.uint8)
    return grey


def _warped(pixels: NDArray[np.float32], factors: tuple[float, ...]) -> NDArray[np.float32]:
    """Twice the picture and its enlargements by OpenCV, summed, a strip of rows at a time."""
    height, width = pixels.shape[:2]
    total: NDArray[np.float32] = pixels * np.float32(2)
    lines = [(_line(height, factor), _line(width, factor)) for factor in factors]
    rows = max(1, _STRIP // width)
    larger = np.empty((min(rows, height), *pixels.shape[1:]), np.float32)
    for start in range(0, height, rows):
        sums = total[start : start + rows]
        strip = larger[: len(sums)]
        for (top, down), (left, right) in lines:
            _warp(pixels, np.array([[right, 0, left], [0, down, top + down * start]]), strip)
            cv2.add(sums, strip, dst=sums)
    return total


def _line(size: int, factor: float) -> tuple[int, float]:
    """Where the kept middle begins, and the step from one place of the enlargement to the next."""
    kept = math.ceil(size / factor)
    return (size - kept) // 2, (kept - 1) / max(1, round(kept * factor) - 1)


def _warp(pixels: NDArray[np.float32], places: NDArray[np.float64], out: NDArray[np.float32]) -> None:
    cv2.warpAffine(
        pixels,
        places,
        (out.shape[1], out.shape[0]),
        dst=out,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


@cache
def _warps_exactly() -> bool:
    """Whether this OpenCV interpolates at the place itself.

    Version 5 does. Those before it round places to a 32nd of a pixel, levels away on a sharp edge.
    """
    steps = np.repeat(np.arange(16, dtype=np.float32)[:, None, None] * 255, 16, axis=1).repeat(4, axis=2)
    found = np.empty_like(steps)
    _warp(steps, np.array([[0.913, 0, 0.71], [0, 0.913, 0.71]]), found)
    wanted = (np.arange(16) * 0.913 + 0.71).clip(max=15) * 255
    return float(np.abs(found[:, :, 0] - wanted[:, None]).max()) < 0.01


def _taken(pixels: NDArray[np.float32], factors: tuple[float, ...]) -> NDArray[np.float32]:
    """As `_warped` to within rounding, by NumPy: three times slower, the same under every OpenCV."""
    height, width = pixels.shape[:2]
    source = pixels.reshape(height, width * 4)
    slopes = np.diff(source, axis=0, append=source[-1:])
    total: NDArray[np.float32] = source * np.float32(2)
    rows = max(1, _BLOCK // width)
    spare = [np.empty((rows, width * 4), np.float32) for _ in range(3)]
    plans = _plans(height, width, factors)
    for start in range(0, height, rows):
        stop = min(height, start + rows)
        one, two, three = (array[: stop - start] for array in spare)
        sums = total[start:stop]
        for low, share, left, right, before, after in plans:
            np.take(slopes, low[start:stop], axis=0, out=one, mode="clip")
            np.multiply(one, share[start:stop], out=one)
            np.take(source, low[start:stop], axis=0, out=two, mode="clip")
            np.add(one, two, out=one)
            middle = one.view(np.complex128)
            np.take(middle, left, axis=1, out=two.view(np.complex128), mode="clip")
            np.take(middle, right, axis=1, out=three.view(np.complex128), mode="clip")
            np.multiply(two, before, out=two)
            np.multiply(three, after, out=three)
            np.add(sums, two, out=sums)
            np.add(sums, three, out=sums)
    return total.reshape(pixels.shape)


_Plan = tuple[
    NDArray[np.intp],
    NDArray[np.float32],
    NDArray[np.intp],
    NDArray[np.intp],
    NDArray[np.float32],
    NDArray[np.float32],
]


@lru_cache(maxsize=8)
def _plans(height: int, width: int, factors: tuple[float, ...]) -> tuple[_Plan, ...]:
    """Per factor the rows before and their successors' shares; the columns before and after, with theirs."""
    plans = []
    for factor in factors:
        low, share = _middle(height, factor)
        left, part = _middle(width, factor)
        after = np.repeat(part, 4).astype(np.float32)
        right = np.minimum(left + 1, width - 1)
        plans.append((low, share.astype(np.float32)[:, None], left, right, 1 - after, after))
    return tuple(plans)


def _middle(size: int, factor: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The pixel at or before each of `size` places in the enlarged middle, and the share of the next one."""
    kept = math.ceil(size / factor)
    before, share = places_between(kept, round(kept * factor))
    return before[:size] + (size - kept) // 2, share[:size]
