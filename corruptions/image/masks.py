"""Regular masks, with the fillings that their definitions have.

A higher severity hides all that a lower one does. Unlike `occlusion`, whose random pixels pass for nothing,
a plain square may pass for an object where pictures are of plain shapes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number

__all__ = ["KERNELS"]

Picture = NDArray[np.uint8]

_PERIOD = (0.15, 0.30)
_PATCHES = 8


def _mean_colour(image: Picture) -> NDArray[np.uint8]:
    """The picture's mean, channel by channel, rounded."""
    total = image.sum(axis=(0, 1), dtype=np.uint64)
    mean: NDArray[np.uint8] = np.rint(total * 3 / image.size).astype(np.uint8)
    return mean


def grid_mask(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Black squares in a regular grid cover `value` of the area, as in GridMask.

    The period is 15 to 30 % of the shorter side, at least 2 pixels; it and the offset are drawn once, and
    the squares grow about their middles.
    """
    height, width = image.shape[:2]
    period, down, right = rng.random(3).tolist()
    unit = max(2.0, (_PERIOD[0] + (_PERIOD[1] - _PERIOD[0]) * period) * min(height, width))
    half = math.sqrt(number(value)) / 2
    rows = abs((np.arange(height) / unit + down) % 1 - 0.5) < half
    columns = abs((np.arange(width) / unit + right) % 1 - 0.5) < half
    out: Picture = image.copy()
    out[np.logical_and.outer(rows, columns)] = 0
    return out


def cutout_centre(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """The middle, `value` of the area and of the picture's proportions, becomes the picture's mean colour."""
    height, width = image.shape[:2]
    share = math.sqrt(number(value))
    out: Picture = image.copy()
    out[_middle(height, share), _middle(width, share)] = _mean_colour(image)
    return out


def _middle(size: int, share: float) -> slice:
    # As many pixels before as after, so that a larger middle holds every smaller one.
    margin = min((size - 1) // 2, round(size * (1 - share) / 2))
    return slice(margin, size - margin)


def hide_patches(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """`value` of the 8 x 8 patches, at least one, become the picture's mean colour; one order for all."""
    height, width = image.shape[:2]
    rows, columns = min(_PATCHES, height), min(_PATCHES, width)
    order = np.argsort(rng.random(rows * columns), kind="stable")
    hidden = np.zeros(rows * columns, np.bool_)
    hidden[order[: max(1, round(number(value) * rows * columns))]] = True
    row = np.arange(height) * rows // height
    column = np.arange(width) * columns // width
    out: Picture = image.copy()
    out[hidden.reshape(rows, columns)[row][:, column]] = _mean_colour(image)
    return out


KERNELS = {
    "grid_mask": grid_mask,
    "cutout_centre": cutout_centre,
    "hide_patches": hide_patches,
}
