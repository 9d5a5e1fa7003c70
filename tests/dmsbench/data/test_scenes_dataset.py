"""Scenes as a data set: splits, order, fingerprint, pictures without files."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import numpy as np
import pytest

from dmsbench.data import DataError, Dataset, load_dataset
from dmsbench.data.base import fingerprint, load_image
from dmsbench.data.scenes import PICTURES, SPLITS, Picture, load
from dmsbench.data.scenes.language import ANSWERS, TELL, caption
from dmsbench.data.scenes.render import render
from dmsbench.data.scenes.world import Scene
from dmsbench.suite import load_suite

LEVEL = pytest.mark.parametrize("level", [1, 2, 3])
#: Of the test splits: pixels, questions, answers, contexts and ids, on every machine.
FINGERPRINTS = {
    1: "c12543d647c3767bad0dd58863662027",
    2: "0f26bf6c9255deb79aa63791c5d59bc1",
    3: "161ae2f781ace57bedc0814be858d382",
}


def shown(dataset: Dataset) -> dict[str, Scene]:
    """The scene of every picture."""
    found = {}
    for sample in dataset.samples:
        assert isinstance(sample.image, Picture)
        found[sample.group] = sample.image.scene
    return found


@LEVEL
def test_the_test_split_is_the_same_everywhere(level: int) -> None:
    dataset = load(level=level)
    assert dataset.fingerprint == FINGERPRINTS[level]
    assert (dataset.name, dataset.split, dataset.licence) == ("scenes", "test", "generated, CC0")
    assert len(dataset.groups) == PICTURES["test"]
    assert len(dataset.samples) == 5 * PICTURES["test"]
    assert all(re.fullmatch(rf"scenes{level}-test-\d{{5}}-[0-4]", sample.id) for sample in dataset.samples)
    assert all(sample.id.startswith(f"{sample.group}-") for sample in dataset.samples)
    assert {sample.answers[0] for sample in dataset.samples} <= set(ANSWERS) == set(dataset.answer_space)
    assert all(sample.context and sample.about is not None for sample in dataset.samples)
    assert dataset.chance is not None
    assert 0.4 < dataset.chance.value < 0.55


@LEVEL
def test_splits_share_no_things_no_picture_and_no_question_about_one(level: int) -> None:
    things, asked = {}, {}
    for split in SPLITS:
        dataset = load(split, level)
        scenes = shown(dataset)
        things[split] = {scene.things for scene in scenes.values()}
        pictures = {group: render(scene).tobytes() for group, scene in scenes.items()}
        asked[split] = {(pictures[sample.group], sample.question) for sample in dataset.samples}
        assert len(asked[split]) == len(dataset.samples)  # nor is anything asked twice
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not things[one] & things[other]
        assert not asked[one] & asked[other]
        assert not {picture for picture, _ in asked[one]} & {picture for picture, _ in asked[other]}


def test_more_pictures_contain_fewer_in_the_same_order() -> None:
    more, fewer = load(count=30), load(count=12)
    assert more.samples[: len(fewer.samples)] == fewer.samples
    assert more.fingerprint != fewer.fingerprint
    assert len(fewer.groups) == 12


def test_a_prefix_is_a_fair_draw() -> None:
    """The first half has no other share of scenes with one thing, or of yes, than the second."""
    scenes = list(shown(load()).values())
    half = len(scenes) // 2
    alone = [np.mean([len(scene.things) == 1 for scene in part]) for part in (scenes[:half], scenes[half:])]
    assert abs(alone[0] - alone[1]) < 0.15


def test_contexts_of_a_picture_differ_by_question() -> None:
    dataset = load(level=3, count=20)
    contexts = {
        group: {sample.context for sample in dataset.samples if sample.group == group}
        for group in dataset.groups
    }
    assert all(len(found) > 1 for found in contexts.values())


def test_pictures_are_drawn_when_they_are_looked_at() -> None:
    dataset = load(count=3)
    sample = dataset.samples[0]
    assert dataset.image_of(sample.group) == sample.image
    pixels = load_image(sample.image)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (64, 64, 3))
    assert np.array_equal(pixels, render(shown(dataset)[sample.group]))
    pixels[:] = 0  # a picture that somebody painted over is drawn anew
    assert load_image(sample.image).any()


def test_the_fingerprint_covers_pixels_and_texts() -> None:
    samples = load(count=3).samples
    first = samples[0]
    assert isinstance(first.image, Picture)
    other = replace(first.image.scene, background=(first.image.scene.background + 1) % 256)
    painted = [replace(s, image=Picture(other)) if s.group == first.group else s for s in samples]
    told = [replace(first, context="a red circle"), *samples[1:]]
    assert len({fingerprint(samples), fingerprint(painted), fingerprint(told)}) == 3
    assert fingerprint(samples) == fingerprint(samples[::-1])


def test_what_there_is_not() -> None:
    with pytest.raises(DataError, match="scenes has no split 'dev': use one of train, validation, test"):
        load("dev")
    with pytest.raises(DataError, match="scenes has no level 4: use one of 1, 2, 3"):
        load(level=4)
    with pytest.raises(DataError, match="count must be at least 1, not 0"):
        load(count=0)


def test_the_suites_data_are_there_in_no_time() -> None:
    config = load_suite("context-vqa-corrupt").dataset
    began = time.process_time()
    dataset = load_dataset(config.name, config.split, level=config.level, count=config.count)
    assert time.process_time() - began < 3
    assert dataset.fingerprint == FINGERPRINTS[2]


def test_pixels_of_a_drawn_picture_are_hashed_with_their_shape() -> None:
    class Flat:
        def __init__(self, height: int) -> None:
            self.height = height

        def draw(self) -> np.ndarray:
            return np.zeros((self.height, 16 // self.height, 3), np.uint8)

    sample = load(count=1).samples[0]
    digests = {fingerprint([replace(sample, image=Flat(height))]) for height in (2, 4)}
    assert len(digests) == 2


def test_a_caption_for_every_picture() -> None:
    found = load("test", 2, 30, "captioning")
    asked = load("test", 2, 30)
    assert found.groups == asked.groups and len(found.samples) == 30
    assert found.fingerprint != asked.fingerprint
    for sample in found.samples:
        assert sample.question == TELL
        (told,) = sample.answers
        assert isinstance(sample.image, Picture) and told == caption(sample.image.scene)
        assert sample.context is not None
        # What the context says is part of what the caption says.
        assert set(sample.context.split()) <= set(told.split())
    assert len({sample.context for sample in found.samples}) > 20
    fewer = load("test", 2, 10, "captioning")
    assert fewer.samples == found.samples[:10]
    with pytest.raises(DataError, match="easy_vqa has nothing for retrieval"):
        load_dataset("easy_vqa", task="retrieval")
