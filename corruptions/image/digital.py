"""Losses of digital processing."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corruptions.entry import Value, number
from corruptions.errors import InvalidInputError

__all__ = ["contrast", "jpeg_compression", "pixelate"]

# What libjpeg holds.
_JPEG_SIDE = 65500

_GREYS = np.arange(256)[:, None] / 255.0


def jpeg_compression(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Written as baseline JPEG of quality `value` (4:2:0 chroma, Pillow's defaults) and read again.

    InvalidInputError for a side of more than 65,500 pixels, which libjpeg does not write.
    """
    if max(image.shape[:2]) > _JPEG_SIDE:
        raise InvalidInputError(
            f"JPEG holds at most {_JPEG_SIDE} pixels a side, got {image.shape[1]} x {image.shape[0]}; "
            "reduce the picture or leave jpeg_compression out"
        )
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(number(value)))
    return np.array(Image.open(buffer, formats=("JPEG",)))


def contrast(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(x - mean) * value + mean in every channel, with the channel's mean over the picture."""
    height, width, channels = image.shape
    rows = image.reshape(height, width * channels).sum(axis=0, dtype=np.uint64)
    mean = rows.reshape(width, channels).sum(axis=0) / (height * width * 255.0)
    table = (np.clip((_GREYS - mean) * number(value) + mean, 0, 1) * 255).astype(np.uint8)
    out = np.empty_like(image)
    for channel in range(channels):
        out[..., channel] = table[:, channel].take(image[..., channel])
    return out


def pixelate(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Reduced to `value` of each side by box averages, enlarged by nearest neighbour.

    Block edges fall on the picture's own edges or beside them, so on a single small picture a step of
    the published tables may distort slightly less than the one before; the mean over pictures grows.
    """
    height, width = image.shape[:2]
    share = number(value)
    small = (max(1, int(width * share)), max(1, int(height * share)))
    reduced = Image.fromarray(image).resize(small, Image.Resampling.BOX)
    return np.array(reduced.resize((width, height), Image.Resampling.NEAREST))
