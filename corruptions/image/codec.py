"""Losses of storage besides JPEG's."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from corruptions.entry import Value, number
from corruptions.errors import InvalidInputError

__all__ = ["KERNELS"]

Picture = NDArray[np.uint8]

_WEBP_SIDE = 16383


def webp_compression(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Written as lossy WebP of quality `value` (method 4) and read again.

    InvalidInputError for a side of more than 16,383 pixels, which the format does not have, and where
    Pillow was built without WebP.
    """
    if max(image.shape[:2]) > _WEBP_SIDE:
        raise InvalidInputError(
            f"WebP holds at most {_WEBP_SIDE} pixels a side, got {image.shape[1]} x {image.shape[0]}; "
            "reduce the picture or leave webp_compression out"
        )
    if not features.check("webp"):
        raise InvalidInputError("this Pillow was built without WebP; install a wheel of Pillow from PyPI")
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=int(number(value)), method=4)
    return np.array(Image.open(buffer, formats=("WEBP",)).convert("RGB"))


def quantise(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """At most `value` colours, found by median cut, without dithering: as in a GIF."""
    picture = Image.fromarray(image)
    few = picture.quantize(int(number(value)), method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return np.array(few.convert("RGB"))


KERNELS = {
    "webp_compression": webp_compression,
    "quantise": quantise,
}
