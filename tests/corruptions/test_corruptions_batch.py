"""Many images in one call: the same pixels as in many calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from corruptions import InvalidInputError, UnknownCorruptionError, corrupt_images, image_view, names


def pictures() -> list[NDArray[np.uint8]]:
    """Of three sizes, two of them more than once, one large enough for a pile of its own."""
    rng = np.random.default_rng(1)
    sizes = [(40, 30), (64, 64), (40, 30), (250, 200), (64, 64), (40, 30)]
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


@pytest.mark.parametrize("threads", [None, 1, 3])
@pytest.mark.parametrize("name", names("image"))
def test_one_call_gives_what_many_give(name: str, threads: int | None) -> None:
    images = pictures()
    units = [f"u{i}" for i in range(len(images))]
    together = corrupt_images(images, name, 3, seed=4, units=units, threads=threads)
    for image, unit, view in zip(images, units, together, strict=True):
        assert np.array_equal(view, image_view(image, name, 3, seed=4, unit=unit))


def test_nothing_in_nothing_out() -> None:
    assert corrupt_images([], "fog", 1, seed=0, units=[]) == []


def test_refusals(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidInputError, match="1 images, but 2 units"):
        corrupt_images([picture], "fog", 1, seed=0, units=["a", "b"])
    with pytest.raises(InvalidInputError, match="threads"):
        corrupt_images([picture], "fog", 1, seed=0, units=["a"], threads=0)
    with pytest.raises(InvalidInputError, match="kind 'text'"):
        corrupt_images([picture], "keyboard", 1, seed=0, units=["a"])
    with pytest.raises(UnknownCorruptionError, match="fog"):
        corrupt_images([picture], "fogg", 1, seed=0, units=["a"])
    with pytest.raises(InvalidInputError, match="no profile 'nope'"):
        corrupt_images([picture, picture], "fog", 1, seed=0, units=["a", "b"], profile="nope")
    with pytest.raises(InvalidInputError, match="RGB"):
        corrupt_images([picture[..., 0]], "fog", 1, seed=0, units=["a"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"units": "ab"}, "units must be a list of strings, got 'ab'"),
        ({"units": None}, "units must be a list, got NoneType"),
        ({"units": iter(["a", "b"])}, "units must be a list"),
        ({"units": [1, 2]}, "unit must be a string, got 1"),
        ({"images": iter([])}, "images must be a list"),
        ({"images": [[[0, 0, 0]], None]}, "image must be a NumPy array, got list"),
        ({"threads": "2"}, "threads must be a whole number from 1, got '2'"),
        ({"threads": 2.5}, "threads must be a whole number from 1, got 2.5"),
    ],
)
@pytest.mark.parametrize("name", ["fog", "contrast"])
def test_wrong_types_are_refused(
    picture: NDArray[np.uint8], name: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        corrupt_images(
            **{"images": [picture, picture], "units": ["a", "b"], **given}, name=name, severity=1, seed=0
        )


def test_what_draws_nothing_needs_a_seed_and_a_unit_all_the_same(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidInputError, match="seed must be a whole number"):
        image_view(picture, "contrast", 1, seed="0", unit="a")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="unit must be a string"):
        image_view(picture, "contrast", 1, seed=0, unit=7)  # type: ignore[arg-type]
