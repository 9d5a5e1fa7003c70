"""Blurs. Convolutions run in 32-bit floats; results are cut, not rounded, to whole grey levels."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number, pair

__all__ = ["defocus_blur", "gaussian_blur", "motion_blur", "streak"]

# Lifts values that rounding left a hair under a whole level, so that a flat area keeps its grey.
_ROUNDING = np.float32(2.0**-9)

# The end of a motion trail that weighs less than this in all: under a hundredth of a level.
_NEGLIGIBLE = 2e-5

# The reference accepts no picture with a side under this.
_REFERENCE_SIDE = 32


def _grey(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    pixels += _ROUNDING
    np.clip(pixels, 0, 255, out=pixels)
    return pixels.astype(np.uint8)


def gaussian_blur(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Convolution with a normal density of `value` pixels, cut at 4 standard deviations; edges repeat."""
    weights = _normal(number(value))
    blurred = cv2.sepFilter2D(image, cv2.CV_32F, weights, weights, borderType=cv2.BORDER_REPLICATE)
    return _grey(np.asarray(blurred, np.float32))


@lru_cache(maxsize=16)
def _normal(sigma: float) -> NDArray[np.float32]:
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    normal: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return normal


def defocus_blur(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Convolution with a smoothed disk, `value` = (radius, smoothing) in pixels; edges mirror."""
    radius, smoothing = pair(value)
    disk, lines = _disk(radius, smoothing), _lines(radius, smoothing)
    if disk.shape[0] <= _DIRECT or len(lines) > _FEW:
        # From floats OpenCV takes a path twice as fast as from bytes.
        pixels = image.astype(np.float32)
        return _grey(
            np.asarray(cv2.filter2D(pixels, -1, disk, borderType=cv2.BORDER_REFLECT_101), np.float32)
        )
    total, part = np.empty(image.shape, np.float32), np.empty(image.shape, np.float32)
    for i, (column, row) in enumerate(lines):
        out = part if i else total
        cv2.sepFilter2D(image, cv2.CV_32F, row, column, dst=out, borderType=cv2.BORDER_REFLECT_101)
        if i:
            cv2.add(total, part, dst=total)
    return _grey(total)


# The side of the largest kernel that OpenCV convolves with directly; larger ones go through its Fourier
# transform, and up to so many pairs of lines are faster than that.
_DIRECT = 11
_FEW = 5


@lru_cache(maxsize=16)
def _lines(radius: float, smoothing: float) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Columns and rows whose products sum to the disk: it has few different rows, so few will do."""
    left, sizes, right = np.linalg.svd(_disk(radius, smoothing).astype(np.float64))
    count = int((sizes > 1e-7).sum())
    scale = np.sqrt(sizes)
    return [
        ((left[:, i] * scale[i]).astype(np.float32), (right[i] * scale[i]).astype(np.float32))
        for i in range(count)
    ]


@lru_cache(maxsize=16)
def _disk(radius: float, smoothing: float) -> NDArray[np.float32]:
    """The disk of ImageNet-C: on a 17 x 17 grid smoothed by 3 taps, above radius 8 on a larger one by 5.

    The grid's border mirrors, which matters where the disk touches it. Empty borders are cut off: they
    weigh nothing and cost time.
    """
    half, taps = (8, 1) if radius <= 8 else (math.ceil(radius), 2)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.float64)
    disk /= disk.sum()
    weights = np.exp(-0.5 * (np.arange(-taps, taps + 1) / smoothing) ** 2)
    weights /= weights.sum()
    size = 2 * half + 1
    for axis in (0, 1):
        padded = np.pad(disk, [(taps, taps) if a == axis else (0, 0) for a in (0, 1)], mode="reflect")
        disk = sum(w * padded.take(range(i, i + size), axis) for i, w in enumerate(weights))
    margin = min(int(edge.min()) for edge in np.nonzero(disk > 1e-9))
    return np.ascontiguousarray(disk[margin : size - margin, margin : size - margin], np.float32)


def motion_blur(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A one-sided normal trail, `value` = (radius, standard deviation) in pixels; edges repeat.

    The direction is uniform in -45 to 45 degrees. The trail has 2 * radius + 1 steps, each moved to
    the nearest pixel, and ends where it would leave the picture. As in imagecorruptions the weights cut
    off there are lost, but not for pictures under 32 pixels, which that package refuses and which would
    turn black.
    """
    radius, sigma = pair(value)
    angle = math.radians(rng.uniform(-45, 45))
    return _grey(streak(image.astype(np.float32), radius, sigma, angle))


def streak(image: NDArray[np.float32], radius: float, sigma: float, angle: float) -> NDArray[np.float32]:
    """The smear of `motion_blur` in a direction given in radians, for one or more channels."""
    height, width = image.shape[:2]
    weights = _trail(radius, sigma)
    shifts = [
        (math.ceil(i * math.sin(angle) - 0.5), math.ceil(i * math.cos(angle) - 0.5))
        for i in range(weights.size)
    ]
    steps = next(
        (i for i, (dy, dx) in enumerate(shifts) if abs(dy) >= height or abs(dx) >= width), weights.size
    )
    if min(height, width) < _REFERENCE_SIDE:
        weights = weights[:steps] / weights[:steps].sum()
    down = max(0, max(dy for dy, _ in shifts[:steps]))
    up = max(0, -min(dy for dy, _ in shifts[:steps]))
    right = max(0, max(dx for _, dx in shifts[:steps]))
    left = max(0, -min(dx for _, dx in shifts[:steps]))
    # The pixel at (y, x) sees the one at (y + dy, x + dx).
    padded = cv2.copyMakeBorder(image, up, down, left, right, cv2.BORDER_REPLICATE)
    blurred = np.zeros(image.shape, np.float32)
    for (dy, dx), weight in zip(shifts[:steps], weights, strict=False):
        y, x = dy + up, dx + left
        cv2.scaleAdd(padded[y : y + height, x : x + width], float(weight), blurred, blurred)
    return blurred


@lru_cache(maxsize=16)
def _trail(radius: float, sigma: float) -> NDArray[np.float64]:
    weights = np.exp(-0.5 * (np.arange(2 * int(radius) + 1) / sigma) ** 2)
    weights /= weights.sum()
    rest = 1 - np.cumsum(weights)
    kept: NDArray[np.float64] = weights[: int(np.searchsorted(-rest, -_NEGLIGIBLE)) + 1]
    kept /= kept.sum()
    return kept
