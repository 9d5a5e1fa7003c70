"""From any Pillow picture to the array that the corruptions take."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corruptions.errors import InvalidInputError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["as_rgb"]

_ORIENTATION = 0x0112


def as_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """A Pillow picture as uint8 RGB of shape (H, W, 3), upright and opaque.

    EXIF orientation is applied, unless the EXIF data cannot be read. Palettes and other colour modes are
    converted, transparency is composited on white, 16-bit greys are scaled to 8 bits (v / 257, rounded).
    The picture is not changed.
    InvalidInputError for floating-point pictures, whose range is unknown, and for anything else that is
    no Pillow picture.
    """
    from PIL import Image

    if not isinstance(picture, Image.Image):
        raise InvalidInputError(
            f"as_rgb takes a PIL image, got {type(picture).__name__}; open it with PIL.Image"
        )
    if picture.mode == "F":
        raise InvalidInputError(
            "a floating-point picture (mode F) has no known range; scale it to 8 bits first"
        )
    upright = _upright(picture)
    if upright.mode == "I" or upright.mode.startswith("I;16"):
        wide = np.clip(np.asarray(upright).astype(np.float64), 0, 65535)
        grey = np.rint(wide / 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if upright.mode == "La":
        # Pillow takes the alpha out of premultiplied greys in this one direction only.
        upright = upright.convert("LA")
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        opaque = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(opaque, layer)
    return np.array(upright.convert("RGB"))


def _upright(picture: Image.Image) -> Image.Image:
    from PIL import Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    # Loading a TIFF turns it, and takes the orientation out of its EXIF data.
    picture.load()
    try:
        # Not exif_transpose, which writes the EXIF data anew and fails where any of it is malformed.
        turn = turns.get(picture.getexif().get(_ORIENTATION, 1))
    except (EOFError, KeyError, SyntaxError, TypeError, ValueError, struct.error):
        turn = None
    return picture if turn is None else picture.transpose(turn)
