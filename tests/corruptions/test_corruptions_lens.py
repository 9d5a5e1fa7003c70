"""Resampling, lens and storage: definitions re-derived, limits."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from corruptions import SEVERITIES, InvalidInputError, corrupt_image, get, image_view
from corruptions.image import codec


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def values(name: str) -> tuple[float, ...]:
    return get(name).parameters["default"]  # type: ignore[return-value]


FLAT = (
    *("downsample", "upsample_nearest", "upsample_bilinear", "upsample_bicubic", "median_blur", "lens_blur"),
    *("ringing", "chromatic_aberration", "quantise"),
)


@pytest.mark.parametrize("grey", [0, 1, 100, 254, 255])
@pytest.mark.parametrize("name", FLAT)
def test_flat_pictures_stay_flat(name: str, grey: int) -> None:
    for shape in ((1, 1), (2, 30), (64, 47), (150, 150)):
        image = np.full((*shape, 3), grey, np.uint8)
        for severity in SEVERITIES:
            assert np.array_equal(corrupt_image(image, name, severity, rng()), image)


def test_downsample_keeps_pixels(picture: NDArray[np.uint8]) -> None:
    out = corrupt_image(picture, "downsample", 4, rng())
    assert np.array_equal(out, picture[2::4, 2::4].repeat(4, axis=0).repeat(4, axis=1))


def test_upsampling_by_four(picture: NDArray[np.uint8]) -> None:
    blocks = picture.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    nearest = corrupt_image(picture, "upsample_nearest", 4, rng())
    assert np.abs(nearest - blocks.repeat(4, axis=0).repeat(4, axis=1)).max() <= 1
    places = (np.arange(64) + 0.5) / 4 - 0.5
    grid = np.meshgrid(places, places, indexing="ij")
    smooth = np.stack(
        [ndimage.map_coordinates(blocks[..., c], grid, order=1, mode="nearest") for c in range(3)], axis=2
    )
    bilinear = corrupt_image(picture, "upsample_bilinear", 4, rng())
    assert np.abs(bilinear - smooth).max() <= 2  # Pillow rounds after each of four passes
    bicubic = corrupt_image(picture, "upsample_bicubic", 4, rng())
    assert 0.1 < np.abs(bicubic.astype(int) - bilinear).mean() < 5


@pytest.mark.parametrize("severity", SEVERITIES)
def test_median_blur_against_scipy(severity: int, picture: NDArray[np.uint8]) -> None:
    size = 2 * round(values("median_blur")[severity - 1] * 64) + 1
    expected = ndimage.median_filter(picture, size=(size, size, 1), mode="nearest")
    assert np.array_equal(corrupt_image(picture, "median_blur", severity, rng()), expected)


def test_median_windows_have_a_limit() -> None:
    image = rng().integers(0, 2, (2000, 2000, 1), dtype=np.uint8).repeat(3, axis=2) * np.uint8(255)
    image[:, 1200:] = 255
    out = corrupt_image(image, "median_blur", 5, rng())
    assert (out[900:1000, 1500:1600] == 255).all()


def test_lens_blur_makes_a_hexagon_of_a_point() -> None:
    image = np.zeros((101, 101, 3), np.uint8)
    image[50, 50] = 255
    out = corrupt_image(image, "lens_blur", 5, rng())[..., 0]
    radius = 0.06 * 101
    light = (out / 255.0) ** 2.2
    assert light.sum() == pytest.approx(1, rel=0.03)
    assert np.count_nonzero(out) == pytest.approx(1.5 * math.sqrt(3) * radius**2, rel=0.3)
    assert np.array_equal(out, out[::-1])
    assert np.array_equal(out, out[:, ::-1])
    columns, rows = (np.flatnonzero(out.any(axis=axis)).size for axis in (0, 1))
    assert columns > rows  # wider than high: no disk


@pytest.mark.parametrize("severity", SEVERITIES)
def test_ringing_is_a_truncated_cosine_transform(severity: int, gradient: NDArray[np.uint8]) -> None:
    spectrum = fft.dctn(gradient.astype(float), axes=(0, 1), norm="ortho")
    share = values("ringing")[severity - 1]
    spectrum[round(share * 100) :] = 0
    spectrum[:, round(share * 37) :] = 0
    expected = np.clip(fft.idctn(spectrum, axes=(0, 1), norm="ortho"), 0, 255)
    assert np.abs(corrupt_image(gradient, "ringing", severity, rng()) - expected).max() <= 0.51


def test_chromatic_aberration_moves_red_out_and_blue_in() -> None:
    image = np.zeros((101, 101, 3), np.uint8)
    image[:, 80:] = 255
    for severity, share in zip(SEVERITIES, values("chromatic_aberration"), strict=True):
        out = corrupt_image(image, "chromatic_aberration", severity, rng())
        assert np.array_equal(out[..., 1], image[..., 1])
        red, blue = (101 - out[50, :, c].astype(float).sum() / 255 for c in (0, 2))
        assert red == pytest.approx(50.5 + 29.5 * (1 + share), abs=0.1)
        assert blue == pytest.approx(50.5 + 29.5 / (1 + share), abs=0.1)


def test_vignette_darkens_the_corners_by_the_stated_share() -> None:
    image = np.full((61, 91, 3), 200, np.uint8)
    for severity, share in zip(SEVERITIES, values("vignette"), strict=True):
        out = corrupt_image(image, "vignette", severity, rng())
        assert out[30, 45].tolist() == [200] * 3
        for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
            assert out[corner][0] == pytest.approx(200 * (1 - share), abs=0.51)
        assert (np.diff(out[30, 45:, 0].astype(int)) <= 0).all()


def test_glare_only_lightens_and_stays_in_place(picture: NDArray[np.uint8]) -> None:
    for unit in ("a", "b", "c"):
        below, places = picture, list[NDArray[np.float64]]()
        for severity, strength in zip(SEVERITIES, values("glare"), strict=True):
            out = image_view(picture, "glare", severity, seed=0, unit=unit)
            assert (out >= below).all()
            black = image_view(np.zeros_like(picture), "glare", severity, seed=0, unit=unit)[..., 0]
            assert black.max() == pytest.approx(255 * strength, rel=0.02)
            places.append(np.argwhere(black == black.max()).mean(axis=0))
            below = out
        assert np.ptp(places, axis=0).max() <= 2


def test_quantise_has_the_stated_number_of_colours(picture: NDArray[np.uint8]) -> None:
    for severity, count in zip(SEVERITIES, values("quantise"), strict=True):
        out = corrupt_image(picture, "quantise", severity, rng())
        assert len(np.unique(out.reshape(-1, 3), axis=0)) <= count


def test_webp_limits(monkeypatch: pytest.MonkeyPatch, picture: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidInputError, match="at most 16383 pixels a side, got 16384 x 1"):
        corrupt_image(np.zeros((1, 16384, 3), np.uint8), "webp_compression", 1, rng())
    monkeypatch.setattr(codec.features, "check", lambda name: False)
    with pytest.raises(InvalidInputError, match="without WebP"):
        corrupt_image(picture, "webp_compression", 1, rng())


def test_webp_is_pillows(picture: NDArray[np.uint8]) -> None:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=16, method=4)
    expected = np.asarray(Image.open(buffer).convert("RGB"))
    assert np.array_equal(corrupt_image(picture, "webp_compression", 3, rng()), expected)
