"""Corrupt many images in one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from corruptions.apply import image_view
from corruptions.catalogue import get
from corruptions.errors import InvalidInputError
from corruptions.validation import check_kind, check_severity

__all__ = ["corrupt_images"]

Image = NDArray[np.uint8]

# Pixels from which on an image is mostly arithmetic, during which Python lets other threads run. Below
# that threads wait for each other, and putting images together saves nothing either: a call is cheap.
_WORTH_A_THREAD = 200 * 200


def corrupt_images(
    images: Sequence[Image] | Image,
    name: str,
    severity: int,
    *,
    seed: int,
    units: Sequence[str],
    profile: str | None = None,
    threads: int | None = None,
) -> list[Image]:
    """`image_view` of every image, in order, each with the generator of its own unit.

    `images` are uint8 (H, W, 3), of one size or of several, or one array (N, H, W, 3); `units` names
    each of them. The pixels are those of N calls, whatever `threads` is. None takes a thread per
    processor for images from about 200 x 200, where it pays, and one otherwise.
    Raises as `image_view` does, and InvalidInputError where the numbers of images and units differ.
    """
    check_kind(get(name), "image")
    level = check_severity(severity)
    if isinstance(units, str):
        raise InvalidInputError(f"units must be a list of strings, got {units!r}; name each image once")
    for given, what in ((images, "images"), (units, "units")):
        if not hasattr(given, "__len__"):
            raise InvalidInputError(
                f"{what} must be a list, got {type(given).__name__}; pass list(...) of it"
            )
    if len(images) != len(units):
        raise InvalidInputError(f"{len(images)} images, but {len(units)} units; name each image once")
    if threads is None:
        # What is no picture is told of by `image_view`.
        pixels = [image.shape[0] * image.shape[1] for image in images if getattr(image, "ndim", 0) == 3]
        large = bool(pixels) and sum(pixels) / len(pixels) >= _WORTH_A_THREAD
        threads = _processors() if large else 1
    elif isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InvalidInputError(
            f"threads must be a whole number from 1, got {threads!r}; leave it out to choose"
        )

    def view(image: Image, unit: str) -> Image:
        return image_view(image, name, level, seed=seed, unit=unit, profile=profile)

    threads = min(threads, len(images))
    if threads < 2:
        return [view(image, unit) for image, unit in zip(images, units, strict=True)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(view, images, units))


def _processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
