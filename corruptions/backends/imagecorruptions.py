"""imagecorruptions-imaug: the nineteen corruptions of ImageNet-C by the package that published them.

Severities are the package's own, for pictures of 224 px. `frost` lays the package's photographs over the
picture. Where `spatter` finds no drop, which happens on the smallest pictures, the package divides by zero
and returns a black picture; so does this.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corruptions.backends.state import apart, seeded
from corruptions.errors import BackendError, InvalidInputError

__all__ = ["SMALLEST", "corrupt"]

SMALLEST = 32
"""Pixels that the shorter side must have."""


def corrupt(
    image: NDArray[np.uint8], name: str, severity: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The package's picture; everything that it draws comes from `rng`."""
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST:
        raise InvalidInputError(
            f"backend 'imagecorruptions' takes pictures from {SMALLEST} x {SMALLEST} pixels, got "
            f"{width} x {height}; enlarge it, or use backend 'native'"
        )
    with seeded(rng) as seed:
        try:
            kernel = getattr(import_module("imagecorruptions.corruptions"), name)
            run = partial(kernel, Image.fromarray(image), severity)
            with np.errstate(divide="ignore", invalid="ignore"):
                # Two of them do not draw from NumPy's global generator.
                if name == "impulse_noise":
                    found = run(seed=rng)
                elif name == "glass_blur":
                    found = apart(partial(run, seed=seed))
                else:
                    found = run()
        except Exception as error:
            raise BackendError("imagecorruptions", name, f"{type(error).__name__}: {error}") from error
    drawn: NDArray[np.uint8] = np.nan_to_num(np.asarray(found)).astype(np.uint8)
    return drawn
