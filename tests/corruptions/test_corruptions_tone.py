"""Corruptions of tone, colour and sensor: definitions re-derived."""

from __future__ import annotations

import colorsys
import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from corruptions import SEVERITIES, corrupt_image, get, image_view

LUMA = np.array([0.299, 0.587, 0.114])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def values(name: str) -> tuple[float, ...]:
    numbers = get(name).parameters["default"]
    assert all(isinstance(value, float) for value in numbers)
    return numbers  # type: ignore[return-value]


def greys() -> NDArray[np.uint8]:
    return np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)


@pytest.mark.parametrize("name", ["grayscale", "hue_shift"])
def test_greys_stay_grey(name: str) -> None:
    for severity in SEVERITIES:
        assert np.array_equal(corrupt_image(greys(), name, severity, rng()), greys())


def test_tables_against_their_formulas() -> None:
    v = greys()[..., 0] / 255
    for i, severity in enumerate(SEVERITIES):
        expected = {
            "invert": v + (1 - 2 * v) * values("invert")[i],
            "solarise": np.where(v * 255 >= values("solarise")[i], 1 - v, v),
            "posterise": np.floor(v * 255 / 2 ** (8 - values("posterise")[i]))
            * 2 ** (8 - values("posterise")[i])
            / 255,
            "overexposure": (v**2.2 * 2 ** values("overexposure")[i]) ** (1 / 2.2),
        }
        for name, curve in expected.items():
            out = corrupt_image(greys(), name, severity, rng())
            assert np.abs(out[..., 0] - np.clip(curve, 0, 1) * 255).max() <= 0.51, name


def test_full_severity_is_the_whole_effect(picture: NDArray[np.uint8]) -> None:
    assert np.array_equal(corrupt_image(picture, "invert", 5, rng()), 255 - picture)
    grey = corrupt_image(picture, "grayscale", 5, rng()).astype(int)
    assert np.ptp(grey, axis=2).max() == 0
    assert np.abs(grey[..., 0] - picture @ LUMA).max() <= 0.51


def test_gamma_keeps_its_direction() -> None:
    seen = set()
    for unit in range(12):
        signs = set()
        for severity, exponent in zip(SEVERITIES, values("gamma"), strict=True):
            out = image_view(greys(), "gamma", severity, seed=0, unit=str(unit))
            darker = bool(out.mean() < greys().mean())
            used = exponent if darker else 1 / exponent
            assert np.abs(out - 255 * (greys() / 255) ** used).max() <= 0.51
            signs.add(darker)
        assert len(signs) == 1
        seen |= signs
    assert seen == {True, False}


def test_hue_turns_and_brightness_stays() -> None:
    image = np.full((4, 4, 3), (150, 110, 120), np.uint8)  # far from the limits
    before = colorsys.rgb_to_hsv(150, 110, 120)[0]
    for unit in ("a", "b", "c", "d"):
        path = []
        for severity in SEVERITIES:
            out = image_view(image, "hue_shift", severity, seed=0, unit=unit)[0, 0].astype(float)
            assert out @ (0.213, 0.715, 0.072) == pytest.approx(119, abs=2.5)
            path.append((colorsys.rgb_to_hsv(*out)[0] - before + 0.5) % 1 - 0.5)
        assert all(abs(low) < abs(high) for low, high in pairwise(path))
        assert len({value > 0 for value in path}) == 1


def test_colour_jitter_step_by_step(picture: NDArray[np.uint8]) -> None:
    soft = (picture // 4 + 96).astype(np.uint8)  # nothing reaches the limits at severity 1
    signs, sizes = rng(5).random((2, 4))
    bright, contrast, colour, hue = np.where(signs < 0.5, -1, 1) * (0.5 + 0.5 * sizes) * 0.1
    step = soft * (1 + bright)
    mean = (step @ LUMA).mean()
    step = (step - mean) * (1 + contrast) + mean
    step = step + colour * (step - (step @ LUMA)[..., None])
    angle = math.radians(90 * hue)
    grey = np.tile([0.213, 0.715, 0.072], (3, 1))
    turn = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    step = step @ (grey + math.cos(angle) * (np.eye(3) - grey) + math.sin(angle) * turn).T
    out = corrupt_image(soft, "colour_jitter", 1, rng(5))
    assert np.abs(out - step).max() <= 0.52


@pytest.mark.parametrize("name", ["colour_jitter", "hue_shift", "gamma"])
def test_every_sample_goes_one_way(name: str, picture: NDArray[np.uint8]) -> None:
    for unit in range(10):
        moved = [
            np.abs(image_view(picture, name, s, seed=0, unit=str(unit)).astype(int) - picture).mean()
            for s in SEVERITIES
        ]
        assert all(low < high for low, high in pairwise(moved)), moved


def test_low_light_has_the_stated_light_and_noise() -> None:
    image = np.full((120, 120, 3), 200, np.uint8)
    for severity, share in zip(SEVERITIES, values("low_light"), strict=True):
        out = corrupt_image(image, "low_light", severity, rng(severity))
        level = 200 / 255 * share ** (1 / 2.2)
        assert out.mean() == pytest.approx(255 * level, abs=0.15)
        assert out.std() == pytest.approx(255 * math.sqrt(0.002 * level + 0.012**2), rel=0.05)


def test_sensor_noise_has_the_stated_variance() -> None:
    for severity, value in zip(SEVERITIES, get("sensor_noise").parameters["default"], strict=True):
        assert isinstance(value, tuple)
        gain, floor = value
        image = np.full((100, 100, 3), 128, np.uint8)
        out = corrupt_image(image, "sensor_noise", severity, rng(severity)).astype(float)
        expected = 255 * math.sqrt(gain * 128 / 255 + floor**2)
        assert out.mean() == pytest.approx(128, abs=1)
        assert out.std() == pytest.approx(math.hypot(expected, 0.29), rel=0.04)


def test_colour_noise_leaves_the_brightness() -> None:
    image = np.full((80, 80, 3), 128, np.uint8)
    for severity in (1, 2, 3):
        out = corrupt_image(image, "colour_noise", severity, rng(severity))
        assert np.abs(out @ LUMA - 128).max() < (1 if severity < 3 else 40)  # clipped values aside
        assert np.abs(out @ LUMA - 128).mean() < 0.5
        assert out.std() > 255 * values("colour_noise")[severity - 1] * 0.5


@pytest.mark.parametrize("name", ["salt_pepper", "dead_pixels"])
def test_hit_pixels_nest_and_keep_their_share(name: str) -> None:
    image = np.full((150, 160, 3), 90, np.uint8)
    for unit in ("a", "b"):
        below, before = np.zeros(image.shape[:2], bool), image
        for severity, share in zip(SEVERITIES, values(name), strict=True):
            out = image_view(image, name, severity, seed=0, unit=unit)
            hit = (out != 90).any(axis=2)
            assert hit.mean() == pytest.approx(share, abs=5 * math.sqrt(share / hit.size))
            assert not (below & ~hit).any()
            assert np.array_equal(out[below], before[below])
            assert set(np.unique(out[hit])) == {0, 255}
            if name == "salt_pepper":
                assert np.ptp(out[hit], axis=1).max() == 0
            below, before = hit, out


def test_one_pixel_is_dead_at_least() -> None:
    image = np.full((3, 3, 3), 90, np.uint8)
    assert ((corrupt_image(image, "dead_pixels", 1, rng()) != 90).any(axis=2)).sum() == 1


def test_dust_only_darkens_and_nests(picture: NDArray[np.uint8]) -> None:
    for image in (picture, np.full((300, 200, 3), 200, np.uint8)):
        for unit in ("a", "b"):
            below = image
            for severity in SEVERITIES:
                out = image_view(image, "dust", severity, seed=0, unit=unit)
                assert (out <= below).all()
                assert (out < below).any()
                below = out
