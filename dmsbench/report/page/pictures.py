"""Pictures on the page: encoded small, each once, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

#: Longer sides are shown smaller, in pixels.
SIDE = 320
_SMALL = 3000
"""Bytes up to which a picture is kept without loss."""
_QUALITY = 88


@dataclass(slots=True)
class Album:
    """Pictures by content; once ``budget`` bytes are spent, further ones are turned away and counted."""

    budget: int
    pictures: list[str] = field(default_factory=list)
    """As data URLs."""
    spent: int = 0
    turned_away: int = 0
    shrunk: bool = False
    """Whether a picture is shown smaller than it is."""
    _known: dict[str, int] = field(default_factory=dict)

    def known(self, key: str) -> int | None:
        """The place of a picture that is in already."""
        return self._known.get(key)

    def add(self, key: str, pixels: npt.NDArray[np.uint8]) -> int | None:
        """The place of a picture, uint8 H×W×3, identified by ``key``; None where it does not fit any more."""
        if key in self._known:
            return self._known[key]
        if self.spent >= self.budget:
            self.turned_away += 1
            return None
        content, mime = encoded(pixels)
        self.spent += len(content)
        self.shrunk = self.shrunk or max(pixels.shape[:2]) > SIDE
        self._known[key] = len(self.pictures)
        self.pictures.append(f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}")
        return self._known[key]


def encoded(pixels: npt.NDArray[np.uint8]) -> tuple[bytes, str]:
    """WebP (PNG where Pillow lacks it), without loss where that is small, and its MIME type."""
    from PIL import Image, features

    picture = Image.fromarray(pixels)
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    if not features.check("webp"):
        return _saved(picture, "PNG", optimize=True), "image/png"
    exact = _saved(picture, "WEBP", lossless=True, quality=60, method=2)
    if len(exact) <= _SMALL:
        return exact, "image/webp"
    near = _saved(picture, "WEBP", quality=_QUALITY, method=2)
    return min(exact, near, key=len), "image/webp"


def _saved(picture: object, form: str, **options: object) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, format=form, **options)  # type: ignore[attr-defined]
    return sink.getvalue()
