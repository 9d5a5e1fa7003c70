"""Tone and colour, value by value: exposure, steps, mixing of the channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number

__all__ = ["KERNELS"]

Picture = NDArray[np.uint8]
Matrix = NDArray[np.float64]

# A display's exponent: linear light is v ** 2.2 for v in 0-1.
_DISPLAY = 2.2

# Red's, green's and blue's share of brightness, ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)

# Noise of the camera after the light is gone, variance = gain * v + floor ** 2 for v in 0-1.
_GAIN, _FLOOR = 0.002, 0.012

_JITTER_HUE = 90.0
_LEAST = 0.5


def _table(function: Callable[[float], float]) -> NDArray[np.uint8]:
    """A function of 0-1 as a table of the 256 greys, rounded."""
    return np.array([round(255 * min(1.0, max(0.0, function(v / 255)))) for v in range(256)], np.uint8)


def _apply(image: Picture, table: NDArray[np.uint8]) -> Picture:
    out: Picture = table.take(image)
    return out


def posterise(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Only the `value` highest bits of every channel value stay, the others become 0, as in AutoAugment."""
    out: Picture = image & np.uint8(256 - (1 << (8 - int(number(value)))))
    return out


def solarise(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Channel values of `value` and above are inverted."""
    grey = np.arange(256, dtype=np.uint8)
    return _apply(image, np.where(grey >= number(value), 255 - grey, grey).astype(np.uint8))


def invert(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """x (1 - value) + (255 - x) value in every channel."""
    return _apply(image, _inverted(number(value)))


@lru_cache(maxsize=16)
def _inverted(share: float) -> NDArray[np.uint8]:
    return _table(lambda v: v * (1 - share) + (1 - v) * share)


def gamma(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """x ** value or x ** (1 / value), x in 0-1: darker or lighter, drawn once per sample."""
    return _apply(image, _power(number(value) if rng.random() < 0.5 else 1 / number(value)))


@lru_cache(maxsize=16)
def _power(exponent: float) -> NDArray[np.uint8]:
    return _table(lambda v: math.pow(v, exponent))


def low_light(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """`value` of the light is left, and the camera's noise, which does not get less with it.

    Light is linear (exponent 2.2); the noise is normal with a variance of 0.002 v + 0.012^2, v in 0-1.
    """
    dark, spread = _darkened(number(value))
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= spread.take(image)
    noisy += dark.take(image)
    np.clip(noisy, 0, 255, out=noisy)
    return np.rint(noisy, out=noisy).astype(np.uint8)


@lru_cache(maxsize=16)
def _darkened(share: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    level = math.pow(share, 1 / _DISPLAY)
    dark = [level * v / 255 for v in range(256)]
    spread = [255 * math.sqrt(_GAIN * v + _FLOOR**2) for v in dark]
    return 255 * np.array(dark, np.float32), np.array(spread, np.float32)


def overexposure(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """`value` stops more light (exponent 2.2); what is over full scale is white."""
    return _apply(image, _exposed(number(value)))


@lru_cache(maxsize=16)
def _exposed(stops: float) -> NDArray[np.uint8]:
    level = math.pow(2.0, stops / _DISPLAY)
    return _table(lambda v: level * v)


def _mix(image: Picture, matrix: Matrix, offset: float = 0.0) -> Picture:
    """Every output channel a weighted sum of the three, plus an offset in grey levels; rounded, clipped."""
    planes = [image[..., channel].astype(np.float32) for channel in range(3)]
    out = np.empty_like(image)
    for channel, weights in enumerate(matrix.astype(np.float32)):
        mixed = planes[0] * weights[0]
        for plane, weight in zip(planes[1:], weights[1:], strict=True):
            mixed += plane * weight
        mixed += np.float32(offset + 0.5)
        np.clip(mixed, 0, 255, out=mixed)
        out[..., channel] = mixed
    return out


def _saturation(factor: float) -> Matrix:
    """Colour times `factor`, brightness as it is."""
    return factor * np.eye(3) + (1 - factor) * np.array([_LUMA] * 3)


def _hue(degrees: float) -> Matrix:
    """The hue rotation of SVG's feColorMatrix: colour turns about the grey axis, brightness stays."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    grey = np.array([[0.213, 0.715, 0.072]] * 3)
    turn = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    rotation: Matrix = grey + cosine * (np.eye(3) - grey) + sine * turn
    return rotation


def grayscale(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """`value` of the colour is taken away: a mixture with the grey picture (BT.601)."""
    return _mix(image, _saturation(1 - number(value)))


def hue_shift(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Hues turn by `value` degrees, either way, drawn once per sample."""
    return _mix(image, _hue(number(value) if rng.random() < 0.5 else -number(value)))


def colour_jitter(image: Picture, value: Value, rng: np.random.Generator) -> Picture:
    """Brightness, contrast, saturation and hue, in this order, each up to `value` up or down.

    Each moves by 0.5 to 1 of the limit, drawn once per sample; a limit of 1 is 90 degrees of hue. Values
    are clipped once, at the end.
    """
    signs, sizes = rng.random((2, 4))
    moves = np.where(signs < 0.5, -1, 1) * (_LEAST + (1 - _LEAST) * sizes) * number(value)
    bright, contrast, colour, hue = moves.tolist()
    rows = image.sum(axis=(0, 1), dtype=np.uint64).tolist()
    mean = sum(w * total for w, total in zip(_LUMA, rows, strict=True)) * 3 / image.size
    matrices = [_saturation(1 + colour), _hue(_JITTER_HUE * hue)]
    # Entry by entry: a linear-algebra library may sum in another order on another machine.
    mixed = (matrices[1][:, :, None] * matrices[0][None, :, :]).sum(axis=1)
    # Contrast about the mean grey adds the same to all channels, which the matrices leave as it is.
    return _mix(image, mixed * ((1 + bright) * (1 + contrast)), -contrast * mean * (1 + bright))


KERNELS = {
    "colour_jitter": colour_jitter,
    "hue_shift": hue_shift,
    "grayscale": grayscale,
    "invert": invert,
    "solarise": solarise,
    "posterise": posterise,
    "gamma": gamma,
    "low_light": low_light,
    "overexposure": overexposure,
}
