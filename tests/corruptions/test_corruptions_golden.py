"""The same input, seed and unit give the same output as ever."""

from __future__ import annotations

import json

import numpy as np
import pytest
from corruption_golden import CALIBRATED, EXACT, PATH, image_golden, text_golden
from numpy.typing import NDArray

from corruptions import get, names

GOLDEN = json.loads(PATH.read_text(encoding="utf-8"))


def test_golden_covers_the_catalogue() -> None:
    assert set(GOLDEN) == set(names("image")) | set(names("text"))
    assert {name: get(name).version for name in GOLDEN} == {n: g["version"] for n, g in GOLDEN.items()}


@pytest.mark.parametrize("name", EXACT)
def test_exact_pixels(name: str, picture: NDArray[np.uint8], gradient: NDArray[np.uint8]) -> None:
    assert image_golden(name, picture, "picture") == GOLDEN[name]["picture"]
    assert image_golden(name, gradient, "gradient") == GOLDEN[name]["gradient"]
    for profile in set(CALIBRATED) & set(get(name).parameters):
        assert image_golden(name, picture, "picture", profile) == GOLDEN[name][profile]


@pytest.mark.parametrize("name", sorted(set(names("image")) - set(EXACT)))
def test_pixels_through_a_library(name: str, picture: NDArray[np.uint8], gradient: NDArray[np.uint8]) -> None:
    # OpenCV's and libjpeg's sums may round differently on another processor.
    pairs = [
        (image_golden(name, picture, "picture"), GOLDEN[name]["picture"]),
        (image_golden(name, gradient, "gradient"), GOLDEN[name]["gradient"]),
    ]
    for profile in set(CALIBRATED) & set(get(name).parameters):
        pairs.append((image_golden(name, picture, "picture", profile), GOLDEN[name][profile]))
    for found, golden in pairs:
        for now, then in zip(found, golden, strict=True):
            assert now[0] == pytest.approx(then[0], abs=0.1)
            np.testing.assert_allclose(now[1], then[1], rtol=0, atol=1)


@pytest.mark.parametrize("name", names("text"))
def test_texts(name: str) -> None:
    assert text_golden(name) == GOLDEN[name]["texts"]
