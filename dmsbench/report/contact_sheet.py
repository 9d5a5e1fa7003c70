"""Contact sheets: one image or one text under corruptions × severities, labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import corruptions

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

#: Pixels: the shown side of a picture, the width of a text cell, margins, height of letters.
SIDE, TEXT_WIDTH, GAP, LETTERS = 128, 250, 8, 14
_INK, _QUIET, _PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)


def image_sheet(
    pixels: npt.NDArray[np.uint8],
    names: Sequence[str],
    severities: Sequence[int],
    *,
    seed: int,
    unit: str,
    backend: str = corruptions.NATIVE,
) -> Image.Image:
    """A row a corruption, a column a severity, the clean picture first. ``pixels`` uint8 H×W×3.

    Small pictures are enlarged by whole factors without smoothing, so that pixels stay pixels.
    """
    from PIL import Image

    def cell(view: npt.NDArray[np.uint8]) -> Image.Image:
        shown = Image.fromarray(view)
        factor = SIDE / max(shown.size)
        if factor >= 1:
            size = (shown.width * int(factor), shown.height * int(factor))
            return shown.resize(size, Image.Resampling.NEAREST)
        return shown.resize(
            (max(1, round(shown.width * factor)), max(1, round(shown.height * factor))),
            Image.Resampling.LANCZOS,
        )

    rows = [
        (
            name,
            [
                cell(pixels),
                *(
                    cell(
                        corruptions.image_view(pixels, name, severity, seed=seed, unit=unit, backend=backend)
                    )
                    for severity in severities
                ),
            ],
        )
        for name in names
    ]
    return _sheet(rows, severities, SIDE, SIDE)


def text_sheet(
    text: str,
    names: Sequence[str],
    severities: Sequence[int],
    *,
    seed: int,
    unit: str,
    backend: str = corruptions.NATIVE,
) -> Image.Image:
    """A row a corruption, a column a severity, the clean text first; unchanged texts are said to be so."""
    from PIL import Image, ImageDraw

    font = _font(LETTERS - 1)

    def shown(view: str, clean: bool) -> str:
        return view if clean or view != text else f"{view} (unchanged)"

    def lines(view: str) -> list[str]:
        return _wrapped(font, view, TEXT_WIDTH)

    views = {
        name: [
            text,
            *(
                corruptions.text_view(text, name, severity, seed=seed, unit=unit, backend=backend)
                for severity in severities
            ),
        ]
        for name in names
    }
    wrapped = {
        name: [lines(shown(view, column == 0)) for column, view in enumerate(found)]
        for name, found in views.items()
    }
    height = max((len(cell) for row in wrapped.values() for cell in row), default=1) * (LETTERS + 4)
    rows = []
    for name, row in wrapped.items():
        cells = []
        for cell in row:
            picture = Image.new("RGB", (TEXT_WIDTH, height), _PAPER)
            draw = ImageDraw.Draw(picture)
            for number, line in enumerate(cell):
                draw.text((0, number * (LETTERS + 4)), line, fill=_INK, font=font)
            cells.append(picture)
        rows.append((name, cells))
    return _sheet(rows, severities, TEXT_WIDTH, height)


def _sheet(
    rows: Sequence[tuple[str, Sequence[Image.Image]]], severities: Sequence[int], width: int, height: int
) -> Image.Image:
    from PIL import Image, ImageDraw

    font = _font(LETTERS)
    labels = max((font.getlength(name) for name, _ in rows), default=0)
    left = int(labels) + 3 * GAP
    top = LETTERS + 3 * GAP
    columns = len(severities) + 1
    sheet = Image.new(
        "RGB", (left + columns * (width + GAP) + GAP, top + len(rows) * (height + GAP) + GAP), _PAPER
    )
    draw: ImageDraw.ImageDraw = ImageDraw.Draw(sheet)
    for column, title in enumerate(["clean", *(f"severity {severity}" for severity in severities)]):
        draw.text((left + column * (width + GAP), GAP), title, fill=_QUIET, font=font)
    for row, (name, cells) in enumerate(rows):
        y = top + row * (height + GAP)
        draw.text((GAP, y), name, fill=_INK, font=font)
        for column, cell in enumerate(cells):
            sheet.paste(cell, (left + column * (width + GAP), y))
    return sheet


def _font(size: int) -> Any:
    """DejaVu Sans, which matplotlib brings: it knows more scripts than Pillow's own."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)


def _wrapped(font: Any, text: str, width: int) -> list[str]:
    """The text in lines of at most so many pixels; broken between words where that is possible.

    Line breaks and other characters that do not print are shown as signs.
    """
    lines = [""]
    printable = "".join(letter if letter.isprintable() else "¶" for letter in text)
    for word in printable.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
