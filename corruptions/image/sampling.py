"""Reading a picture between its pixels, in whole numbers: the same bytes on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bilinear"]

# Places are rounded to 1/64 pixel. The three channels travel in one 64-bit number, 21 bits each, which
# holds 255 * 64 * 64: one gather and one multiplication do for all three.
_BITS = 6
_STEPS = 1 << _BITS
_LANE = 21
_HALF = 1 << (2 * _BITS - 1)
_BLOCK = 1 << 15


def bilinear(image: NDArray[np.uint8], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The picture (H x W x C, C at most 3) at columns `x` and rows `y`, in pixels, 0 the first one's centre.

    `x` and `y` are broadcast to the shape of the result. Places outside take the nearest edge pixel.
    """
    height, width, channels = image.shape
    packed = np.zeros((height + 1, width + 1), np.int64)
    for channel in range(channels):
        packed[:-1, :-1] |= image[..., channel].astype(np.int64) << (_LANE * channel)
    # A copy of the last row and column: the right and lower neighbours always exist.
    packed[-1] = packed[-2]
    packed[:, -1] = packed[:, -2]
    flat, stride = packed.reshape(-1), width + 1
    rows, columns = np.broadcast_shapes(x.shape, y.shape)
    x, y = np.broadcast_to(x, (rows, columns)), np.broadcast_to(y, (rows, columns))
    out = np.empty((rows, columns, channels), np.uint8)
    offset = sum(_HALF << (_LANE * channel) for channel in range(channels))
    step = max(1, _BLOCK // columns)
    for start in range(0, rows, step):
        part = slice(start, start + step)
        left, right = _split(x[part], width)
        above, below = _split(y[part], height)
        index = above * stride + left
        # The differences may borrow from lane to lane; the sums repay it, and only they are split.
        top = flat.take(index)
        index += 1
        top = (top << _BITS) + (flat.take(index) - top) * right
        index += stride
        second = flat.take(index)
        index -= 1
        bottom = flat.take(index)
        bottom = (bottom << _BITS) + (second - bottom) * right
        bottom -= top
        bottom *= below
        bottom += (top << _BITS) + offset
        for channel in range(channels):
            out[part, :, channel] = (bottom >> (_LANE * channel + 2 * _BITS)) & 255
    return out


def _split(places: NDArray[np.float64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The whole and the fractional part of places, the second in 64ths, after moving them inside."""
    scaled = places * _STEPS
    scaled += 0.5
    np.clip(scaled, 0, (size - 1) * _STEPS, out=scaled)
    fixed = scaled.astype(np.int64)
    return fixed >> _BITS, fixed & (_STEPS - 1)
