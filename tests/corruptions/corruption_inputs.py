"""Pictures and texts shared by the tests of the corruption engine."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def make_picture() -> NDArray[np.uint8]:
    """A 64 x 64 picture with a slope, shapes and a little texture."""
    y, x = np.mgrid[0:64, 0:64]
    image = np.stack([90 + x // 2, 160 - y // 2, 110 + (x + y) // 3], axis=2).astype(np.int64)
    image[8:28, 6:24] = (220, 30, 40)
    image[(y - 40) ** 2 + (x - 42) ** 2 <= 144] = (30, 60, 230)
    image[(y > 36) & (x < 30) & (x > y - 34)] = (250, 220, 40)
    image += np.random.default_rng(7).integers(-6, 7, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def make_gradient() -> NDArray[np.uint8]:
    """A gradient 100 high and 37 wide that reaches black and white."""
    y, x = np.mgrid[0:100, 0:37]
    return np.stack([y * 255 // 99, x * 255 // 36, (y + x) * 255 // 135], axis=2).astype(np.uint8)


def digest(image: NDArray[np.uint8]) -> str:
    return hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest()


QUESTIONS = (
    "Is there a small red circle to the left of the large blue square in the image?",
    "what color is the shape?",
    "Which animals can be seen behind the wooden fence, and are they looking at the camera?",
    "<image>\nUSER: Don't you see 3.5 cats,  or (a) dogs?\n(b) None of them ASSISTANT:",
    "What shape does the picture contain?",
    "Does the image show a triangle?",
)
