"""Image corruptions: definitions re-derived, severities, sizes, refusals."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage, stats

from corruptions import (
    SEVERITIES,
    InvalidInputError,
    UnknownCorruptionError,
    corrupt_image,
    get,
    image_view,
    names,
    profile_of,
    view_generator,
)
from corruptions.image import UNSEEDED, noise, zoom
from corruptions.seeding import borrowed_generator

IMAGE = names("image")
PROFILES = ("imagenet224", "tiny64")
FLAT = (
    "gaussian_blur",
    "defocus_blur",
    "motion_blur",
    "glass_blur",
    "zoom_blur",
    "elastic_transform",
    "contrast",
    "pixelate",
)
# Published tables that are not monotone, in one profile at least; the catalogue's notes say where.
FLAGGED = {"glass_blur", "zoom_blur", "snow", "frost", "fog", "spatter", "saturate", "elastic_transform"}

# The catalogue's notes say so: every severity is the same.
NO_DEGREES = ("flip_h", "flip_v")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def cut(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.clip(values, 0, 255).astype(np.int64)


def mean_difference(image: NDArray[np.uint8], name: str, severity: int, profile: str | None) -> float:
    # Several shifts and units: one direction, place or position on a grid may suit the picture.
    total = 0.0
    for i in range(9):
        moved = np.roll(image, (5 * i, 7 * i), axis=(0, 1))
        view = image_view(moved, name, severity, seed=1, unit=f"u{i}", profile=profile)
        total += float(np.abs(view.astype(int) - moved).mean())
    return total / 9


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", IMAGE)
def test_severity_is_real(name: str, profile: str, picture: NDArray[np.uint8]) -> None:
    distances = [mean_difference(picture, name, severity, profile) for severity in SEVERITIES]
    assert min(distances) > 0.2
    if name in NO_DEGREES:
        assert len(set(distances)) == 1
        assert get(name).notes
        return
    assert len(set(distances)) == len(distances)
    if name not in FLAGGED:
        assert all(low < high for low, high in pairwise(distances)), distances


def test_published_tables_that_do_not_grow_are_flagged() -> None:
    published = [name for name in IMAGE if "imagenet224" in get(name).parameters]
    assert {name for name in published if get(name).notes} == FLAGGED


@pytest.mark.parametrize("name", IMAGE)
def test_input_is_left_alone_and_output_is_new(name: str, picture: NDArray[np.uint8]) -> None:
    image = picture.copy()
    for severity in (1, 5):
        out = corrupt_image(image, name, severity, rng())
        assert out.dtype == np.uint8
        assert out.shape == image.shape
        assert out.flags.writeable
        assert not np.shares_memory(out, image)
    assert np.array_equal(image, picture)
    corrupt_image(picture, name, 3, rng())  # read-only input


@pytest.mark.parametrize("name", IMAGE)
def test_views_of_an_array_give_the_same(name: str, picture: NDArray[np.uint8]) -> None:
    flipped = picture[:, ::-1]
    expected = corrupt_image(np.ascontiguousarray(flipped), name, 3, rng())
    assert np.array_equal(corrupt_image(flipped, name, 3, rng()), expected)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(IMAGE), st.integers(8, 70), st.integers(8, 70), st.sampled_from(SEVERITIES), st.data())
def test_any_size_and_deterministic(
    name: str, height: int, width: int, severity: int, data: st.DataObject
) -> None:
    profile = data.draw(st.sampled_from((None, *PROFILES)))
    image = np.random.default_rng(height * 100 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    first = image_view(image, name, severity, seed=3, unit="x", profile=profile)
    assert first.shape == image.shape
    assert np.array_equal(first, image_view(image, name, severity, seed=3, unit="x", profile=profile))


@pytest.mark.parametrize("shape", [(7, 500), (500, 7)], ids=str)
@pytest.mark.parametrize("name", IMAGE)
def test_long_shapes(name: str, shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 90, np.uint8)
    for profile in PROFILES:
        for severity in SEVERITIES:
            assert corrupt_image(image, name, severity, rng(), profile=profile).shape == image.shape


@pytest.mark.parametrize("grey", [0, 1, 100, 128, 254, 255])
@pytest.mark.parametrize("name", FLAT)
def test_flat_pictures_stay_flat(name: str, grey: int) -> None:
    for size in (12, 64, 150):
        image = np.full((size, size, 3), grey, np.uint8)
        for severity in SEVERITIES:
            out = image_view(image, name, severity, seed=0, unit=str(size)).astype(int)
            # ImageNet-C's disk of radius 8 and 10 weighs slightly more than 1.
            assert np.abs(out - grey).max() <= (1 if name == "defocus_blur" and size == 150 else 0)


def test_pixels_do_not_depend_on_threads(picture: NDArray[np.uint8]) -> None:
    large = np.tile(picture, (4, 5, 1))
    before = cv2.getNumThreads()
    views = []
    try:
        for threads in (1, 2, 4):
            cv2.setNumThreads(threads)
            views.append(
                [corrupt_image(large, name, severity, rng()) for name in IMAGE for severity in (1, 5)]
            )
    finally:
        cv2.setNumThreads(before)
    for one, two, four in zip(*views, strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(one, four)


# Definitions, re-derived in slow and plain code.


def test_gaussian_noise_is_the_published_formula(picture: NDArray[np.uint8]) -> None:
    drawn = noise.normals(picture.shape, 1.0, rng()).astype(np.float64)
    expected = cut((picture / 255 + 0.12 * drawn) * 255)
    out = corrupt_image(picture, "gaussian_noise", 3, rng()).astype(int)
    assert np.abs(out - expected).max() <= 1
    assert np.mean(out != expected) < 1e-3


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("grey", [0, 3, 60, 180, 255])
def test_shot_noise_is_poisson(grey: int, profile: str, severity: int) -> None:
    photons = get("shot_noise").value(severity, profile)
    assert isinstance(photons, float)
    image = np.full((100, 200, 3), grey, np.uint8)
    seen = corrupt_image(image, "shot_noise", severity, rng(grey), profile=profile)
    top = int(photons)
    levels = (np.arange(top + 1) / photons * 255).astype(int)
    law = stats.poisson.pmf(np.arange(top + 1), grey * photons / 255)
    law[-1] += 1 - law.sum()
    counts = np.array([np.count_nonzero(seen == level) for level in levels])
    assert counts.sum() == seen.size
    # Classes of at least 5 expected, the rest in one.
    often = law * seen.size >= 5
    observed = np.append(counts[often], counts[~often].sum())
    expected = np.append(law[often], max(law[~often].sum(), 0)) * seen.size
    if often.sum() > 1:
        keep = expected > 1e-6
        assert (
            stats.chisquare(
                observed[keep], expected[keep] * observed[keep].sum() / expected[keep].sum()
            ).pvalue
            > 1e-5
        )
    assert not observed[expected <= 1e-6].any()


@pytest.mark.parametrize("profile", PROFILES)
def test_impulse_noise_hits_the_stated_share(profile: str) -> None:
    image = np.full((200, 200, 3), 90, np.uint8)
    for severity in SEVERITIES:
        share = get("impulse_noise").value(severity, profile)
        assert isinstance(share, float)
        out = corrupt_image(image, "impulse_noise", severity, rng(severity), profile=profile)
        for extreme in (0, 255):
            expected = share / 2
            spread = 5 * math.sqrt(expected / image.size)
            assert np.mean(out == extreme) == pytest.approx(expected, abs=spread)
        assert set(np.unique(out)) == {0, 90, 255}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_gaussian_blur_against_scipy(profile: str, severity: int, gradient: NDArray[np.uint8]) -> None:
    sigma = get("gaussian_blur").value(severity, profile)
    expected = cut(ndimage.gaussian_filter(gradient.astype(np.float64), (sigma, sigma, 0), mode="nearest"))
    out = corrupt_image(gradient, "gaussian_blur", severity, rng(), profile=profile).astype(int)
    assert np.abs(out - expected).max() <= 1


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_defocus_blur_against_scipy(profile: str, severity: int, picture: NDArray[np.uint8]) -> None:
    parameter = get("defocus_blur").value(severity, profile)
    assert isinstance(parameter, tuple)
    radius, smoothing = parameter
    half, taps = (8, 1) if radius <= 8 else (int(radius), 2)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    disk = (x**2 + y**2 <= radius**2).astype(float)
    soft = np.exp(-(np.arange(-taps, taps + 1) ** 2) / (2 * smoothing**2))
    for axis in (0, 1):
        disk = ndimage.convolve1d(
            disk / disk.sum() if axis == 0 else disk, soft / soft.sum(), axis, mode="mirror"
        )
    expected = np.stack(
        [ndimage.correlate(picture[..., c].astype(float), disk, mode="mirror") for c in range(3)], axis=2
    )
    out = corrupt_image(picture, "defocus_blur", severity, rng(), profile=profile).astype(int)
    assert np.abs(out - cut(expected)).max() <= 1


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_blur_step_by_step(profile: str, severity: int, picture: NDArray[np.uint8]) -> None:
    parameter = get("motion_blur").value(severity, profile)
    assert isinstance(parameter, tuple)
    radius, sigma = parameter
    angle = math.radians(rng(severity).uniform(-45, 45))
    weights = np.exp(-(np.arange(2 * int(radius) + 1) ** 2) / (2 * sigma**2))
    expected = np.zeros(picture.shape)
    y, x = np.mgrid[0:64, 0:64]
    for i, weight in enumerate(weights / weights.sum()):
        dy, dx = math.ceil(i * math.sin(angle) - 0.5), math.ceil(i * math.cos(angle) - 0.5)
        expected += weight * picture[np.clip(y + dy, 0, 63), np.clip(x + dx, 0, 63)]
    out = corrupt_image(picture, "motion_blur", severity, rng(severity), profile=profile).astype(int)
    assert np.abs(out - cut(expected)).max() <= 1


def test_contrast_keeps_the_mean(picture: NDArray[np.uint8]) -> None:
    mean = picture.mean(axis=(0, 1))
    expected = cut((picture - mean) * 0.2 + mean)
    out = corrupt_image(picture, "contrast", 3, rng()).astype(int)
    assert np.abs(out - expected).max() <= 1


def test_pixelate_is_made_of_blocks(picture: NDArray[np.uint8]) -> None:
    out = corrupt_image(picture, "pixelate", 5, rng(), profile="tiny64").astype(float)
    blocks = picture.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)).repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(out - blocks).max() <= 1


def test_occlusion_covers_the_stated_share_and_nests() -> None:
    black, white = (np.full((90, 130, 3), level, np.uint8) for level in (0, 255))
    for unit in ("a", "b", "c"):
        below, filled = np.zeros(black.shape[:2], bool), black
        for severity, share in zip(SEVERITIES, (0.10, 0.20, 0.35, 0.50, 0.65), strict=True):
            out = image_view(black, "occlusion", severity, seed=0, unit=unit)
            mask = out.any(axis=2)
            assert share <= mask.mean() < share + 0.005
            assert not (below & ~mask).any()
            assert np.array_equal(out[below], filled[below])  # the same filling, only more of it
            on_white = image_view(white, "occlusion", severity, seed=0, unit=unit)
            assert np.array_equal(on_white, np.where(mask[..., None], out, 255))
            below, filled = mask, out
        assert 0.24 < filled[below].std() / 255 < 0.34  # uniform pixels have 0.289


def test_profiles() -> None:
    assert profile_of("contrast", 127, 4000) == "tiny64"
    assert profile_of("contrast", 128, 128) == "imagenet224"
    assert profile_of("occlusion", 10, 10) == "default"
    small, large = (np.random.default_rng(0).integers(0, 256, (n, n, 3), dtype=np.uint8) for n in (64, 128))
    for image, chosen in ((small, "tiny64"), (large, "imagenet224")):
        automatic = corrupt_image(image, "gaussian_blur", 2, rng())
        assert np.array_equal(automatic, corrupt_image(image, "gaussian_blur", 2, rng(), profile=chosen))
    with pytest.raises(InvalidInputError, match="no profile 'cifar'; use one of: imagenet224, tiny64"):
        corrupt_image(small, "contrast", 1, rng(), profile="cifar")
    with pytest.raises(InvalidInputError, match="no profile 'cifar'; use one of: default"):
        corrupt_image(small, "occlusion", 1, rng(), profile="cifar")
    with pytest.raises(InvalidInputError, match="kind 'text'"):
        profile_of("keyboard", 64, 64)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8), np.uint8), "must be RGB .* as_rgb"),
        (np.zeros((8, 8, 4), np.uint8), "must be RGB .* as_rgb"),
        (np.zeros((8, 8, 1), np.uint8), "must be RGB .* as_rgb"),
        (np.zeros((8, 8, 3), np.float32), "must be uint8 .* float32"),
        (np.zeros((0, 8, 3), np.uint8), "non-empty"),
        (np.zeros((2, 8, 8, 3), np.uint8), "one RGB picture"),
        ([[1]], "NumPy array, got list"),
    ],
    ids=lambda value: str(getattr(value, "shape", ""))[:20],
)
def test_wrong_images_are_refused(image: NDArray[np.uint8], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        corrupt_image(image, "contrast", 1, rng())
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("severity", [0, 6, -1, 1.5, "3", True, None])
def test_wrong_severities_are_refused(severity: int, picture: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidInputError, match="severity must be a whole number from 1 to 5"):
        corrupt_image(picture, "contrast", severity, rng())
    with pytest.raises(InvalidInputError, match="severity must be a whole number from 1 to 5"):
        image_view(picture, "contrast", severity, seed=0, unit="a")


def test_wrong_kinds_and_names_are_refused(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidInputError, match="keyboard is of kind 'text', not 'image'; use corrupt_text"):
        corrupt_image(picture, "keyboard", 1, rng())
    with pytest.raises(InvalidInputError, match="use is_hit"):
        image_view(picture, "mismatch", 1, seed=0, unit="a")
    with pytest.raises(UnknownCorruptionError, match="did you mean 'gaussian_noise'"):
        corrupt_image(picture, "gausian-noise", 1, rng())


def test_numpy_severities_are_numbers(picture: NDArray[np.uint8]) -> None:
    first = image_view(picture, "gaussian_noise", 2, seed=0, unit="a")
    assert np.array_equal(first, image_view(picture, "gaussian_noise", np.int64(2), seed=0, unit="a"))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(64, 64), (37, 100), (1, 40), (2, 3), (224, 224)], ids=str)
def test_zoom_is_the_same_with_and_without_an_exact_opencv(size: tuple[int, int]) -> None:
    if not zoom._warps_exactly():
        pytest.skip("this OpenCV rounds places")
    image = rng(3).integers(0, 256, (*size, 4)).astype(np.float32)
    factors = (1.01, 1.13, 1.3)
    assert np.abs(zoom._taken(image, factors) - zoom._warped(image, factors)).max() < 0.02


def test_zoom_falls_back_where_opencv_rounds_places(
    picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = corrupt_image(picture, "zoom_blur", 3, rng())
    monkeypatch.setattr(zoom, "_warps_exactly", lambda: False)
    monkeypatch.setattr(zoom, "_warp", lambda *_: pytest.fail("used all the same"))
    plain = corrupt_image(picture, "zoom_blur", 3, rng())
    gap = np.abs(plain.astype(int) - usual)
    assert gap.max() <= 1
    assert np.mean(gap > 0) < 1e-3


def test_impulse_noise_hits_the_share_that_it_says_to_the_last_bit() -> None:
    grey = np.full((400, 400, 3), 100, np.uint8)
    for share in (0.0, 1e-5, 0.03, 0.27, 1.0):
        noisy = noise.impulse_noise(grey, share, rng(5))
        hit = noisy != 100
        assert set(np.unique(noisy[hit])) <= {0, 255}
        assert abs(int(hit.sum()) - share * grey.size) <= 5 * math.sqrt(grey.size * share * (1 - share))
    white = noise.impulse_noise(grey, 1.0, rng(5)) == 255
    assert abs(white.mean() - 0.5) < 0.005


def test_a_borrowed_generator_starts_where_a_fresh_one_does() -> None:
    for unit, name in (("a", "fog"), ("b", "occlusion"), ("a", "fog")):
        borrowed = borrowed_generator(7, unit, name, 3)
        # 32 bits left over from a draw must not reach the next stream.
        draws = borrowed.integers(0, 9, 5, dtype=np.uint8).tolist(), borrowed.random(3).tolist()
        fresh = view_generator(7, unit, name, 3)
        assert draws == (fresh.integers(0, 9, 5, dtype=np.uint8).tolist(), fresh.random(3).tolist())


def test_normals_are_normal_into_the_tails() -> None:
    drawn = noise.normals((3000, 1000), 2.0, rng(9)).reshape(-1) / 2
    assert stats.kstest(drawn[:200_000], "norm").pvalue > 1e-3
    assert abs(drawn.mean()) < 0.003
    assert abs(drawn.var() - 1) < 0.005
    for far in (4.0, 4.3, 4.5):
        expected = 2 * stats.norm.sf(far) * drawn.size
        assert abs(int((np.abs(drawn) > far).sum()) - expected) < 5 * math.sqrt(expected) + 1


@pytest.mark.parametrize("name", IMAGE)
def test_what_draws_is_known(name: str, picture: NDArray[np.uint8]) -> None:
    other = corrupt_image(picture, name, 3, rng(1))
    drawn = rng(2)
    before = str(drawn.bit_generator.state)
    corrupt_image(picture, name, 3, drawn)
    if str(drawn.bit_generator.state) != before:
        assert name not in UNSEEDED
    if name in UNSEEDED:
        assert np.array_equal(image_view(picture, name, 3, seed=0, unit="u"), other)
