"""Draws scenes: NumPy alone, the same pixels on every machine."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dmsbench.data.scenes.world import Scene, Thing

SIDE = 64
#: Half the width of a thing, in pixels.
RADIUS = {"small": 6, "large": 9}
PAINT = {
    "red": (220, 30, 35),
    "green": (35, 150, 50),
    "blue": (35, 70, 215),
    "yellow": (240, 215, 40),
    "purple": (140, 45, 170),
    "orange": (245, 140, 25),
}
#: Sub-pixels a side.
_FINE = 4


def render(scene: Scene) -> npt.NDArray[np.uint8]:
    """The scene as 64 × 64 RGB pixels (uint8), edges smoothed."""
    picture = np.full((SIDE, SIDE, 3), scene.background, dtype=np.float64)
    for thing, (down, right) in zip(scene.things, scene.jitter, strict=True):
        cover = _cover(thing.shape, RADIUS[thing.size])
        half = cover.shape[0] // 2
        top, left = _middle(thing.row) + down - half, _middle(thing.column) + right - half
        patch = picture[top : top + 2 * half, left : left + 2 * half]
        patch += cover[:, :, None] * (np.array(PAINT[thing.colour], dtype=np.float64) - patch)
    return np.rint(picture).astype(np.uint8)


def _middle(place: int) -> int:
    """The middle of the first, second or third place, in pixels."""
    return (2 * place + 1) * SIDE // 6


@lru_cache(maxsize=32)
def _cover(shape: str, radius: int) -> npt.NDArray[np.float64]:
    """The share of each pixel of a square of side 2 · radius that the shape covers."""
    steps = (np.arange(2 * radius * _FINE) + 0.5) / _FINE - radius
    y, x = steps[:, None] / radius, steps[None, :] / radius
    if shape == "circle":
        inside = x * x + y * y <= 1
    elif shape == "square":
        inside = (abs(x) <= 0.85) & (abs(y) <= 0.85)
    elif shape == "triangle":
        inside = (abs(x) <= (y + 0.95) / 1.9) & (abs(y) <= 0.95)
    else:
        inside = ((abs(x) <= 0.33) | (abs(y) <= 0.33)) & (abs(x) <= 0.95) & (abs(y) <= 0.95)
    side = 2 * radius
    covered: npt.NDArray[np.float64] = inside.reshape(side, _FINE, side, _FINE).mean(axis=(1, 3))
    return covered


def box(thing: Thing, shift: tuple[int, int]) -> tuple[int, int, int, int]:
    """The rows and columns that a thing lies in: top, left, bottom, right, ends excluded."""
    radius = RADIUS[thing.size]
    y, x = _middle(thing.row) + shift[0], _middle(thing.column) + shift[1]
    return y - radius, x - radius, y + radius, x + radius
