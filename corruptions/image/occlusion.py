"""Things in front of the scene."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number

__all__ = ["occlusion"]

_BATCH = 32
_AREA = (0.02, 0.08)
_ASPECT = 2.0


def occlusion(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Covers `value` of the area (at least one pixel) with rectangles of random pixels at random places.

    Random pixels are the filling that Zhong et al. (1708.04896) found best, and they pass for nothing:
    a plain grey rectangle is one more object where a picture is of plain shapes, and changes the answers.

    One sequence of rectangles, each of 2 to 8 % of the area and with sides in a ratio of at most 2, is
    laid until the share is reached; of the last only as many rows as it takes. With the same generator
    a higher share therefore covers all that a lower one covers.
    """
    height, width = image.shape[:2]
    filling = rng.integers(0, 256, size=image.shape, dtype=np.uint8)
    covered = np.zeros((height, width), np.bool_)
    missing = max(1, round(number(value) * height * width))
    while missing > 0:
        # Batches of fixed size: how many numbers are drawn before a rectangle never depends on the share.
        for area, aspect, top, left in rng.random((_BATCH, 4)).tolist():
            side = math.sqrt((_AREA[0] + (_AREA[1] - _AREA[0]) * area) * height * width)
            stretch = _ASPECT ** (aspect - 0.5)
            tall = min(height, max(1, round(side * stretch)))
            wide = min(width, max(1, round(side / stretch)))
            y = int(top * (height - tall + 1))
            x = int(left * (width - wide + 1))
            patch = covered[y : y + tall, x : x + wide]
            free = patch.size - int(np.count_nonzero(patch))
            if free >= missing:
                per_row = np.cumsum(wide - np.count_nonzero(patch, axis=1))
                patch[: int(np.searchsorted(per_row, missing)) + 1] = True
                missing = 0
                break
            patch[...] = True
            missing -= free
    out: NDArray[np.uint8] = image.copy()
    out[covered] = filling[covered]
    return out
