"""What a sensor adds to the picture: grains, stuck pixels, dust on the glass."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number, pair

__all__ = ["KERNELS"]

Picture = NDArray[np.uint8]

# Red's, green's and blue's share of brightness, ITU-R BT.601.
_LUMA = (np.float32(0.299), np.float32(0.587), np.float32(0.114))

_SPECK = (0.012, 0.035)
_DARKEST = (0.35, 0.75)


def _greys(values: NDArray[np.float32]) -> Picture:
    np.clip(values, 0, 255, out=values)
    return np.rint(values, out=values).astype(np.uint8)


def salt_pepper(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Whole pixels become black or white, half and half, `value` of them; more at a higher severity."""
    hit = rng.random(image.shape[:2]) < number(value)
    white = rng.integers(0, 2, size=image.shape[:2], dtype=np.uint8) * np.uint8(255)
    out: Picture = np.where(hit[..., None], white[..., None], image)
    return out


def sensor_noise(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Normal noise with variance a v + b^2 for v in 0-1, `value` = (a, b): photons and read-out.

    The normal approximation of the Poisson part, as in Foi et al.
    """
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= _spread(*pair(value)).take(image)
    noisy += image
    return _greys(noisy)


@lru_cache(maxsize=16)
def _spread(gain: float, floor: float) -> NDArray[np.float32]:
    return np.array([255 * math.sqrt(gain * v / 255 + floor * floor) for v in range(256)], np.float32)


def colour_noise(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Normal noise of `value` of full scale in every channel, less its brightness: colours only."""
    noise = rng.standard_normal((3, *image.shape[:2]), dtype=np.float32)
    grey = noise[0] * _LUMA[0]
    for plane, weight in zip(noise[1:], _LUMA[1:], strict=True):
        grey += plane * weight
    noise -= grey
    noise *= np.float32(255 * number(value))
    out = np.empty_like(image)
    for channel, plane in enumerate(noise):
        plane += image[..., channel]
        out[..., channel] = _greys(plane)
    return out


def dead_pixels(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """`value` of the pixels (at least one) are stuck, each channel at 0 or 255; more at a higher severity."""
    chance = rng.random(image.shape[:2])
    stuck = rng.integers(0, 2, size=image.shape, dtype=np.uint8) * np.uint8(255)
    hit = chance <= max(number(value), float(chance.min()))
    out: Picture = np.where(hit[..., None], stuck, image)
    return out


def dust(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """`value` specks on the glass: soft dark spots at random places, one sequence for all severities.

    Their radius is 1.2 to 3.5 % of the shorter side; the middle loses 35 to 75 % of the light, and
    outwards the loss falls as (1 - d^2)^2.
    """
    height, width = image.shape[:2]
    light = np.ones((height, width), np.float32)
    for top, left, size, depth in rng.random((int(number(value)), 4)).tolist():
        radius = max(0.75, (_SPECK[0] + (_SPECK[1] - _SPECK[0]) * size) * min(height, width))
        y, x = top * (height - 1), left * (width - 1)
        rows = slice(max(0, math.ceil(y - radius)), math.floor(y + radius) + 1)
        columns = slice(max(0, math.ceil(x - radius)), math.floor(x + radius) + 1)
        part = light[rows, columns]
        across = (np.arange(columns.start, columns.start + part.shape[1]) - x) ** 2
        down = (np.arange(rows.start, rows.start + part.shape[0]) - y) ** 2
        inside = np.maximum(1 - (down[:, None] + across) / (radius * radius), 0)
        part *= 1 - (_DARKEST[0] + (_DARKEST[1] - _DARKEST[0]) * depth) * inside * inside
    return _greys(image * light[..., None])


KERNELS = {
    "salt_pepper": salt_pepper,
    "sensor_noise": sensor_noise,
    "colour_noise": colour_noise,
    "dead_pixels": dead_pixels,
    "dust": dust,
}
