"""What scenes show and say, read back by other means than they are made with."""

from __future__ import annotations

import colorsys
import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dmsbench.data.scenes.language import ANSWERS, KINDS, Question, caption, context, questions
from dmsbench.data.scenes.render import PAINT, SIDE, box, render
from dmsbench.data.scenes.world import (
    COLOURS,
    LEVELS,
    SHAPES,
    SIZES,
    Scene,
    Thing,
    draw_scene,
    scenes,
)

LEVEL = pytest.mark.parametrize("level", [1, 2, 3])


def generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=list(key)))


@lru_cache(maxsize=3)
def drawn(level: int) -> tuple[tuple[Scene, tuple[Question, ...]], ...]:
    """500 scenes with up to five questions each."""
    rng = generator(11, level)
    found = (draw_scene(rng, level) for _ in range(500))
    return tuple((scene, questions(scene, rng, 5)) for scene in found)


# --- the independent reading: sentences in, tuples of words out -----------------------------------------


@dataclass(frozen=True)
class Read:
    """A thing as a sentence tells it; None where it does not say."""

    size: str | None
    colour: str
    shape: str
    place: str | None

    @property
    def down(self) -> int:
        return ["top", "middle", "bottom"].index("middle" if self.place == "centre" else self.words[0])

    @property
    def across(self) -> int:
        return ["left", "centre", "right"].index("centre" if self.place == "centre" else self.words[1])

    @property
    def words(self) -> list[str]:
        assert self.place is not None
        return self.place.split(" ")


def read(sentence: str) -> list[Read]:
    found = []
    for part in sentence.split(" and "):
        told = re.fullmatch(r"a (?:(small|large) )?(\w+) (\w+)(?: at the ([a-z ]+))?", part)
        assert told is not None, part
        found.append(Read(*told.groups()))  # type: ignore[arg-type]
    return found


def only(things: list[Read], **wanted: str) -> Read:
    """The one thing that a question speaks of: a question about two or none has no answer."""
    found = [t for t in things if all(getattr(t, key) == value for key, value in wanted.items())]
    assert len(found) == 1, (wanted, things)
    return found[0]


PLURALS = {"circles": "circle", "squares": "square", "triangles": "triangle", "crosses": "cross"}


def answer(question: str, things: list[Read]) -> str:
    """The answer by brute force over all that is there."""

    def match(pattern: str) -> Any:
        return re.fullmatch(pattern, question)

    if told := match(r"is there a (\w+) (\w+)\?"):
        return "yes" if [t for t in things if (t.colour, t.shape) == told.groups()] else "no"
    if match(r"how many shapes are there\?"):
        return str(len(things))
    if told := match(r"how many (\w+) shapes are there\?"):
        return str(sum(t.colour == told[1] for t in things))
    if told := match(r"how many (\w+) are there\?"):
        return str(sum(t.shape == PLURALS[told[1]] for t in things))
    if told := match(r"what colour is the shape at the ([a-z ]+)\?"):
        return only(things, place=told[1]).colour
    if told := match(r"what colour is the (\w+)\?"):
        return only(things, shape=told[1]).colour
    if told := match(r"what shape is (\w+)\?"):
        return only(things, colour=told[1]).shape
    if told := match(r"how large is the (\w+) (\w+)\?"):
        size = only(things, colour=told[1], shape=told[2]).size
        assert size is not None
        return size
    told = match(r"is the (\w+) (\w+) (left of|right of|above|below|larger than) the (\w+) (\w+)\?")
    assert told, question
    one, other = only(things, colour=told[1], shape=told[2]), only(things, colour=told[4], shape=told[5])
    assert one != other
    if told[3] == "larger than":
        return "yes" if (one.size, other.size) == ("large", "small") else "no"
    gap = other.across - one.across if "of" in told[3] else other.down - one.down
    assert gap != 0, question
    return "yes" if (gap > 0) == (told[3] in ("left of", "above")) else "no"


@LEVEL
def test_every_answer_is_what_an_independent_reading_finds(level: int) -> None:
    asked = 0
    for scene, some in drawn(level):
        things = read(caption(scene))
        assert len(set(things)) == len(scene.things)
        assert len({question.text for question in some}) == len(some)
        for question in some:
            assert answer(question.text, things) == question.answer, (question, things)
            assert question.answer in ANSWERS
            asked += 1
    assert asked >= 2000


@LEVEL
def test_a_context_never_lies_and_leaves_out_a_part(level: int) -> None:
    named = total = sized = placed = 0
    rng = generator(12, level)
    for scene, _ in drawn(level):
        truth = read(caption(scene))
        told = read(context(scene, rng))
        assert told and len({(t.colour, t.shape) for t in told}) == len(told)
        for thing in told:
            real = only(truth, colour=thing.colour, shape=thing.shape)
            assert thing.size in (None, real.size)
            assert thing.place in (None, real.place)
            sized += thing.size is not None
            placed += thing.place is not None
        named, total = named + len(told), total + len(truth)
    assert 0.87 < named / total < 0.98
    assert 0.7 < sized / named < 0.8
    assert 0.7 < placed / named < 0.8


@LEVEL
def test_what_a_question_is_about(level: int) -> None:
    for _, some in drawn(level):
        for question in some:
            words = set(re.findall(r"\w+", question.text)) | {question.answer}
            expected = {
                topic
                for topic, signs in (
                    ("colour", {*COLOURS, "colour"}),
                    ("position", {"left", "right", "above", "below", "at"}),
                    ("size", {"large", "larger"}),
                    ("count", {"many", "there"}),
                )
                if words & signs
            }
            assert set(question.about) == expected, question


@LEVEL
def test_yes_and_no_are_about_even_and_every_kind_is_asked(level: int) -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for _, some in drawn(level):
        for question in some:
            answers[question.kind][question.answer] += 1
    assert set(answers) == set(KINDS)
    total = sum(found.total() for found in answers.values())
    for kind in ("exists", "relation", "compare"):
        found = answers[kind]
        assert set(found) == {"yes", "no"}
        assert 0.4 < found["yes"] / found.total() < 0.6, (kind, found)
    least = 0.03 if level == 1 else 0.1  # of one thing alone there is nothing to compare
    assert all(found.total() / total > least for found in answers.values())
    # No answer of what has many is the rule.
    assert answers["attribute"].most_common(1)[0][1] / answers["attribute"].total() < 0.25


# --- pictures -------------------------------------------------------------------------------------------


def seen(pixels: Any) -> list[tuple[int, int, str, str, str]]:
    """Row, column, shape, colour and size of what a picture shows, from its pixels alone."""
    values, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    background = values[counts.argmax()].astype(int)
    assert np.ptp(background) == 0
    off = np.abs(pixels.astype(int) - background).sum(axis=2)
    edges = (0, 21, 43, SIDE)
    found = []
    for row in range(3):
        for column in range(3):
            window = np.s_[edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
            if not off[window].any():
                continue
            inks, counts = np.unique(pixels[window][off[window] > 0], axis=0, return_counts=True)
            ink = tuple(inks[counts.argmax()].tolist())
            mask = off[window] > off[window].max() / 2
            ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            mask = mask[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
            # Corners and filling tell the four shapes apart.
            low, high = mask[-2:, :2].any() and mask[-2:, -2:].any(), mask[0, 0] and mask[0, -1]
            if high:
                shape = "square"
            elif low:
                shape = "triangle"
            else:
                shape = "circle" if mask.mean() > 0.7 else "cross"
            colour = next(name for name, paint in PAINT.items() if paint == ink)
            found.append((row, column, shape, colour, "large" if mask.shape[0] >= 14 else "small"))
    return found


@LEVEL
def test_a_picture_shows_its_things_and_nothing_else(level: int) -> None:
    for scene, _ in drawn(level):
        shown = seen(render(scene))
        assert shown == [(t.row, t.column, t.shape, t.colour, t.size) for t in scene.things]


@LEVEL
def test_things_lie_inside_the_picture_and_apart(level: int) -> None:
    low, high = LEVELS[level]
    for scene, _ in drawn(level):
        assert low <= len(scene.things) <= high
        assert len({thing.name for thing in scene.things}) == len(scene.things)
        assert scene.things == tuple(sorted(scene.things))
        boxes = [box(*placed) for placed in zip(scene.things, scene.jitter, strict=True)]
        assert all(0 <= t < b <= SIDE and 0 <= left < r <= SIDE for t, left, b, r in boxes)
        for (t1, l1, b1, r1), (t2, l2, b2, r2) in combinations(boxes, 2):
            assert b1 <= t2 or b2 <= t1 or r1 <= l2 or r2 <= l1


def test_every_colour_is_the_colour_it_is_called_and_far_from_others_and_from_grey() -> None:
    hues = {
        "red": (350, 10),
        "orange": (20, 40),
        "yellow": (45, 65),
        "green": (100, 150),
        "blue": (210, 250),
        "purple": (270, 300),
    }
    assert set(PAINT) == set(COLOURS) == set(hues)
    for name, paint in PAINT.items():
        hue = 360 * colorsys.rgb_to_hsv(*(value / 255 for value in paint))[0]
        low, high = hues[name]
        assert low <= hue <= high or (low > high and (hue >= low or hue <= high)), (name, hue)
        assert max(paint) - min(paint) > 100  # no grey is near
    for one, other in combinations(PAINT.values(), 2):
        assert np.abs(np.subtract(one, other)).sum() > 75


def test_all_that_can_be_shown_is_shown() -> None:
    things = [thing for scene, _ in drawn(3) for thing in scene.things]
    assert {(t.shape, t.colour, t.size) for t in things} == {
        (shape, colour, size) for shape in SHAPES for colour in COLOURS for size in SIZES
    }
    assert len({thing.place for thing in things}) == 9


# --- the same for everybody -----------------------------------------------------------------------------

#: Pixels and texts of a level: what a checkpoint was trained on must not change behind its back.
GOLDEN = {
    1: ("fd4b0e67c2d626e5", "222028f2261d2d2c"),
    2: ("8c0ac4cc4283633e", "f9b347a327b0acd3"),
    3: ("19888a5e4acd8cfd", "49ebd2f5b960b463"),
}


@LEVEL
def test_scenes_are_the_same_everywhere(level: int) -> None:
    pixels, texts = hashlib.blake2b(digest_size=8), hashlib.blake2b(digest_size=8)
    rng = generator(13, level)
    for split in ("train", "validation", "test"):
        for scene in scenes(3, split, level, 8):
            assert scene.split == split
            pixels.update(render(scene).tobytes())
            lines = [caption(scene), context(scene, rng)]
            lines += [f"{q.text} {q.answer} {q.kind} {q.about}" for q in questions(scene, rng, 5)]
            texts.update("\n".join(lines).encode())
    assert (pixels.hexdigest(), texts.hexdigest()) == GOLDEN[level]


@LEVEL
def test_more_scenes_contain_fewer(level: int) -> None:
    assert scenes(3, "validation", level, 12)[:5] == scenes(3, "validation", level, 5)
    assert scenes(4, "validation", level, 5) != scenes(3, "validation", level, 5)


def test_the_split_goes_by_the_things_alone() -> None:
    for scene, _ in drawn(2)[:50]:
        moved = Scene(scene.things, 255 - scene.background, tuple((0, 0) for _ in scene.things))
        assert moved.split == scene.split
    shares = Counter(scene.split for level in (2, 3) for scene, _ in drawn(level))
    assert 0.75 < shares["train"] / 1000 < 0.85
    assert min(shares["validation"], shares["test"]) > 70


def test_what_is_not_there_can_be_asked_for_where_a_colour_has_every_shape() -> None:
    things = tuple(Thing(i // 3, i % 3, shape, "red", "small") for i, shape in enumerate(SHAPES))
    scene = Scene(things, 128, ((0, 0),) * len(things))
    rng = generator(14, 0)
    for _ in range(50):
        for question in questions(scene, rng, 5):
            assert answer(question.text, read(caption(scene))) == question.answer
