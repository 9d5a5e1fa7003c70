"""Corruptions that take every pixel from another place."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, several
from corruptions.image.blur import gaussian_blur

__all__ = ["elastic_transform", "enlarge", "four_channels", "glass_blur", "places_between"]

# Lifts values that 32-bit arithmetic left a hair under a whole level.
_ROUNDING = np.float32(2.0**-9)

# Values that a processor's second-level cache holds, with the arrays derived from them.
_BLOCK = 1 << 14


def four_channels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """With an empty fourth channel: NumPy moves pixels of 4 bytes several times faster than of 3."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), np.uint8)


def glass_blur(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blurred, its pixels copied from near by, blurred again: `value` = (deviation, reach, passes).

    A pass goes through the picture from the lower right to the upper left, but for a margin, and
    overwrites every pixel by one at -reach to reach - 1 rows and columns from it, whose own copy may
    already have been made. The published code means to swap the two and, as NumPy rows are views,
    copies; that is kept.
    """
    sigma, reach, passes = several(value)
    blurred = gaussian_blur(image, sigma, rng)
    origin = _glass(image.shape[0], image.shape[1], int(reach), int(passes), rng)
    if origin is not None:
        pixels = four_channels(blurred).view(np.uint32).reshape(-1)
        moved = pixels.take(origin).view(np.uint8).reshape(*image.shape[:2], 4)
        blurred = np.asarray(cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB), np.uint8)
    return gaussian_blur(blurred, sigma, rng)


def _glass(
    height: int, width: int, reach: int, passes: int, rng: np.random.Generator
) -> NDArray[np.intp] | None:
    """Which pixel of the picture, counted row by row, ends up at each place; None if none moves."""
    rows, columns = height - 2 * reach, width - 2 * reach
    if rows <= 0 or columns <= 0:
        return None
    span = 2 * reach
    offsets = np.arange(span * span)
    steps = (offsets % span - reach) * width + offsets // span - reach
    margin = reach + 1
    inside = (slice(margin, margin + rows), slice(margin, margin + columns))
    source = np.arange(height * width)
    later = np.zeros(height * width, np.bool_)
    moving, from_later = source.reshape(height, width)[inside], later.reshape(height, width)[inside]
    place = moving.copy()
    origin: NDArray[np.intp] | None = None
    for _ in range(passes):
        draws = rng.integers(0, span * span, size=(rows, columns), dtype=np.uint8)[::-1, ::-1]
        np.add(place, steps.take(draws), out=moving)
        np.copyto(from_later, (steps > 0).take(draws))
        moved = _settled(source, later)
        origin = moved if origin is None else origin.take(moved)
    return origin


def _settled(source: NDArray[np.intp], later: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Where each pixel comes from once the copies `source` were made from the last pixel to the first.

    A copy from a `later` pixel repeats that pixel's own copy, made before it, and so on: a chain, whose
    unfinished ones, half as many each time, all go on by one link at once.
    """
    settled: NDArray[np.intp] = source.copy()
    places = np.flatnonzero(later)
    link = source.take(places)
    while places.size:
        onward = source.take(link)
        settled[places] = onward
        unfinished = np.flatnonzero(later.take(link))
        places, link = places.take(unfinished), onward.take(unfinished)
    return settled


def places_between(size: int, enlarged: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The pixel before each of `enlarged` places, first on first, last on last, and the next one's share."""
    place = np.arange(enlarged, dtype=np.float64) * ((size - 1) / max(1, enlarged - 1))
    before = np.minimum(place.astype(np.intp), max(0, size - 2))
    share: NDArray[np.float64] = place - before
    return before, share


def enlarge(field: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """One channel interpolated linearly to another size, corners on corners."""
    low, share = places_between(field.shape[0], height)
    high = np.minimum(low + 1, field.shape[0] - 1)
    left, part = places_between(field.shape[1], width)
    right = np.minimum(left + 1, field.shape[1] - 1)
    across: NDArray[np.float64] = field[:, left] * (1 - part) + field[:, right] * part
    weight = share[:, None]
    larger: NDArray[np.float64] = across[low] * (1 - weight) + across[high] * weight
    return larger


def elastic_transform(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Every pixel taken from a place near by: `value` = (strength, smoothness, slant), shares of the side.

    The displacement is uniform noise of `strength` times the height, smoothed by a normal density of
    `smoothness` times each side, on top of an affine map that moves three corners of the middle third
    by up to `slant` times the shorter side. Sampling is bilinear, once; edges mirror.
    """
    strength, smoothness, slant = several(value)
    height, width = image.shape[:2]
    down = np.zeros((height, width), np.float32)
    right = np.zeros((height, width), np.float32)
    if slant > 0:
        moves = (rng.random(6) * 2 - 1) * (slant * min(height, width))
        _affine(down, right, moves.tolist())
    if strength > 0:
        for field in (right, down):
            noise = rng.random((height, width), dtype=np.float32)
            noise -= np.float32(0.5)
            noise *= np.float32(2 * strength * height)
            field += _smooth(noise, smoothness)
    return _sampled(image, down, right)


def _affine(down: NDArray[np.float32], right: NDArray[np.float32], moves: list[float]) -> None:
    """Adds the displacement of the affine map that moves three corners of the middle third."""
    height, width = down.shape
    third = max(1, min(height, width) // 3)
    # The corners are (third, third), (third, -third) and (-third, -third) in (x, y) from the middle.
    x1, y1, x2, y2, x3, y3 = moves
    across = ((x2 - x3) / (2 * third), (y2 - y3) / (2 * third))
    along = ((x1 - x2) / (2 * third), (y1 - y2) / (2 * third))
    x = np.arange(width) - width // 2
    y = np.arange(height)[:, None] - height // 2
    right += (across[0] * x + along[0] * y + (x1 + x3) / 2).astype(np.float32)
    down += (across[1] * x + along[1] * y + (y1 + y3) / 2).astype(np.float32)


def _smooth(noise: NDArray[np.float32], smoothness: float) -> NDArray[np.float32]:
    rows, columns = (_bell(smoothness * side) for side in noise.shape)
    return np.asarray(cv2.sepFilter2D(noise, cv2.CV_32F, columns, rows, borderType=cv2.BORDER_REFLECT))


@lru_cache(maxsize=16)
def _bell(sigma: float) -> NDArray[np.float32]:
    """A normal density cut at 3 standard deviations."""
    radius = int(3 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    bell: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return bell


def _sampled(
    image: NDArray[np.uint8], down: NDArray[np.float32], right: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The picture at (y + down, x + right), between four pixels; the picture goes on mirrored."""
    height, width = image.shape[:2]
    vertical = math.ceil(max(float(down.max()), -float(down.min()))) + 1
    sideways = math.ceil(max(float(right.max()), -float(right.min()))) + 1
    padded = cv2.copyMakeBorder(image, vertical, vertical, sideways, sideways, cv2.BORDER_REFLECT)
    planes = [plane.astype(np.float32).reshape(-1) for plane in cv2.split(padded)]
    stride = width + 2 * sideways
    out = np.empty_like(image)
    rows = max(1, _BLOCK // width)
    columns = np.arange(sideways, sideways + width)
    for start in range(0, height, rows):
        stop = min(height, start + rows)
        y, x = np.floor(down[start:stop]), np.floor(right[start:stop])
        low, part = down[start:stop] - y, right[start:stop] - x
        first = y.astype(np.intp)
        first += np.arange(start + vertical, stop + vertical)[:, None]
        first *= stride
        first += x.astype(np.intp)
        first += columns
        below = first + stride
        for channel, plane in enumerate(planes):
            above = plane.take(first)
            beside = plane[1:].take(first)
            beside -= above
            beside *= part
            above += beside
            under = plane.take(below)
            beside = plane[1:].take(below)
            beside -= under
            beside *= part
            under += beside
            under -= above
            under *= low
            above += under
            out[start:stop, :, channel] = above
    return out
