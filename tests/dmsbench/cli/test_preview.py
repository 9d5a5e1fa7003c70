"""Contact sheets: the right number of cells, the right content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import corruptions
from dmsbench.report.contact_sheet import GAP, SIDE, image_sheet, text_sheet


def test_a_cell_is_the_corrupted_picture_pixel_by_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    sheet = np.asarray(image_sheet(pixels, ["contrast", "gaussian_noise"], [2, 5], seed=3, unit="u"))
    shown = corruptions.image_view(pixels, "gaussian_noise", 5, seed=3, unit="u")
    enlarged = shown.repeat(SIDE // 64, axis=0).repeat(SIDE // 64, axis=1)
    right = sheet.shape[1] - 2 * GAP
    bottom = sheet.shape[0] - 2 * GAP
    assert np.array_equal(sheet[bottom - SIDE : bottom, right - SIDE : right], enlarged)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (900, 640)])
def test_any_size_gets_a_sheet(size: tuple[int, int]) -> None:
    pixels = np.full((*size, 3), 200, np.uint8)
    sheet = image_sheet(pixels, ["occlusion"], [1], seed=0, unit="u")
    assert sheet.width < 600
    assert sheet.height < 300


@pytest.mark.parametrize("text", ["", "word " * 80, "字" * 200, "a" * 500, "line\nbreak"])
def test_any_text_gets_a_sheet(text: str) -> None:
    assert text_sheet(text, ["keyboard"], [1, 5], seed=0, unit="u").width < 1200


def test_the_command(tmp_path: Path, dmsbench: Callable[..., Any]) -> None:
    out = tmp_path / "sheet.png"
    done = dmsbench("preview", "--corruption", "contrast", "--severity", "1,5", "--out", out)
    assert done.code == 0
    with Image.open(out) as sheet:
        assert sheet.format == "PNG"
    assert dmsbench("preview", "--text", "is there a circle?", "--out", out).code == 0
    for arguments, message in (
        (["--corruption", "ocr"], "of kind text: nothing to show on one image"),
        (["--corruption", "contrasst"], "did you mean"),
        (["--text", "a", "--image", "b.png"], "one sheet shows one of them"),
        (["--image", str(tmp_path / "none.png")], "no such image"),
        (["--out", str(tmp_path)], "cannot be written"),
        (["--backend", "nlpagu"], "did you mean 'nlpaug'"),
        (["--backend", "nlpaug"], "--backend 'nlpaug' has nothing to show on one image"),
        (["--backend", "imagecorruptions", "--corruption", "rain"], "does not offer 'rain'"),
    ):
        failed = dmsbench("preview", *arguments)
        assert failed.code == 2
        assert message in failed.err
