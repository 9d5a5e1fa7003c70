"""Fixtures of the corruption engine's tests."""

from __future__ import annotations

import numpy as np
import pytest
from corruption_inputs import make_gradient, make_picture
from numpy.typing import NDArray


@pytest.fixture(scope="session")
def picture() -> NDArray[np.uint8]:
    image = make_picture()
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def gradient() -> NDArray[np.uint8]:
    image = make_gradient()
    image.setflags(write=False)
    return image
