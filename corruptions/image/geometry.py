"""Where things are: turns, shifts, projections. What comes from outside is the nearest edge pixel.

Edges repeat rather than mirror: a mirrored border shows things twice, and changes what a picture contains.
Directions are drawn once per sample, so that a higher severity goes further the same way.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number
from corruptions.image.sampling import bilinear

__all__ = ["KERNELS"]

Picture = NDArray[np.uint8]

_CELLS = 5
_LEAST = 0.3


def _affine(image: Picture, a: float, b: float, c: float, d: float) -> Picture:
    """Shows at (x, y) from the middle what was at (a x + b y, c x + d y) from the middle."""
    height, width = image.shape[:2]
    x = np.arange(width)[None, :] - (width - 1) / 2
    y = np.arange(height)[:, None] - (height - 1) / 2
    return bilinear(image, a * x + (b * y + (width - 1) / 2), c * x + (d * y + (height - 1) / 2))


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def rotate(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Turned by `value` degrees about the middle, to either side; edges repeat."""
    angle = math.radians(_sign(rng) * number(value))
    cosine, sine = math.cos(angle), math.sin(angle)
    return _affine(image, cosine, -sine, sine, cosine)


def shear(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Columns or rows slide by `value` of their distance from the middle; edges repeat."""
    slope = _sign(rng) * number(value)
    if rng.random() < 0.5:
        return _affine(image, 1.0, slope, 0.0, 1.0)
    return _affine(image, 1.0, 0.0, slope, 1.0)


def scale(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Enlarged or reduced `value` times about the middle; around the reduced picture edges repeat."""
    factor = 1 / number(value) if rng.random() < 0.5 else number(value)
    return _affine(image, factor, 0.0, 0.0, factor)


def translate(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Moved by `value` of the sides in any direction, by whole pixels; edges repeat."""
    height, width = image.shape[:2]
    angle = math.tau * rng.random()
    right = round(number(value) * width * math.cos(angle))
    down = round(number(value) * height * math.sin(angle))
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    moved: Picture = image.take(rows, axis=0).take(columns, axis=1)
    return moved


def perspective(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Seen at an angle: the four corners come from places up to `value` of the sides away; edges repeat.

    Each coordinate of each corner moves by 0.3 to 1 of the limit, either way. Up to a quarter of the
    sides the four places always span a convex figure. The projection is Heckbert's (Fundamentals of
    Texture Mapping and Image Warping, 1989), square to quadrilateral.
    """
    height, width = image.shape[:2]
    draws = rng.random((2, 4, 2))
    moves = np.where(draws[0] < 0.5, -1, 1) * (_LEAST + (1 - _LEAST) * draws[1]) * number(value)
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = (
        np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]) + moves
    ).tolist()
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    area = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area
    u = ((np.arange(width) + 0.5) / width)[None, :]
    v = ((np.arange(height) + 0.5) / height)[:, None]
    depth = g * u + (h * v + 1)
    x = ((x1 - x0 + g * x1) * u + ((x3 - x0 + h * x3) * v + x0)) / depth
    y = ((y1 - y0 + g * y1) * u + ((y3 - y0 + h * y3) * v + y0)) / depth
    return bilinear(image, x * width - 0.5, y * height - 0.5)


def flip_h(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Left and right exchanged, at every severity."""
    flipped: Picture = image[:, ::-1].copy()
    return flipped


def flip_v(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Top and bottom exchanged, at every severity."""
    flipped: Picture = image[::-1].copy()
    return flipped


def grid_distortion(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """The knots of a grid of 5 x 5 move by up to `value` of a cell in x and y; edges repeat.

    Between the knots movement is bilinear; under half a cell nothing folds over.
    """
    height, width = image.shape[:2]
    moves = (rng.random((2, _CELLS + 1, _CELLS + 1)) * 2 - 1) * number(value)
    column, across = _knots(width)
    row, down = _knots(height)
    places = []
    for move, size in zip(moves, (width, height), strict=True):
        at_row = move[row] + (move[row + 1] - move[row]) * down[:, None]
        left = at_row[:, column]
        field = at_row[:, column + 1]
        field -= left
        field *= across
        field += left
        field *= size / _CELLS
        places.append(field)
    places[0] += np.arange(width)
    places[1] += np.arange(height)[:, None]
    return bilinear(image, *places)


def _knots(size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For every pixel of a side: the knot before it, and the share of a cell from there."""
    at = (np.arange(size) + 0.5) * _CELLS / size
    before = at.astype(np.int64)
    return before, at - before


def partial_crop(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """A window of `value` of each side, enlarged to the whole; a smaller one lies within a larger."""
    height, width = image.shape[:2]
    share = number(value)
    down, right = ((1 - share) * rng.random(2)).tolist()
    x = (right * width - 0.5) + (np.arange(width) + 0.5) * share
    y = (down * height - 0.5) + (np.arange(height) + 0.5) * share
    # The window's outermost half pixels stay inside it.
    np.clip(x, right * width, max(right * width, (right + share) * width - 1), out=x)
    np.clip(y, down * height, max(down * height, (down + share) * height - 1), out=y)
    return bilinear(image, x[None, :], y[:, None])


KERNELS = {
    "rotate": rotate,
    "shear": shear,
    "scale": scale,
    "translate": translate,
    "perspective": perspective,
    "flip_h": flip_h,
    "flip_v": flip_v,
    "grid_distortion": grid_distortion,
    "partial_crop": partial_crop,
}
