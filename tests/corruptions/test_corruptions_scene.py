"""Weather, masks and writing: shares, fillings, and that a higher severity holds the lower ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from corruptions import SEVERITIES, corrupt_image, get, image_view
from corruptions.image.overlay import _COLUMNS, MARKS, WORDS, _letters

MASKS = ("grid_mask", "cutout_centre", "hide_patches")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def values(name: str) -> tuple[float, ...]:
    return get(name).parameters["default"]  # type: ignore[return-value]


def textured(height: int, width: int) -> NDArray[np.uint8]:
    """Nothing black, white or near the mean grey: what was covered can be told."""
    image = rng(9).integers(10, 60, (height, width, 3), dtype=np.uint8)
    image[rng(8).random((height, width)) < 0.5] += 180
    return image


@pytest.mark.parametrize("shape", [(64, 64), (120, 45), (100, 133)], ids=str)
@pytest.mark.parametrize("name", MASKS)
def test_masks_nest_and_cover_the_stated_share(name: str, shape: tuple[int, int]) -> None:
    image = textured(*shape)
    fill = np.zeros(3) if name == "grid_mask" else np.rint(image.mean(axis=(0, 1)))
    shares = np.zeros((6, 5))
    for unit in range(6):
        below = np.zeros(shape, bool)
        for i, severity in enumerate(SEVERITIES):
            out = image_view(image, name, severity, seed=0, unit=str(unit))
            hidden = (out != image).any(axis=2)
            assert (out[hidden] == fill).all()
            assert not (below & ~hidden).any()
            assert hidden.sum() > below.sum()
            shares[unit, i] = hidden.mean()
            below = hidden
    assert shares.mean(axis=0).tolist() == pytest.approx(list(values(name)), abs=0.04)


def test_the_centre_is_in_the_middle() -> None:
    for shape in ((64, 64), (101, 40), (3, 3), (2, 2), (1, 1)):
        image = textured(*shape)
        for severity in SEVERITIES:
            hidden = (corrupt_image(image, "cutout_centre", severity, rng()) != image).any(axis=2)
            assert np.array_equal(hidden, hidden[::-1, ::-1])
            assert hidden.any() or shape == (1, 1)  # one pixel is its own mean


def test_hidden_patches_are_whole() -> None:
    image = textured(80, 160)
    for severity, share in zip(SEVERITIES, values("hide_patches"), strict=True):
        out = image_view(image, "hide_patches", severity, seed=0, unit="a")
        patches = (out != image).any(axis=2).reshape(8, 10, 8, 20).mean(axis=(1, 3))
        assert set(np.unique(patches)) == {0.0, 1.0}
        assert patches.sum() == round(share * 64)


@pytest.mark.parametrize("size", [(64, 64), (90, 200)], ids=str)
def test_rain_falls_in_one_direction_and_nests(size: tuple[int, int]) -> None:
    black = np.zeros((*size, 3), np.uint8)
    for unit in ("a", "b", "c"):
        below = np.zeros(size, bool)
        for severity, share in zip(SEVERITIES, values("rain"), strict=True):
            out = image_view(black, "rain", severity, seed=0, unit=unit)
            wet = out.any(axis=2)
            assert set(np.unique(out)) == {0, 118}
            assert not (below & ~wet).any()
            assert 0.5 * share < wet.mean() <= 1.15 * share
            below = wet
        grey = image_view(np.full((*size, 3), 200, np.uint8), "rain", 5, seed=0, unit=unit)
        assert grey.min() == round(200 * (1 - 0.35 * 0.40))


def test_shadows_only_darken_one_place() -> None:
    for shape in ((64, 64), (40, 150), (150, 40), (1, 1), (1, 20), (20, 1)):
        image = np.full((*shape, 3), 240, np.uint8)
        for unit in ("a", "b", "c", "d"):
            below = image
            for severity, share in zip(SEVERITIES, values("shadow"), strict=True):
                out = image_view(image, "shadow", severity, seed=0, unit=unit)
                assert (out <= below).all()
                assert np.array_equal(out < 240, (below < 240) | (out < 240))
                if min(shape) > 1:
                    assert out.min() == round(240 * (1 - share))
                    assert out.max() == 240
                below = out


def test_letters_are_there_and_say_nothing_about_the_picture() -> None:
    for text in (*WORDS, *MARKS):
        assert set(text) <= set(_COLUMNS)
    assert not set(" ".join((*WORDS, *MARKS)).split()) & {
        *("YES", "NO", "RED", "GREEN", "BLUE", "BLACK", "WHITE", "GREY", "YELLOW", "LEFT", "RIGHT", "ONE"),
        *("CIRCLE", "SQUARE", "RECTANGLE", "TRIANGLE", "TEAL", "BROWN", "TWO", "A", "B", "C", "D", "NOT"),
    }
    assert len({_letters(letter, 1).tobytes() for letter in _COLUMNS}) == 27
    drawn = ["".join(".#"[dot] for dot in row) for row in _letters("TL", 1).astype(int).tolist()]
    assert drawn == [
        "#####.#....",
        "..#...#....",
        "..#...#....",
        "..#...#....",
        "..#...#....",
        "..#...#....",
        "..#...#####",
    ]
    assert _letters("TL", 3).shape == (21, 33)


@pytest.mark.parametrize("shape", [(64, 64), (240, 320), (70, 30), (5, 9)], ids=str)
def test_written_lines_nest(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 90, np.uint8)
    for unit in ("a", "b", "c"):
        below = np.zeros(shape, bool)
        for severity in SEVERITIES:
            out = image_view(image, "text_overlay", severity, seed=0, unit=unit)
            written = (out != 90).any(axis=2)
            assert set(np.unique(out)) <= {0, 90, 255}
            assert not (below & ~written).any()
            below = written
        assert below.any()


def test_watermarks_only_get_more_opaque() -> None:
    image = np.full((96, 128, 3), 100, np.uint8)
    for unit in ("a", "b", "c"):
        places = set()
        for severity, opacity in zip(SEVERITIES, values("watermark"), strict=True):
            out = image_view(image, "watermark", severity, seed=0, unit=unit)
            levels = sorted(np.unique(out).tolist())
            assert levels == pytest.approx([100 * (1 - opacity), 100, 100 + 155 * opacity], abs=0.51)
            places.add(np.where(out > 100, 2, np.where(out < 100, 1, 0)).tobytes())
            assert 0.05 < np.mean(out != 100) < 0.5
        assert len(places) == 1


@pytest.mark.parametrize("name", ["grid_mask", "rain", "text_overlay", "watermark"])
def test_small_pictures_take_their_share(name: str) -> None:
    for side in (1, 2, 3, 5, 8, 13):
        image = np.full((side, side, 3), 90, np.uint8)
        moved = [
            np.mean([np.any(image_view(image, name, s, seed=0, unit=str(u)) != 90) for u in range(40)])
            for s in (1, 5)
        ]
        assert moved[0] <= moved[1]
        assert moved[1] > 0
