"""Reading captions of scenes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.data.scenes.language import caption, context
from dmsbench.data.scenes.world import COLOURS, COLUMNS, ROWS, SHAPES, SIZES, draw_scene
from dmsbench.tasks.captions.things import Said, things_said

BIG_RED = Said("circle", "red", "large", "top left")
SMALL_BLUE = Said("square", "blue", "small", "centre")
WORDS = st.sampled_from(
    (*SHAPES, *COLOURS, *SIZES, *ROWS, *COLUMNS, "a", "and", "at", "the", ",", "is", "of")
)


@pytest.mark.parametrize(
    "text",
    [
        "a large red circle at the top left and a small blue square at the centre",
        "red large circle top left, blue small square centre",
        "A big red disc in the upper-left corner. A tiny blue square in the middle.",
        "there is a large red circle at the left top and there is a small blue square in the center",
        "at the top left a large red circle and at the centre a small blue square",
        "a circle that is large and red at the top left and a square that is small and blue at the centre",
        "a large red circle at the top left of the picture and a small blue square at its centre",
        "the top left has a large red circle, the middle centre has a small blue square",
        "a large red circle at the top left a small blue square at the centre",
        "large red circle at top left small blue square at centre",
    ],
)
def test_wordings_of_the_same(text: str) -> None:
    assert things_said(text) == (BIG_RED, SMALL_BLUE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ()),
        ("a a a a", ()),
        ("no 3", ()),
        ("a dog on the grass", ()),
        ("a red circle", (Said("circle", "red"),)),
        ("red", (Said(colour="red"),)),
        ("a green thing at the bottom right", (Said(None, "green", None, "bottom right"),)),
        ("a red circle small blue square", (Said("circle", "red"), Said("square", "blue", "small"))),
        ("a red and a blue circle", (Said(colour="red"), Said("circle", "blue"))),
        ("a red circle and a small", (Said("circle", "red"), Said(size="small"))),
        ("a circle and an orange", (Said("circle"), Said(colour="orange"))),
        ("a small a a circle", (Said(size="small"), Said("circle"))),
        ("red circle and top left square", (Said("circle", "red"), Said("square", place="top left"))),
        ("red circle, top left square", (Said("circle", "red"), Said("square", place="top left"))),
        ("a small and a red circle", (Said(size="small"), Said("circle", "red"))),
        ("a circle at the left, red and small", (Said("circle", "red", "small", "left"),)),
        (
            "a red circle at the top left, at the bottom right, small, blue square",
            (Said("circle", "red", None, "top left"), Said("square", "blue", "small", "bottom right")),
        ),
        ("crosses", (Said("cross"),)),
        # The same word twice is said of two things.
        ("red red", (Said(colour="red"), Said(colour="red"))),
        ("circle circle", (Said("circle"), Said("circle"))),
        # A relation says nothing of a place, and half a place is none of a scene's.
        ("a red circle left of a blue square", (Said("circle", "red"), Said("square", "blue"))),
        ("a circle at the top", (Said("circle", place="top"),)),
        ("a circle at the left right", (Said("circle", place="left right"),)),
    ],
)
def test_what_is_said(text: str, said: tuple[Said, ...]) -> None:
    assert things_said(text) == said


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("middle left", "middle left"),
        ("centre left", "middle left"),
        ("right middle", "middle right"),
        ("top middle", "top centre"),
        ("centre bottom", "bottom centre"),
        ("middle", "centre"),
        ("middle centre", "centre"),
        ("top bottom", "top bottom"),
    ],
)
def test_places(words: str, place: str) -> None:
    assert things_said(words) == (Said(place=place),)


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_a_scenes_caption_says_all_of_it(seed: int, level: int) -> None:
    scene = draw_scene(np.random.default_rng(seed), level)
    assert things_said(caption(scene)) == tuple(
        Said(thing.shape, thing.colour, thing.size, thing.place) for thing in scene.things
    )


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_a_scenes_context_says_part_of_it(seed: int, level: int) -> None:
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, level)
    text = context(scene, rng)
    said = things_said(text)
    whole = {thing.name: thing for thing in scene.things}
    assert len(said) == text.count(" and ") + 1
    for thing in said:
        known = whole[f"{thing.colour} {thing.shape}"]
        assert thing.size in (None, known.size)
        assert thing.place in (None, known.place)
    assert sum(thing.size is not None for thing in said) == sum(text.split().count(size) for size in SIZES)
    assert sum(thing.place is not None for thing in said) == text.count(" at the ")


@given(st.lists(WORDS, max_size=30))
def test_every_word_of_a_shape_colour_or_size_is_a_claim(words: list[str]) -> None:
    said = things_said(" ".join(words))
    for names, attribute in ((SHAPES, "shape"), (COLOURS, "colour"), (SIZES, "size")):
        named = [getattr(thing, attribute) for thing in said if getattr(thing, attribute) is not None]
        assert sorted(named) == sorted(word for word in words if word in names)


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    assert all(thing.claims for thing in things_said(text))
