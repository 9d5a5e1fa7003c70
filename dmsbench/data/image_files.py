"""The one place that opens picture files: of known formats, of bounded size, whole, or not at all."""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from dmsbench.data.names import one_line
from dmsbench.plain_files import why_no_file

#: Formats that are read. Pillow knows others, one of which (EPS) is a program that another program runs.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "AVIF")
#: Of a file, before it is opened.
MOST_BYTES = 512 * 2**20
#: Of a picture, before its pixels are unpacked: a few bytes can say that they are a terabyte.
MOST_PIXELS = 89_000_000
#: Of one side: pictures are scaled to squares, and a thread of pixels that long is none.
LONGEST_SIDE = 100_000
#: Pillow's modes whose range is not known, in words.
_WIDE = {"I": "32-bit integers", "F": "floating-point numbers"}
#: What Pillow's readers raise over files that are not what they begin like.
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    struct.error,
    zlib.error,
    ArithmeticError,
    AttributeError,
    TypeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    MemoryError,
    RuntimeError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class UnusablePictureError(Exception):
    """A file that holds no picture that can be used: one line that begins with the file's name."""


def read(path: Path) -> npt.NDArray[np.uint8]:
    """The picture in a file as uint8 RGB, H×W×3.

    EXIF orientation is honoured; of an animation it is the first picture; 16 bits are cut to their upper 8;
    transparency is dropped, so that what lies under it shows.

    Raises UnusablePictureError where the file is missing, no ordinary file, over ``MOST_BYTES``, of none of
    FORMATS, over ``MOST_PIXELS`` or ``LONGEST_SIDE``, truncated, or of 32 bits a channel.
    """
    try:
        unfit = why_no_file(path, MOST_BYTES)
    except FileNotFoundError:
        unfit = "no such image"
    except (OSError, ValueError) as error:
        unfit = f"not a readable image ({one_line(getattr(error, 'strerror', None) or str(error))})"
    if unfit is not None:
        raise UnusablePictureError(f"{one_line(path.name)}: {unfit}")
    try:
        # Opened here: where Pillow opens and fails, it forgets to close.
        with path.open("rb") as file:
            return _pixels(file, path.name)
    except OSError as error:
        told = one_line(error.strerror or str(error))
        raise UnusablePictureError(f"{one_line(path.name)}: not a readable image ({told})") from None


def read_bytes(content: bytes, name: str) -> npt.NDArray[np.uint8]:
    """The picture in the bytes of a file, as ``read`` gives it; ``name`` is what messages call it.

    Raises UnusablePictureError as ``read`` does.
    """
    if len(content) > MOST_BYTES:
        raise UnusablePictureError(f"{one_line(name)}: has {len(content):,} bytes, more than {MOST_BYTES:,}")
    return _pixels(io.BytesIO(content), name)


def content(path: Path) -> bytes:
    """A file's bytes, or, of one that ``read`` would not open, why; raises OSError where nothing is there."""
    unfit = why_no_file(path, MOST_BYTES)
    return path.read_bytes() if unfit is None else unfit.encode()


def _pixels(file: IO[bytes], name: str) -> npt.NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            # Pillow talks to whoever reads the terminal about tags and palettes.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=_known_formats()) as picture:
                _check_size(name, picture)
                upright = ImageOps.exif_transpose(picture)
                return _rgb(name, upright)
    except UnidentifiedImageError:
        unfit = f"not a readable image (none of {', '.join(FORMATS)})"
    except _UNREADABLE as error:
        told = one_line(str(error))
        unfit = f"not a readable image ({told or type(error).__name__})"
    raise UnusablePictureError(f"{one_line(name)}: {unfit}")


def _check_size(name: str, picture: Image.Image) -> None:
    width, height = picture.size
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise UnusablePictureError(
            f"{one_line(name)}: {width:,} × {height:,} pixels, more than {MOST_PIXELS:,} or longer than "
            f"{LONGEST_SIDE:,}; scale it down"
        )


def _rgb(name: str, picture: Any) -> npt.NDArray[np.uint8]:
    if picture.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255: all but the darkest picture would turn white.
        grey = (np.asarray(picture) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode in _WIDE:
        raise UnusablePictureError(
            f"{one_line(name)}: its pixels are {_WIDE[picture.mode]}; save it with 8 bits"
        )
    return np.asarray(picture.convert("RGB"), dtype=np.uint8)


@functools.cache
def _known_formats() -> tuple[str, ...]:
    """Those that this Pillow was built with: of others it would raise."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)
