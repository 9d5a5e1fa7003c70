"""Files that are no pictures, or not such as can be used: a reason each, and never a crash."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from counted import count
from hypothesis import given
from hypothesis import strategies as st
from picture_files import ALL, SIDE, encoded, picture, png_of, spoilt
from PIL import Image
from trials import check_message, trials

from dmsbench.data import image_files
from dmsbench.data.image_files import LONGEST_SIDE, MOST_BYTES, UnusablePictureError, read


def refused(path: Path) -> str:
    """Why a file is not read."""
    with pytest.raises(UnusablePictureError) as caught:
        read(path)
    check_message(str(caught.value))
    assert str(caught.value).startswith(f"{path.name}: ")
    assert str(path.parent) not in str(caught.value)
    count("bad inputs: pictures")
    return str(caught.value).removeprefix(f"{path.name}: ")


def written(folder: Path, content: bytes, name: str = "a.png") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def sparse(path: Path) -> None:
    """A file over the limit that takes no room."""
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)


def as_shown(content: bytes) -> np.ndarray:
    """As Pillow itself shows it."""
    with Image.open(io.BytesIO(content)) as found:
        return np.asarray(found.convert("RGB"))


@pytest.mark.parametrize(("kind", "mode"), ALL)
def test_every_kind_that_is_read(tmp_path: Path, kind: str, mode: str) -> None:
    content = encoded(kind, mode)
    path = written(tmp_path, content)
    count("bad inputs: pictures")
    if mode in ("I", "F"):
        assert "save it with 8 bits" in refused(path)
    elif mode == "I;16":
        upper = np.asarray(picture(mode)) >> 8
        assert np.array_equal(read(path), np.repeat(upper[:, :, None], 3, axis=2))
    else:
        assert np.array_equal(read(path), as_shown(content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a readable image"),
        (b"hello", "not a readable image"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
            "not a readable image",
        ),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "not a readable image"),
        (b"%PDF-1.4\n", "not a readable image"),
        (b"PK\x03\x04" + bytes(100), "not a readable image"),
        (b'{"image": "a.png"}\n', "not a readable image"),
        (encoded("PNG")[:200], "truncated"),
        (encoded("JPEG")[:300], "Truncated"),
        (encoded("BMP")[:-1], "truncated"),
    ],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refused(written(tmp_path, content))


@pytest.mark.parametrize("kind", ["EPS", "PCX", "TGA", "ICO", "XBM"])
def test_formats_that_are_not_read(tmp_path: Path, kind: str) -> None:
    """One of them is a program, which Pillow hands to an interpreter."""
    sink = io.BytesIO()
    picture("1" if kind == "XBM" else "RGB").save(sink, kind)
    assert "not a readable image" in refused(written(tmp_path, sink.getvalue()))


@pytest.mark.parametrize(
    ("width", "height", "rows"),
    [
        (30_000, 30_000, 30_000),
        (30_000, 30_000, 1),
        (2**31 - 1, 2**31 - 1, 0),
        (80_000_000, 1, 1),
        (1, 100_001, 9),
    ],
)
def test_few_bytes_that_say_they_are_many_pixels(tmp_path: Path, width: int, height: int, rows: int) -> None:
    content = png_of(width, height, rows)
    assert len(content) < 2**20
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow's own goes to the terminal
        said = refused(written(tmp_path, content))
    assert f"{width:,} × {height:,} pixels" in said or "decompression bomb" in said


def test_a_long_picture_that_is_read(tmp_path: Path) -> None:
    assert read(written(tmp_path, png_of(LONGEST_SIDE, 1, 1))).shape == (1, LONGEST_SIDE, 3)
    assert read(written(tmp_path, png_of(1, 1, 1))).shape == (1, 1, 3)
    count("bad inputs: pictures", 2)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_many(tmp_path: Path, kind: str) -> None:
    first, *rest = (picture().rotate(90 * turn).convert("RGB") for turn in range(3))
    first.save(
        tmp_path / "a",
        kind,
        save_all=True,
        append_images=rest,
        **{"lossless": True} if kind == "WEBP" else {},
    )
    assert np.array_equal(read(tmp_path / "a"), as_shown((tmp_path / "a").read_bytes()))
    count("bad inputs: pictures")


def test_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read(tmp_path / "a.jpg").shape == (8, 4, 3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "is a folder, no file"),
        (lambda path: os.mkfifo(path), "is a pipe, no file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, no file"),
        (lambda path: path.symlink_to(path), "not a readable image"),
        (lambda path: None, "no such image"),
        (
            sparse,
            "bytes, more than",
        ),
    ],
)
def test_what_is_no_ordinary_file(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    """A pipe waits for ever, a device never ends."""
    path = tmp_path / "a.png"
    make(path)
    assert said in refused(path)
    # Nor is it read to see whether the data changed.
    if path.exists():
        assert len(image_files.content(path)) < 100


def test_a_name_that_no_file_has(tmp_path: Path) -> None:
    with pytest.raises(UnusablePictureError, match="too long"):
        read(tmp_path / ("x" * 5000))
    with pytest.raises(UnusablePictureError, match="null byte"):
        read(tmp_path / "a\0.png")


def test_no_name_reaches_the_terminal_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(UnusablePictureError) as caught:
        read(tmp_path / "\x1b[31m\n.png")
    assert str(caught.value).isprintable()


@trials(900)
@given(content=spoilt())
def test_spoilt_files(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), content, "spoilt")
    count("bad inputs: pictures")
    try:
        found = read(path)
    except UnusablePictureError as error:
        check_message(str(error))
        assert str(error).startswith("spoilt: ")
    else:
        assert found.dtype == np.uint8
        assert found.ndim == 3
        assert found.shape[2] == 3


@trials(300)
@given(kind=st.sampled_from(ALL), share=st.floats(0, 1, exclude_max=True))
def test_no_part_of_a_picture_is_taken_for_it(
    tmp_path_factory: pytest.TempPathFactory, kind: tuple[str, str], share: float
) -> None:
    content = encoded(*kind)
    path = written(tmp_path_factory.getbasetemp(), content[: int(share * len(content))], "cut")
    count("bad inputs: pictures")
    try:
        found = read(path)
    except UnusablePictureError:
        return
    # What is cut off held no pixels: the end mark, say.
    path.write_bytes(content)
    assert found.shape == (SIDE, SIDE, 3)
    assert np.array_equal(found, read(path))
