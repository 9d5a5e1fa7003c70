"""What the recipe of scenes trains on is what a run asks."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dmsbench.data import scenes
from dmsbench.data.scenes.language import ANSWERS
from dmsbench.data.scenes.render import box, render
from dmsbench.data.scenes.world import COLUMNS, ROWS, draw_scene
from dmsbench.errors import DataError
from dmsbench.models.base import Prompt
from dmsbench.models.prompts import PromptFormat
from dmsbench.training import __main__ as command_line
from dmsbench.training import scenes as recipe_module
from dmsbench.training.architecture import PATCH_SIZE, build_processor, build_tokenizer
from dmsbench.training.damage import Damage
from dmsbench.training.packing import PREFIX_TEXT, pack, tokenise
from dmsbench.training.pictures import to_pixel_values
from dmsbench.training.prefix import hidden_of, in_rows
from dmsbench.training.saving import weights_hash
from dmsbench.training.scene_recipe import REGIMES, Recipe
from dmsbench.training.scene_stream import WORDS, Source, patch_labels
from dmsbench.training.scenes import STATE_FILE, train, train_reader
from dmsbench.training.tiny_llava import IMAGE_TOKENS, packed_hidden
from dmsbench.training.trainee import LlavaTrainee

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
    labels = patch_labels(drawn).reshape(50, 64 // PATCH_SIZE, 64 // PATCH_SIZE, len(WORDS))
    for scene, found in zip(drawn, labels, strict=True):
        for thing, shift in zip(scene.things, scene.jitter, strict=True):
            top, left, bottom, right = box(thing, shift)
            middle = found[(top + bottom) // 2 // PATCH_SIZE, (left + right) // 2 // PATCH_SIZE]
            told = [words[label - 1] for words, label in zip(WORDS, middle, strict=True)]
            place = [ROWS[thing.row], COLUMNS[thing.column]]
            assert told == [thing.shape, thing.colour, thing.size, *place]
        shown = {tuple(label) for label in found.reshape(-1, len(WORDS)).tolist() if any(label)}
        assert len(shown) == len(scene.things)


@pytest.mark.parametrize("together", [1, 3])
def test_rows_behind_a_prefix_are_the_packs_logits(together: int) -> None:
    told = prompts(1)
    trainee = LlavaTrainee.untrained(told.tokenizer, 0)
    model = trainee.model.eval()
    source = Source("train", 1, generator(5))
    drawn = source.scenes(3)
    turns = [
        [tokenise(told.tokenizer, sample) for sample in source.samples(scene, 6, together)] for scene in drawn
    ]
    rng = np.random.default_rng(0)
    shape = (3, 6 // together)
    absent, boosted = rng.integers(0, 3, shape), rng.random(shape) < 0.5
    prefix = len(told.prefix_ids) + IMAGE_TOKENS
    where = {"prefix": prefix, "image": slice(len(told.prefix_ids), prefix), "pad": 0}
    of_turns = [each.repeat(together, axis=1) for each in (absent, boosted)]
    packed = pack(turns, absent=of_turns[0], boosted=of_turns[1], **where)
    rows = in_rows(turns, absent=absent, boosted=boosted, together=together, **where)
    pixels = to_pixel_values(np.stack([render(scene) for scene in drawn]))
    with torch.no_grad():
        one = packed_hidden(model, told.prefix_ids, packed, pixels)[packed.rows]
        other = hidden_of(trainee, rows, pixels)[rows.places]
    assert torch.equal(packed.targets, rows.targets)
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    # What is said of the picture is the whole context, once a row that sees both.
    firsts = list(chain.from_iterable(turns))[::together]
    said = [turn for turn, gone in zip(firsts, absent.reshape(-1).tolist(), strict=True) if gone == 0]
    assert rows.said_targets.tolist() == [i for turn in said for i in turn.ids[turn.evidence]]


def test_turns_of_two_contexts_share_no_row() -> None:
    told = prompts(1)
    source = Source("train", 1, generator(6))
    (scene,) = source.scenes(1)
    samples = [
        replace(sample, context=f"a {which} circle")
        for which, sample in zip(("red", "blue"), source.samples(scene, 2), strict=True)
    ]
    turns = [[tokenise(told.tokenizer, sample) for sample in samples]]
    none = np.zeros((1, 1), dtype=np.int64)
    with pytest.raises(ValueError, match="the same evidence"):
        in_rows(turns, prefix=8, image=slice(2, 8), pad=0, absent=none, boosted=none > 0, together=2)


def test_damage_hits_its_share_and_keeps_shared_contexts_shared() -> None:
    source = Source("train", 2, generator(7))
    drawn = source.scenes(200)
    pictures = [render(scene) for scene in drawn]
    samples = [source.samples(scene, 4, 2) for scene in drawn]
    assert Damage(source, 0.0)(pictures, samples) == (pictures, samples)
    seen, asked = Damage(source, 0.5)(pictures, samples)
    of_picture = [not np.array_equal(a, b) for a, b in zip(pictures, seen, strict=True)]
    of_text = [a != b for a, b in zip(samples, asked, strict=True)]
    # Half of 200, less what low severities leave as it is; never both of one picture.
    assert 60 <= sum(of_picture) + sum(of_text) <= 115
    assert min(sum(of_picture), sum(of_text)) >= 15
    assert not any(a and b for a, b in zip(of_picture, of_text, strict=True))
    for before, after in zip(samples, asked, strict=True):
        assert [s.question for s in before] == [s.question for s in after]
        assert after[0].context == after[1].context and after[2].context == after[3].context


def test_training_goes_on_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_module, "accuracy", lambda *_args, **_kwargs: {"both": 0.5})
    small = {"pictures_per_step": 2, "questions_per_context": 2}
    first, second = tmp_path / "first", tmp_path / "second"
    train(Recipe(reading_steps=1, tower_steps=1, steps=1, **small), first, lambda _line: None)
    with pytest.raises(DataError, match="starts from weights"):
        train(Recipe(steps=1, **small), second, lambda _line: None, first)
    lines: list[str] = []
    recipe = Recipe(steps=1, regime="augmented", start=weights_hash(first), **small)
    train(recipe, second, lines.append, first)
    assert not any("tower" in line for line in lines)
    # One step of a half cosine is a small change, and not none.
    before, after = (load_file(folder / "model.safetensors") for folder in (first, second))
    moved = max((before[name].float() - after[name].float()).abs().max().item() for name in before)
    assert 0 < moved < 0.1
    assert json.loads((second / "training.json").read_text())["recipe"]["start"] == weights_hash(first)


def test_checkpoints_of_two_seeds_share_a_reader_and_no_tower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_module, "accuracy", lambda *_args, **_kwargs: {"both": 0.5})
    small = {"reading_steps": 1, "pictures_per_step": 2, "questions_per_context": 2}
    train_reader(Recipe(**small), tmp_path / "reader", lambda _line: None)
    start = weights_hash(tmp_path / "reader")
    lines: list[str] = []
    for seed in (1, 2):
        recipe = Recipe(seed=seed, tower_steps=1, steps=0, start=start, **small)
        train(recipe, tmp_path / str(seed), lines.append, tmp_path / "reader")
    assert sum("tower step 1/1" in line for line in lines) == 2
    assert not any("reading" in line for line in lines)
    reader, one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("reader", "1", "2"))
    for name in reader:
        if "language_model" in name:
            assert torch.equal(reader[name], one[name]) and torch.equal(one[name], two[name])
        elif name.endswith("weight") and "norm" not in name:
            assert not torch.equal(one[name], two[name])


@pytest.mark.parametrize("regime", REGIMES)
def test_training_that_was_stopped_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, regime: str
) -> None:
    monkeypatch.setattr(recipe_module, "KEEP_EVERY", 2)
    monkeypatch.setattr(recipe_module, "accuracy", lambda *_args, **_kwargs: {"both": 0.5})
    recipe = Recipe(
        reading_steps=2, tower_steps=2, steps=4, pictures_per_step=2, questions_per_context=2, regime=regime
    )
    train(recipe, tmp_path / "whole", lambda _line: None)

    def stop(line: str) -> None:
        if "step 2/4" in line and "tower" not in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", stop)
    with pytest.raises(DataError, match="another recipe"):
        train(Recipe(reading_steps=2, tower_steps=2, steps=5), tmp_path / "stopped", lambda _line: None)
    lines: list[str] = []
    train(recipe, tmp_path / "stopped", lines.append)
    assert "goes on after step 2" in lines[0]
    whole, stopped = (
        json.loads((tmp_path / name / "training.json").read_text())["weights_blake2b"]
        for name in ("whole", "stopped")
    )
    assert whole == stopped
    assert not (tmp_path / "stopped" / STATE_FILE).exists()


def test_nothing_to_go_on_from_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "model.safetensors").write_bytes(b"")
    for start, said in ((tmp_path / "none", "holds no checkpoint"), (foreign, "not made by this recipe")):
        with (
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(SystemExit, match="2"),
        ):
            patch.setattr(sys, "argv", ["training", "scenes", str(tmp_path / "out"), "--from", str(start)])
            command_line.main()
        assert said in capsys.readouterr().err
