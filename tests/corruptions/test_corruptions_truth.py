"""What entries say that they can make false, held against pictures whose truth is known."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from corruptions import (
    SEVERITIES,
    TOPICS,
    Corruption,
    InvalidInputError,
    catalogue,
    get,
    image_view,
    names,
    text_view,
)

UNITS = ("a", "b", "c", "d")
PATCH = 48
COLOURS = {
    "red": (220, 20, 30),
    "orange": (255, 140, 0),
    "yellow": (250, 230, 20),
    "green": (20, 150, 40),
    "blue": (20, 60, 220),
    "purple": (130, 20, 160),
    "black": (10, 10, 10),
    "grey": (128, 128, 128),
    "white": (245, 245, 245),
}
NEUTRAL = ("black", "grey", "white")
# A neutral patch is one of a colour from this CIELAB chroma on; a coloured one keeps its colour in sight
# with half of its chroma, and is only faded with less.
TINTED, FADED = 20.0, 0.5
# Degrees: strong noise is cut at white and black, which moves the mean a little, one draw more than another.
CLEARLY = 5.0
# Not about colour: things move (geometry), are hidden (occlusion, overlay) or lie behind a veil that is in
# sight itself (weather, glare).
ASIDE = ("geometry", "occlusion", "overlay", "weather")
VEILS = ("glare",)
GREYS_ONLY = ("grayscale",)  # all is faded, and grey is a colour that an answer can name


def test_topics_are_checked_and_mismatches_are_about_everything() -> None:
    for entry in catalogue():
        assert set(entry.falsifies) <= set(TOPICS)
        assert ("everything" in entry.falsifies) == (entry.family == "mismatch")
        assert not (entry.family in ("noise", "blur", "occlusion", "absence", "blank") and entry.falsifies)
    assert get("flip_h").to_dict()["falsifies"] == ["position", "text"]
    with pytest.raises(InvalidInputError, match="no topic 'hue'"):
        Corruption("x", "image", "image", "f", "p", {}, "s", "d", falsifies=("hue",))  # type: ignore[arg-type]


def test_texts_that_ask_something_else() -> None:
    """Words that go or change places can ask for something else; damaged letters only read worse."""
    found = {entry.name for entry in catalogue() if entry.kind == "text" and entry.falsifies}
    assert found == {"word_delete", "word_swap", "word_shuffle", "truncate"}

    def asked(text: str, name: str) -> set[str]:
        return {text_view(text, name, s, seed=0, unit=str(u)) for s in SEVERITIES for u in range(400)}

    assert "is there a circle?" in asked("is there a small circle?", "word_delete")
    assert "does cat chase dog?" in asked("does dog chase cat?", "word_shuffle")
    assert "is dog left of cat?" in asked("is cat left of dog?", "word_shuffle")
    assert "is it a boat house?" in asked("is it a house boat?", "word_swap")
    assert "is it a dog?" in asked("is it a dog with a hat?", "truncate")


def lightness_chroma_hue(pixel: NDArray[np.float64]) -> tuple[float, float, float]:
    """Of one sRGB pixel, in CIELAB; the hue in degrees."""
    lightness, a, b = cv2.cvtColor(np.float32([[pixel]]) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    return float(lightness), float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)))


CLEAN = {name: lightness_chroma_hue(np.array(pixel, float)) for name, pixel in COLOURS.items()}


def seen_as(colour: str, hue: float) -> str:
    """The name of the nearest hue; the patch's own where another is not clearly nearer."""
    coloured = (name for name in COLOURS if name not in NEUTRAL)
    far = {name: abs((hue - CLEAN[name][2] + 180) % 360 - 180) for name in coloured}
    nearest = min(far, key=lambda name: far[name])
    return nearest if far[nearest] + CLEARLY < far[colour] else colour


def false_colours(name: str, severity: int, unit: str) -> list[str]:
    """The patches that show another colour than their own; a faded one shows none."""
    tile = np.array(list(COLOURS.values()), np.uint8).reshape(3, 3, 3)
    view = image_view(
        tile.repeat(PATCH, axis=0).repeat(PATCH, axis=1), name, severity, seed=0, unit=unit
    ).astype(float)
    found, lightness = [], {}
    for (row, column), colour in zip(product(range(3), repeat=2), COLOURS, strict=True):
        # The inner half: blur and storage mix what lies beside each other, at the borders.
        patch = view[
            row * PATCH + 12 : (row + 1) * PATCH - 12, column * PATCH + 12 : (column + 1) * PATCH - 12
        ]
        lightness[colour], chroma, hue = lightness_chroma_hue(patch.mean(axis=(0, 1)))
        if colour in NEUTRAL:
            if chroma >= TINTED:
                found.append(colour)
        elif chroma >= FADED * CLEAN[colour][1] and seen_as(colour, hue) != colour:
            found.append(f"{colour} as {seen_as(colour, hue)}")
    if not lightness["black"] <= lightness["grey"] + 2 <= lightness["white"] + 4:
        found.append("the order of black, grey and white")
    return found


@pytest.mark.parametrize("name", names("image"))
def test_who_falsifies_colour(name: str) -> None:
    if get(name).family in ASIDE or name in VEILS:
        assert "colour" not in get(name).falsifies
        return
    found = {(s, unit): false_colours(name, s, unit) for s in SEVERITIES for unit in UNITS}
    found = {key: colours for key, colours in found.items() if colours}
    if "colour" in get(name).falsifies and name not in GREYS_ONLY:
        assert found
    else:
        assert not found


def test_grayscale_leaves_no_colour() -> None:
    pixels = np.array(list(COLOURS.values()), np.uint8).reshape(3, 3, 3)
    grey = image_view(pixels, "grayscale", 5, seed=0, unit="a")
    assert (grey == grey[:, :, :1]).all()
    assert "colour" in get("grayscale").falsifies


SIDE, RADIUS = 96, 10
PLACES = {"left": (48, 22), "right": (48, 74), "top": (22, 48), "bottom": (74, 48)}  # row, column


def centroid(image: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Where the two differ most; None where hardly any difference is left.

    Fillings with the mean colour differ a little: half of the largest difference parts the blob from that.
    """
    weight = np.abs(image.astype(float) - background).sum(axis=2)
    if weight.max() < 60:
        return None
    weight[weight < weight.max() / 2] = 0
    return np.array([np.average(axis, weights=weight) for axis in np.mgrid[0:SIDE, 0:SIDE]])


def moved(name: str, severity: int, unit: str) -> list[str]:
    """The places whose blob is seen in the other half. The same view of the empty picture is taken off."""
    empty = np.full((SIDE, SIDE, 3), 120, np.uint8)
    empty[0] = 255  # fog scales back to the brightest pixel, which is the same with and without the blob
    background = image_view(empty, name, severity, seed=0, unit=unit)
    found = []
    for place, (row, column) in PLACES.items():
        blob = cv2.circle(empty.copy(), (column, row), RADIUS, (240, 240, 60), -1)
        middle = centroid(image_view(blob, name, severity, seed=0, unit=unit), background.astype(float))
        axis, lower = (1, column < SIDE / 2) if column != SIDE // 2 else (0, row < SIDE / 2)
        if middle is not None and (middle[axis] < (SIDE - 1) / 2) != lower:
            found.append(place)
    return found


@pytest.mark.parametrize("name", names("image"))
def test_who_falsifies_position(name: str) -> None:
    if get(name).family in ("noise", "sensor"):
        assert "position" not in get(name).falsifies  # every pixel by itself: nothing can move
        return
    found = [moved(name, severity, unit) for severity in SEVERITIES for unit in UNITS]
    if "position" not in get(name).falsifies:
        assert not any(found)


@pytest.mark.parametrize("name", ["flip_h", "flip_v", "translate", "partial_crop"])
def test_things_do_change_sides(name: str) -> None:
    assert any(moved(name, severity, unit) for severity in SEVERITIES for unit in map(str, range(24)))
