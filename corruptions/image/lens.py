"""What a lens and filters do. Lengths are shares of the shorter side."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number
from corruptions.image.sampling import bilinear

__all__ = ["KERNELS"]

Picture = NDArray[np.uint8]

# OpenCV counts a window's pixels in 16 bits.
_WIDEST_MEDIAN = 255

_DISPLAY = 2.2
_SUBPIXELS = 8
_WAVES = 128
_HALO = 0.22
_VEIL = 0.12


def _greys(values: NDArray[np.float32]) -> Picture:
    np.clip(values, 0, 255, out=values)
    return np.rint(values, out=values).astype(np.uint8)


def median_blur(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Every channel value becomes the median of a square around it, `value` of the shorter side each way.

    At least 1 pixel and at most 127 each way; edges repeat.
    """
    radius = max(1, round(number(value) * min(image.shape[:2])))
    size = min(_WIDEST_MEDIAN, 2 * radius + 1)
    return np.asarray(cv2.medianBlur(np.ascontiguousarray(image), size), np.uint8)


def lens_blur(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Out of focus through six blades: light (exponent 2.2) convolved with a hexagon; edges repeat.

    `value` is the hexagon's outer radius as a share of the shorter side. Averaging light and not grey
    levels is what makes bright points grow into hexagons.
    """
    weights = _hexagon(number(value) * min(image.shape[:2]))
    light = _light().take(image)
    blurred = np.asarray(cv2.filter2D(light, cv2.CV_32F, weights, borderType=cv2.BORDER_REPLICATE))
    # Back to grey levels with a table over the root of light, which is fine enough in the dark; a power
    # per pixel costs ten times as much.
    root = np.sqrt(np.clip(blurred, 0, 1))
    fine = (root * np.float32(65535) + np.float32(0.5)).astype(np.uint16)
    out: Picture = _levels().take(fine)
    return out


@lru_cache(maxsize=1)
def _light() -> NDArray[np.float32]:
    return np.array([math.pow(v / 255, _DISPLAY) for v in range(256)], np.float32)


@lru_cache(maxsize=1)
def _levels() -> NDArray[np.uint8]:
    greys: NDArray[np.uint8] = np.rint(255 * (np.arange(65536) / 65535) ** (2 / _DISPLAY)).astype(np.uint8)
    return greys


@lru_cache(maxsize=16)
def _hexagon(radius: float) -> NDArray[np.float32]:
    """The share of every pixel that lies in a hexagon of this outer radius, summing to 1."""
    half = math.ceil(max(0.0, radius - 0.5))
    places = (np.arange((2 * half + 1) * _SUBPIXELS) + 0.5) / _SUBPIXELS - half - 0.5
    x, y = places[None, :], places[:, None]
    apothem = radius * math.sqrt(3) / 2
    inside = (abs(y) <= apothem) & (abs(x) * math.sqrt(3) + abs(y) <= 2 * apothem)
    size = 2 * half + 1
    shares = inside.reshape(size, _SUBPIXELS, size, _SUBPIXELS).sum(axis=(1, 3)).astype(np.float64)
    if not shares.any():
        shares[half, half] = 1
    weights: NDArray[np.float32] = (shares / shares.sum()).astype(np.float32)
    return weights


def ringing(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Only the lowest waves are kept, along each side `value` of its pixels, or of 128 if it has more.

    An ideal low-pass filter (a truncated cosine transform, which mirrors at the edges): sharp borders
    overshoot and are accompanied by waves.
    """
    height, width = image.shape[:2]
    rows, columns = _waves(height, number(value)), _waves(width, number(value))
    out = np.empty_like(image)
    for channel in range(3):
        spectrum = rows @ image[..., channel].astype(np.float64) @ columns.T
        plane = rows.T @ spectrum @ columns
        out[..., channel] = np.rint(np.clip(plane, 0, 255))
    return out


@lru_cache(maxsize=16)
def _waves(size: int, share: float) -> NDArray[np.float64]:
    """The first cosines along a side, orthonormal, one per row."""
    count = max(1, round(share * min(size, _WAVES)))
    basis: NDArray[np.float64] = np.cos(
        (math.pi / size) * np.arange(count)[:, None] * (np.arange(size) + 0.5)[None, :]
    )
    basis *= math.sqrt(2 / size)
    basis[0] = math.sqrt(1 / size)
    return basis


def chromatic_aberration(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Red is magnified by 1 + `value` about the middle, blue reduced as much; green stays; edges repeat."""
    height, width = image.shape[:2]
    x = np.arange(width)[None, :] - (width - 1) / 2
    y = np.arange(height)[:, None] - (height - 1) / 2
    out: Picture = image.copy()
    for channel, factor in ((0, 1 / (1 + number(value))), (2, 1 + number(value))):
        plane = image[..., channel : channel + 1]
        moved = bilinear(plane, x * factor + (width - 1) / 2, y * factor + (height - 1) / 2)
        out[..., channel] = moved[..., 0]
    return out


def vignette(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """The corners lose `value` of their brightness, as the fourth power of the cosine of the view's angle."""
    height, width = image.shape[:2]
    x = (np.arange(width) - (width - 1) / 2) / max(1.0, (width - 1) / 2)
    y = (np.arange(height) - (height - 1) / 2) / max(1.0, (height - 1) / 2)
    # cos^4 t = 1 / (1 + tan^2 t)^2; tan^2 is half of x^2 + y^2 times that of the corners.
    corner = 1 / math.sqrt(1 - number(value)) - 1
    angle = (x * x * (corner / 2))[None, :] + (y * y * (corner / 2) + 1)[:, None]
    light = (1 / (angle * angle)).astype(np.float32)
    shaded: NDArray[np.float32] = image * light[..., None]
    return _greys(shaded)


def glare(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """A light in the picture: a white halo about a place drawn once, and a veil over everything.

    At the place itself `value` of the way to white, falling as 1 / (1 + (d / 0.22)^2)^2 with the
    distance d in shorter sides; the veil is 12 % of `value`.
    """
    height, width = image.shape[:2]
    strength = number(value)
    top, left = rng.random(2).tolist()
    unit = _HALO * min(height, width)
    x = ((np.arange(width) - left * (width - 1)) / unit) ** 2
    y = ((np.arange(height) - top * (height - 1)) / unit) ** 2
    halo = 1 / (1 + x[None, :] + y[:, None]) ** 2
    added = (strength * (_VEIL + (1 - _VEIL) * halo)).astype(np.float32)[..., None]
    lit: NDArray[np.float32] = image + (255 - image) * added
    return _greys(lit)


KERNELS = {
    "median_blur": median_blur,
    "lens_blur": lens_blur,
    "ringing": ringing,
    "chromatic_aberration": chromatic_aberration,
    "vignette": vignette,
    "glare": glare,
}
