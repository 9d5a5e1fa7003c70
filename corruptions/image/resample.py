"""Fewer pixels, and back to as many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corruptions.entry import Value, number

__all__ = ["KERNELS"]

Picture = NDArray[np.uint8]


def _smaller(image: Picture, factor: float) -> tuple[int, int]:
    """The reduced height and width, at least 1."""
    height, width = image.shape[:2]
    return max(1, round(height / factor)), max(1, round(width / factor))


def _back(image: Picture, factor: float, filtering: Image.Resampling) -> Picture:
    """Averaged down by `factor` (box), enlarged with a filter."""
    height, width = image.shape[:2]
    rows, columns = _smaller(image, factor)
    reduced = Image.fromarray(image).resize((columns, rows), Image.Resampling.BOX)
    return np.array(reduced.resize((width, height), filtering))


def upsample_nearest(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Averaged down by `value`, enlarged by nearest neighbour: pixelate with a factor as its parameter."""
    return _back(image, number(value), Image.Resampling.NEAREST)


def upsample_bilinear(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Averaged down by `value`, enlarged bilinearly."""
    return _back(image, number(value), Image.Resampling.BILINEAR)


def upsample_bicubic(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Averaged down by `value`, enlarged bicubically (a = -0.5)."""
    return _back(image, number(value), Image.Resampling.BICUBIC)


def downsample(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """One pixel in `value` of each side is kept, without averaging, and repeated over its place."""
    height, width = image.shape[:2]
    rows, columns = (
        _kept(size, small)
        for size, small in zip((height, width), _smaller(image, number(value)), strict=True)
    )
    out: Picture = image.take(rows, axis=0).take(columns, axis=1)
    return out


def _kept(size: int, small: int) -> NDArray[np.int64]:
    """For every place along a side: the middle of the one of `small` equal parts that it lies in."""
    part = np.arange(size, dtype=np.int64) * small // size
    return (2 * part + 1) * size // (2 * small)


KERNELS = {
    "downsample": downsample,
    "upsample_nearest": upsample_nearest,
    "upsample_bilinear": upsample_bilinear,
    "upsample_bicubic": upsample_bicubic,
}
