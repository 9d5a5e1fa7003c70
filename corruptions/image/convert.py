"""From any Pillow picture to the array that the corruptions take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corruptions.errors import InvalidInputError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["as_rgb"]


def as_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """A Pillow picture as uint8 RGB of shape (H, W, 3), upright and opaque.

    EXIF orientation is applied, palettes and other colour modes are converted, transparency is
    composited on white, 16-bit greys are scaled to 8 bits (v / 257, rounded). The picture is not changed.
    InvalidInputError for floating-point pictures, whose range is unknown, and for anything else that is
    no Pillow picture.
    """
    from PIL import Image, ImageOps

    if not isinstance(picture, Image.Image):
        raise InvalidInputError(
            f"as_rgb takes a PIL image, got {type(picture).__name__}; open it with PIL.Image"
        )
    if picture.mode == "F":
        raise InvalidInputError(
            "a floating-point picture (mode F) has no known range; scale it to 8 bits first"
        )
    upright = ImageOps.exif_transpose(picture)
    if upright.mode == "I" or upright.mode.startswith("I;16"):
        wide = np.clip(np.asarray(upright).astype(np.float64), 0, 65535)
        grey = np.rint(wide / 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        opaque = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(opaque, layer)
    return np.array(upright.convert("RGB"))
