"""Captions of easy-VQA: read off an image's own questions, and scored by their attributes."""

from __future__ import annotations

import numpy as np

from dmsbench.data import load_dataset
from dmsbench.data.base import load_image
from dmsbench.data.easy_vqa import COLOUR_WORDS, SHAPES
from dmsbench.tasks.captions.attributes import attribute_score

#: What the package draws each colour as, nearly.
PAINT = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "brown": (165, 42, 42),
    "gray": (128, 128, 128),
    "green": (0, 128, 0),
    "red": (255, 0, 0),
    "teal": (0, 128, 128),
    "yellow": (255, 255, 0),
}


def test_a_caption_tells_what_the_questions_tell() -> None:
    captions = load_dataset("easy_vqa", "test", task="captioning")
    questions = load_dataset("easy_vqa", "test")
    # Of the others the questions leave colour or shape open.
    assert 0.75 < len(captions.samples) / len(questions.groups) < 0.8
    assert len({sample.group for sample in captions.samples}) == len(captions.samples)
    asked: dict[str, list[str]] = {}
    for sample in questions.samples:
        asked.setdefault(sample.group, []).extend(sample.answers)
    for sample in captions.samples:
        article, colour, shape = sample.answers[0].split()
        assert article == "a" and colour in COLOUR_WORDS and shape in SHAPES
        # What an answer names is what the caption names.
        assert {word for word in asked[sample.group] if word in SHAPES} <= {shape}
        assert {word for word in asked[sample.group] if word in PAINT} <= {colour}


def test_a_caption_names_the_colour_that_is_drawn() -> None:
    for sample in load_dataset("easy_vqa", "test", task="captioning").samples[:60]:
        pixels = load_image(sample.image).reshape(-1, 3).astype(int)
        colour = sample.answers[0].split()[1]
        near = {name: np.abs(pixels - paint).sum(axis=1).min() for name, paint in PAINT.items()}
        assert near[colour] == min(near.values()) or near[colour] < 120, (sample.id, near)


def test_its_words_are_claims() -> None:
    perfect = attribute_score("a teal rectangle", ["a teal rectangle"])
    assert (perfect.f1, perfect.claimed) == (1.0, 2)
    assert attribute_score("A grey rectangle.", ["a gray rectangle"]).f1 == 1.0
    assert attribute_score("a brown rectangle", ["a teal rectangle"]).f1 == 0.5
    assert attribute_score("two black rectangles", ["a black rectangle"]).f1 == 1.0
