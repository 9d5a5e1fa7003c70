"""Weather and light between the camera and the scene."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number

__all__ = ["KERNELS"]

Picture = NDArray[np.uint8]

_STEEPEST = 20.0
_LENGTH = (0.06, 0.14)
_THICKNESS = 1 / 160
_DROP = 215.0
_OPACITY = 0.55
_GLOOM = 0.35

_HALF = (0.18, 0.28)
_PENUMBRA = 0.03
_TILT = 50.0
_OFF = 0.2


def _greys(values: NDArray[np.float32]) -> Picture:
    np.clip(values, 0, 255, out=values)
    return np.rint(values, out=values).astype(np.uint8)


def rain(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Bright streaks in one direction, up to 20 degrees off the vertical, before a gloomier picture.

    The streaks' areas sum to `value` of the picture's; where they are, the picture is mixed with light
    grey, 55 %. The light is less by 35 % of `value`. One sequence of streaks for all severities.
    """
    height, width = image.shape[:2]
    side, share = min(height, width), number(value)
    slant = math.tan(math.radians(_STEEPEST)) * (2 * float(rng.random()) - 1)
    thick = max(1, round(_THICKNESS * side))
    longest = max(1, round(_LENGTH[1] * side))
    mean = max(1.0, side * (_LENGTH[0] + _LENGTH[1]) / 2) * thick
    streaks = rng.random((max(1, round(share * height * width / mean)), 3), dtype=np.float32)
    lengths = np.maximum(1, side * (_LENGTH[0] + (_LENGTH[1] - _LENGTH[0]) * streaks[:, 2]))
    # Streaks start above the picture too, and beside it: rain has no margins.
    top = streaks[:, 0] * (height + longest) - longest
    left = streaks[:, 1] * width
    wet = np.zeros((height, width), np.bool_)
    for step in range(longest):
        alive = step < lengths
        y = np.floor(top[alive] + step).astype(np.int64)
        x = np.floor(left[alive] + np.float32(slant * step)).astype(np.int64)
        inside = (y >= 0) & (y < height)
        y, x = y[inside], x[inside]
        for wide in range(thick):
            wet[y, (x + wide) % width] = True
    out = image * np.float32(1 - _GLOOM * share)
    out[wet] *= np.float32(1 - _OPACITY)
    out[wet] += np.float32(_OPACITY * _DROP)
    return _greys(out)


def shadow(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """A band across the picture, drawn once per sample, loses `value` of its brightness.

    It is 36 to 56 % of the shorter side wide, up to 50 degrees off the vertical, at most 20 % off the
    middle, with soft borders of 3 %. A band that crosses the picture does not pass for a thing in it.
    """
    height, width = image.shape[:2]
    half, tilt, off = rng.random(3).tolist()
    side = min(height, width)
    angle = math.radians(_TILT * (2 * tilt - 1))
    y = np.arange(height) - (height - 1) / 2
    x = np.arange(width) - (width - 1) / 2
    middle = _OFF * (2 * off - 1) * side
    distance = abs((math.cos(angle) * x - middle)[None, :] + (math.sin(angle) * y)[:, None])
    reach = (_HALF[0] + (_HALF[1] - _HALF[0]) * half) * side + 0.5
    depth = np.clip((reach - distance) / max(1.0, _PENUMBRA * side) + 0.5, 0, 1)
    shaded: NDArray[np.float32] = image * (1 - number(value) * depth).astype(np.float32)[..., None]
    return _greys(shaded)


KERNELS = {
    "rain": rain,
    "shadow": shadow,
}
