"""Checks of what callers pass in."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import SEVERITIES, Corruption, Kind
from corruptions.errors import InvalidInputError

__all__ = ["check_image", "check_kind", "check_severity", "check_text"]

_INSTEAD: dict[Kind, str] = {
    "image": "corrupt_image or image_view",
    "text": "corrupt_text or text_view",
    "modality": "is_hit",
}


def check_severity(severity: int) -> int:
    """The severity as a plain int in 1-5, else InvalidInputError."""
    try:
        number = 0 if isinstance(severity, bool) else operator.index(severity)
    except TypeError:
        number = 0
    if number not in SEVERITIES:
        raise InvalidInputError(
            f"severity must be a whole number from 1 to 5, got {severity!r}; 0 is the clean sample itself"
        )
    return number


def check_kind(entry: Corruption, kind: Kind) -> None:
    """InvalidInputError unless the corruption is of this kind."""
    if entry.kind != kind:
        raise InvalidInputError(
            f"{entry.name} is of kind {entry.kind!r}, not {kind!r}; use {_INSTEAD[entry.kind]}"
        )


def check_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image as a contiguous array, else InvalidInputError unless it is uint8, H x W x 3, H and W >= 1."""
    array: object = image
    if not isinstance(array, np.ndarray):
        raise InvalidInputError(
            f"image must be a NumPy array, got {type(array).__name__}; convert a picture with as_rgb"
        )
    if array.dtype != np.uint8:
        raise InvalidInputError(f"image must be uint8 in 0-255, got {array.dtype}; scale and cast it first")
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 4)):
        raise InvalidInputError(
            f"image must be RGB (H, W, 3), got {array.shape}; convert it, for example with as_rgb"
        )
    if array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise InvalidInputError(
            f"image must have shape (H, W, 3) and be non-empty, got {array.shape}; pass one RGB picture"
        )
    return np.ascontiguousarray(image)


def check_text(text: str) -> str:
    """The text itself, else InvalidInputError unless it is a str."""
    if not isinstance(text, str):
        raise InvalidInputError(f"text must be a str, got {type(text).__name__}; decode or join it first")
    return text
