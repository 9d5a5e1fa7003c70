"""Pictures of every size and mode, processes in any order, and a package that needs nothing heavy."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

import corruptions
from corruptions import SEVERITIES, InvalidInputError, as_rgb, corrupt_image, image_view, names, text_view

IMAGE = names("image")
ROOT = Path(corruptions.__file__).parents[1]
ORIENTATION = 0x0112

# What an upright picture looks like as stored, by the EXIF orientation that says so.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


# Sizes


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3), (31, 31)], ids=str)
@pytest.mark.parametrize("name", IMAGE)
def test_small_pictures(name: str, shape: tuple[int, int]) -> None:
    image = noise(*shape, 3)
    before = image.copy()
    for profile in ("imagenet224", "tiny64"):
        for severity in SEVERITIES:
            out = corrupt_image(image, name, severity, rng(), profile=profile)
            assert out.shape == image.shape
            assert out.dtype == np.uint8
            assert np.array_equal(out, corrupt_image(image, name, severity, rng(), profile=profile))
            assert np.array_equal(image, before)


# Those that index pixels by numbers that a narrow type would not hold, and the cheapest of each kind.
LARGE = ("gaussian_noise", "pixelate", "fog", "frost", "rotate", "glare", "watermark", "dust", "posterise")


@pytest.mark.parametrize("name", LARGE)
def test_twelve_million_pixels(name: str) -> None:
    y, x = np.mgrid[0:3000, 0:4000].astype(np.uint16)
    image = np.stack([x // 16, y // 12, (x + y) // 28], axis=2).astype(np.uint8)
    out = image_view(image, name, 5, seed=1, unit="u")
    assert out.shape == image.shape
    # To the last corner: three quarters of the way and further, something is different.
    for part in (out[2250:] != image[2250:], out[:, 3000:] != image[:, 3000:]):
        assert part.any()


@pytest.mark.parametrize("name", ["jpeg_compression", "webp_compression", "fog", "frost"])
def test_sides_beyond_a_format_are_refused(name: str) -> None:
    for shape in ((1, 65501, 3), (65501, 1, 3)):
        with pytest.raises(InvalidInputError, match=rf"at most \d+ pixels a side.*leave {name} out"):
            corrupt_image(np.zeros(shape, np.uint8), name, 1, rng())


# Modes


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_is_honoured(orientation: int, form: str) -> None:
    if form == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    # Eight flat blocks, which JPEG keeps apart.
    blocks = np.array([[0, 60, 120, 180], [30, 90, 150, 210]], np.uint8).repeat(16, 0).repeat(16, 1)
    upright = np.stack([blocks, 255 - blocks, blocks // 2], axis=2)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    buffer = io.BytesIO()
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})
    stored.save(buffer, form, exif=exif, **options)
    found = as_rgb(Image.open(buffer))
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() <= (24 if form == "JPEG" else 0)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("broken", [b"Exif\0\0garbage", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\0", b"\xff"])
@pytest.mark.filterwarnings("ignore:.*EXIF:UserWarning")
def test_exif_data_that_cannot_be_read_is_passed_over(form: str, broken: bytes) -> None:
    if form == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (9, 9, 9)).save(buffer, form, exif=broken)
    assert as_rgb(Image.open(buffer)).shape == (3, 4, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"])
def test_white_is_white_in_every_mode(mode: str) -> None:
    white = Image.new("RGB", (3, 2), (255, 255, 255))
    steps = {"La": ("LA",), "RGBa": ("RGBA",), "PA": ("P",)}.get(mode, ())
    for step in (*steps, mode):
        white = white.convert(step)
    assert white.mode == mode
    found = as_rgb(white)
    assert found.shape == (2, 3, 3)
    assert found.min() >= 254
    assert found.flags.writeable
    assert np.array_equal(corrupt_image(found, "flip_h", 1, rng()), found)


@pytest.mark.parametrize("mode", ["LAB", "HSV", "I", "I;16", "I;16B", "I;16L"])
def test_black_is_dark_in_every_mode(mode: str) -> None:
    found = as_rgb(Image.new(mode, (3, 2)))
    assert found.shape == (2, 3, 3)
    assert found.dtype == np.uint8


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
        np.zeros((), np.uint8),
        np.zeros((4, 4, 3), np.int8),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4, 3), np.bool_),
        np.zeros((4, 4, 3), object),
        np.zeros((4, 4, 3), np.float64),
        Image.new("RGB", (4, 4)),
        None,
        "picture.png",
    ],
    ids=lambda image: f"{getattr(image, 'shape', image)} {getattr(image, 'dtype', '')}"[:30],
)
def test_what_is_no_picture_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        corrupt_image(image, "flip_h", 1, rng())
    assert str(caught.value).startswith("image must ")
    assert "\n" not in str(caught.value)


# Processes

SOME = ("shot_noise", "frost", "elastic_transform", "occlusion", "text_overlay", "keyboard", "paraphrase")


def one_view(job: tuple[str, int]) -> str:
    name, severity = job
    if name in IMAGE:
        data = image_view(noise(40, 60, 3), name, severity, seed=7, unit="ü").tobytes()
    else:
        data = text_view("Is there a dog in the image?", name, severity, seed=7, unit="ü").encode()
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def test_fresh_processes_agree_with_this_one_in_reverse() -> None:
    jobs = [(name, severity) for name in SOME for severity in SEVERITIES]
    here = {job: one_view(job) for job in reversed(jobs)}
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        there = pool.map(one_view, jobs, chunksize=3)
    assert there == [here[job] for job in jobs]


# Alone

ALONE = """
import sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "dmsbench", "scipy", "pandas", "transformers", "matplotlib"}:
            raise ImportError(name + " is not for this package")

sys.meta_path.insert(0, Refusal())
try:
    import torch
except ImportError:
    pass
else:
    raise SystemExit("the hook refuses nothing")
import numpy as np
from PIL import Image
from corruptions import *
from corruptions import as_rgb, blank_image, corrupt_image, corrupt_text, generator, names
picture = as_rgb(Image.new("RGB", (20, 20), (90, 120, 30)))
for severity in (1, 5):
    for name in names("image"):
        corrupt_image(picture, name, severity, generator(0, "u", name, severity))
    for name in names("text"):
        corrupt_text("is there a dog in the picture?", name, severity, generator(0, "u", name, severity))
blank_image(picture, "blank_noise", generator(0, "u", "blank_noise", 1))
print("alone")
"""


def test_the_package_works_where_nothing_heavy_can_be_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("alone", "")
