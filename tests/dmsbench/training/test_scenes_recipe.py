"""What the recipe of scenes trains on is what a run asks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from dmsbench.data import scenes
from dmsbench.data.scenes.language import ANSWERS
from dmsbench.data.scenes.render import box
from dmsbench.data.scenes.world import COLOURS, SHAPES, SIZES, draw_scene
from dmsbench.models.base import Prompt
from dmsbench.models.prompts import PromptFormat
from dmsbench.training.architecture import PATCH_SIZE, build_processor, build_tokenizer
from dmsbench.training.packing import PREFIX_TEXT, tokenise
from dmsbench.training.scenes import Source, patch_labels

LEVEL = pytest.mark.parametrize("level", [1, 2, 3])


def generator(level: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[17, level]))


@lru_cache
def prompts(level: int) -> PromptFormat:
    source = Source("train", level, generator(level))
    samples = [sample for scene in source.scenes(200) for sample in source.samples(scene, 5)]
    tokenizer = build_tokenizer(
        f"USER: \n{s.context}\n{s.question} ASSISTANT: {s.answers[0]}" for s in samples
    )
    processor = build_processor(tokenizer)
    return PromptFormat(tokenizer, processor.image_token, processor.apply_chat_template)


@LEVEL
def test_prompts_in_training_and_in_a_run_are_the_same_tokens(level: int) -> None:
    told = prompts(level)
    ids = told.tokenizer(PREFIX_TEXT, add_special_tokens=False)["input_ids"]
    assert tuple(ids) == told.prefix_ids
    for sample in scenes.load("train", level, count=40).samples:
        turn = tokenise(told.tokenizer, sample)
        asked = told.suffix(Prompt(sample.question, sample.context))
        assert turn.ids[: turn.answer] == asked.ids
        assert (turn.evidence.start, turn.evidence.stop) == (asked.first, asked.last)


def test_no_scene_of_another_split_is_trained_on() -> None:
    source = Source("train", 1, generator(1))
    assert {scene.split for scene in source.scenes(100)} == {"train"}
    (scene,) = source.scenes(1)
    samples = source.samples(scene, 12)  # more than can be asked of some: they repeat
    assert len(samples) == 12
    assert all(sample.answers[0] in ANSWERS and sample.context for sample in samples)


@LEVEL
def test_patch_labels_say_what_lies_there(level: int) -> None:
    rng = generator(level)
    drawn = [draw_scene(rng, level) for _ in range(50)]
    labels = patch_labels(drawn).reshape(50, 64 // PATCH_SIZE, 64 // PATCH_SIZE, 3)
    for scene, found in zip(drawn, labels, strict=True):
        for thing, shift in zip(scene.things, scene.jitter, strict=True):
            top, left, bottom, right = box(thing, shift)
            middle = found[(top + bottom) // 2 // PATCH_SIZE, (left + right) // 2 // PATCH_SIZE]
            told = [names[label - 1] for names, label in zip((SHAPES, COLOURS, SIZES), middle, strict=True)]
            assert told == [thing.shape, thing.colour, thing.size]
        shown = {tuple(label) for label in found.reshape(-1, 3).tolist() if any(label)}
        assert len(shown) == len(scene.things)
