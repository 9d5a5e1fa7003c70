"""Corruptions of position: sampling against SciPy, one path per sample, definitions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from corruptions import SEVERITIES, catalogue, corrupt_image, get, image_view
from corruptions.image.sampling import bilinear

NAMES = tuple(entry.name for entry in catalogue() if entry.family == "geometry")
GRADED = tuple(name for name in NAMES if not get(name).notes)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def coordinates(height: int, width: int) -> NDArray[np.uint8]:
    """Red tells the column, green the row: where a pixel came from can be read off it."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 2, y * 2, np.full_like(x, 7)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (23, 17), (3, 40000)], ids=str)
def test_sampling_against_scipy(shape: tuple[int, int]) -> None:
    image = rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    # Sixty-fourths of a pixel, some outside: no rounding of places, so only that of the result is left.
    x = rng(2).integers(-200, 64 * shape[1] + 200, shape) / 64
    y = rng(3).integers(-200, 64 * shape[0] + 200, shape) / 64
    expected = np.stack(
        [
            ndimage.map_coordinates(image[..., c].astype(float), [y, x], order=1, mode="nearest")
            for c in range(3)
        ],
        axis=2,
    )
    out = bilinear(image, x, y)
    assert np.abs(out - expected).max() <= 0.5 + 1e-9
    for channel in range(3):
        assert np.array_equal(bilinear(image[..., channel : channel + 1], x, y)[..., 0], out[..., channel])


def test_sampling_at_pixels_is_exact_and_rounds_to_64ths() -> None:
    image = rng(1).integers(0, 256, (31, 47, 3), dtype=np.uint8)
    x, y = np.arange(47.0)[None, :], np.arange(31.0)[:, None]
    assert np.array_equal(bilinear(image, x, y), image)
    assert np.array_equal(bilinear(image, x + 0.007, y - 0.007), image)
    assert bilinear(
        np.array([[[0], [255]]], np.uint8), np.array([[0.25, 0.5]]), np.zeros((1, 1))
    ).tolist() == [[[64], [128]]]


@pytest.mark.parametrize("name", GRADED)
def test_severity_goes_one_way_for_every_sample(name: str) -> None:
    image = coordinates(100, 120)
    for unit in range(12):
        moved = [
            np.abs(image_view(image, name, s, seed=0, unit=str(unit)).astype(int) - image).mean()
            for s in SEVERITIES
        ]
        assert all(low < high for low, high in pairwise(moved)), (unit, moved)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("grey", [0, 77, 255])
def test_flat_pictures_stay_flat(name: str, grey: int) -> None:
    image = np.full((33, 21, 3), grey, np.uint8)
    for severity in SEVERITIES:
        assert np.array_equal(image_view(image, name, severity, seed=0, unit="a"), image)


def test_rotate_by_the_stated_angle() -> None:
    image = coordinates(101, 101)
    for unit in ("a", "b", "c", "d"):
        signs = set()
        for severity, angle in zip(SEVERITIES, (4.0, 8.0, 16.0, 28.0, 45.0), strict=True):
            out = image_view(image, "rotate", severity, seed=0, unit=unit).astype(int)
            dx, dy = (out[50, 70, :2] - out[50, 30, :2]) / 2
            turned = math.degrees(math.atan2(dy, dx))
            assert abs(turned) == pytest.approx(angle, abs=1)
            signs.add(turned > 0)
            assert np.array_equal(out[50, 50], image[50, 50])  # the middle stays
        assert len(signs) == 1


def test_scale_and_shear_by_the_stated_factor() -> None:
    image = coordinates(101, 101)
    for unit in ("a", "b", "c", "d"):
        large = image_view(image, "scale", 3, seed=0, unit=unit).astype(int)
        factor = (large[50, 60, 0] - large[50, 40, 0]) / 40
        assert min(abs(factor - 1.4), abs(factor - 1 / 1.4)) < 0.03
        slanted = image_view(image, "shear", 3, seed=0, unit=unit).astype(int)
        slopes = sorted(
            abs(slope) / 40
            for slope in (
                (slanted[60, 50, 0] - slanted[40, 50, 0]),
                (slanted[50, 60, 1] - slanted[50, 40, 1]),
            )
        )
        assert slopes == pytest.approx([0, 0.2], abs=0.03)


def test_translate_by_whole_pixels_and_repeats_the_edge() -> None:
    image = coordinates(100, 100)
    for unit in range(8):
        out = image_view(image, "translate", 4, seed=0, unit=str(unit)).astype(int)
        right, down = (50 - out[50, 50, :2] // 2).tolist()
        assert math.hypot(right, down) == pytest.approx(28, abs=1)
        expected = image[np.clip(np.arange(100) - down, 0, 99)][:, np.clip(np.arange(100) - right, 0, 99)]
        assert np.array_equal(out, expected)


def test_flips(picture: NDArray[np.uint8]) -> None:
    for severity in SEVERITIES:
        assert np.array_equal(corrupt_image(picture, "flip_h", severity, rng()), picture[:, ::-1])
        assert np.array_equal(corrupt_image(picture, "flip_v", severity, rng()), picture[::-1])


def test_perspective_keeps_straight_lines_and_the_stated_corners() -> None:
    image = coordinates(101, 121)
    for unit in range(8):
        out = image_view(image, "perspective", 5, seed=0, unit=str(unit)).astype(float)
        # Where nothing was cut off at the edges, the places along a row lie on one line.
        places = out[50, :, :2]
        inside = ((places > 2) & (places < np.array([238, 198]))).all(axis=1)
        x, y = places[inside].T
        assert inside.sum() > 40
        assert np.abs(np.polyval(np.polyfit(x, y, 1), x) - y).max() < 2
        for corner, (cx, cy) in (
            ((0, 0), (0, 0)),
            ((0, -1), (120, 0)),
            ((-1, 0), (0, 100)),
            ((-1, -1), (120, 100)),
        ):
            dx, dy = out[corner][:2] / 2 - (cx, cy)
            assert abs(dx) <= 0.22 * 121 + 1
            assert abs(dy) <= 0.22 * 101 + 1


def test_grid_distortion_never_folds() -> None:
    image = coordinates(101, 121)
    for unit in range(8):
        out = image_view(image, "grid_distortion", 5, seed=0, unit=str(unit)).astype(int)
        for axis, channel in ((1, 0), (0, 1)):
            assert np.diff(out[..., channel], axis=axis).min() >= -1
        assert np.abs(out[..., 0] - image[..., 0]).max() <= 2 * 0.45 * 121 / 5 + 2
        assert np.abs(out[..., 1] - image[..., 1]).max() <= 2 * 0.45 * 101 / 5 + 2


def test_partial_crops_lie_within_each_other() -> None:
    image = coordinates(101, 121)
    for unit in range(8):
        low, high = np.array([0, 0]), np.array([240, 200])
        for severity, share in zip(SEVERITIES, (0.90, 0.80, 0.68, 0.55, 0.40), strict=True):
            out = image_view(image, "partial_crop", severity, seed=0, unit=str(unit))[..., :2].astype(int)
            first, last = out[0, 0], out[-1, -1]
            assert (first >= low).all()
            assert (last <= high).all()
            assert ((last - first) / (240, 200)).tolist() == pytest.approx([share, share], abs=0.02)
            low, high = first, last
