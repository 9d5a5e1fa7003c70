"""Picture files of every format that is read, and ways to spoil them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from hypothesis import strategies as st
from PIL import Image

SIDE = 24
SAVED = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
MODES = {
    "PNG": ("RGB", "RGBA", "L", "P", "1", "LA", "I;16"),
    "JPEG": ("RGB", "L", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("P", "L"),
    "BMP": ("RGB", "L", "1", "P"),
    "TIFF": ("RGB", "RGBA", "L", "P", "1", "CMYK", "I;16", "I", "F", "LAB"),
    "PPM": ("RGB", "L", "1"),
    "JPEG2000": ("RGB", "L"),
}
ALL = tuple((kind, mode) for kind in SAVED for mode in MODES[kind])


def picture(mode: str = "RGB", side: int = SIDE) -> Image.Image:
    """Noise: what is cut off or turned shows."""
    rng = np.random.default_rng(3)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (side, side), dtype=np.uint16))
    if mode in ("I", "F"):
        return Image.fromarray(
            rng.integers(0, 1000, (side, side)).astype("int32" if mode == "I" else "float32")
        )
    colours = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    if mode == "LAB":
        return Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8), mode="LAB")
    return colours.convert(mode)


def encoded(kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    """A sound file."""
    sink = io.BytesIO()
    picture(mode).save(sink, kind, **options)
    return sink.getvalue()


def png_of(width: int, height: int, rows: int) -> bytes:
    """A PNG whose header says so large, of grey zeros, with so many rows really there."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    squeezed = zlib.compressobj(9)
    content = b"".join(squeezed.compress(bytes(width + 1)) for _ in range(rows)) + squeezed.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A sound file with bytes turned, cut out, put in or exchanged with another's; or any bytes."""
    content = bytearray(encoded(*draw(st.sampled_from(ALL))))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        how = draw(st.sampled_from(("turn", "cut", "end", "insert", "splice", "number", "replace")))
        if how == "turn" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del content[at : at + draw(st.integers(1, 64))]
        elif how == "end":
            del content[at:]
        elif how == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=32))
        elif how == "splice":
            other = encoded(*draw(st.sampled_from(ALL)))
            content[at:] = other[draw(st.integers(0, len(other))) :]
        elif how == "number":
            # Lengths, counts and sides are numbers of these sizes.
            width = draw(st.sampled_from((1, 2, 4)))
            content[at : at + width] = draw(st.sampled_from((b"\xff", b"\0", b"\x7f"))) * width
        else:
            content = bytearray(draw(st.binary(max_size=200)))
    return bytes(content)
