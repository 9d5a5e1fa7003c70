"""Losses of digital processing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corruptions.entry import Value, number
from corruptions.errors import InvalidInputError

__all__ = ["contrast", "jpeg_compression", "pixelate"]

# What libjpeg holds.
_JPEG_SIDE = 65500

# Pixels whose planes a processor's cache holds.
_BLOCK = 1 << 15

_GREYS = np.arange(256)[:, None] / 255.0


def jpeg_compression(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Written as baseline JPEG of quality `value` with 4:2:0 chroma, and read again.

    OpenCV and Pillow bring the same library, libjpeg-turbo, to the same bytes; OpenCV does so faster.
    InvalidInputError for a side of more than 65,500 pixels, which libjpeg does not write.
    """
    if max(image.shape[:2]) > _JPEG_SIDE:
        raise InvalidInputError(
            f"JPEG holds at most {_JPEG_SIDE} pixels a side, got {image.shape[1]} x {image.shape[0]}; "
            "reduce the picture or leave jpeg_compression out"
        )
    quality = (cv2.IMWRITE_JPEG_QUALITY, int(number(value)))
    _, file = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    pixels = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def contrast(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(x - mean) * value + mean in every channel, with the channel's mean over the picture."""
    height, width = image.shape[:2]
    # Sums of whole numbers, exact in 64-bit floats.
    mean = np.array(cv2.sumElems(image)[:3]) / (height * width * 255.0)
    table = (np.clip((_GREYS - mean) * number(value) + mean, 0, 1) * 255).astype(np.uint8)
    tables = [np.ascontiguousarray(table[:, channel]) for channel in range(3)]
    out = np.empty_like(image)
    pixels, mapped = image.reshape(-1, 1, 3), out.reshape(-1, 1, 3)
    for start in range(0, len(pixels), _BLOCK):
        # OpenCV looks up a plane at a time faster than three side by side.
        planes = cv2.split(pixels[start : start + _BLOCK])
        for plane, levels in zip(planes, tables, strict=True):
            cv2.LUT(plane, levels, dst=plane)
        cv2.merge(planes, dst=mapped[start : start + _BLOCK])
    return out


def pixelate(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Reduced to `value` of each side by box averages, enlarged by nearest neighbour.

    Block edges fall on the picture's own edges or beside them, so on a single small picture a step of
    the published tables may distort slightly less than the one before; the mean over pictures grows.
    """
    height, width = image.shape[:2]
    share = number(value)
    small = (max(1, int(width * share)), max(1, int(height * share)))
    reduced = np.asarray(Image.fromarray(image).resize(small, Image.Resampling.BOX))
    enlarged = cv2.resize(reduced, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(enlarged, np.uint8)
