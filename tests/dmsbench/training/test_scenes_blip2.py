"""The recipe of scenes trains a BLIP-2 on what a run asks it."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoProcessor, Blip2ForConditionalGeneration

from dmsbench.data import scenes
from dmsbench.data.scenes.render import render
from dmsbench.data.scenes.world import draw_scene
from dmsbench.errors import DataError
from dmsbench.models.base import Prompt
from dmsbench.models.blip2_prompts import Blip2Format
from dmsbench.training import __main__ as command_line
from dmsbench.training import scenes as recipe_module
from dmsbench.training.architecture import build_tokenizer
from dmsbench.training.blip2_architecture import QUERIES, build_blip2_processor
from dmsbench.training.packing import tokenise
from dmsbench.training.pictures import to_pixel_values
from dmsbench.training.prefix import behind, hidden_of
from dmsbench.training.saving import weights_hash
from dmsbench.training.scene_recipe import Recipe
from dmsbench.training.scene_stream import WORDS, Source, patch_labels, place_labels
from dmsbench.training.scenes import train, train_reader
from dmsbench.training.trainee import Blip2Trainee, LlavaTrainee


def source(seed: int) -> Source:
    return Source("train", 2, np.random.Generator(np.random.Philox(key=[19, seed])))


@lru_cache
def trainee() -> Blip2Trainee:
    drawn = source(0)
    samples = [sample for scene in drawn.scenes(200) for sample in drawn.samples(scene, 5)]
    tokenizer = build_tokenizer(f"{s.context}\n{s.question} ASSISTANT: {s.answers[0]}" for s in samples)
    return Blip2Trainee.from_reader(LlavaTrainee.untrained(tokenizer, 0), 1)


def test_prompts_in_training_and_in_a_run_are_the_same_tokens() -> None:
    of = trainee()
    processor = build_blip2_processor(of.tokenizer)
    told = Blip2Format(processor.tokenizer, str(processor.image_token), encoder_decoder=False)
    for sample in scenes.load("train", 2, count=40).samples:
        turn = tokenise(of.tokenizer, sample, template=of.template)
        asked = told.suffix(Prompt(sample.question, sample.context))
        assert turn.ids[: turn.answer] == asked.ids
        assert (turn.evidence.start, turn.evidence.stop) == (asked.first, asked.last)
        assert turn.ids[turn.answer : -1] == told.answer_tokens(sample.answers[0])


def test_places_are_labelled_with_what_lies_there() -> None:
    rng = np.random.Generator(np.random.Philox(key=[19, 7]))
    drawn = [draw_scene(rng, 3) for _ in range(50)]
    labels = place_labels(drawn)
    assert labels.shape == (50, QUERIES, len(WORDS))
    for scene, found, patches in zip(drawn, labels, patch_labels(drawn), strict=True):
        assert {tuple(label) for label in found.tolist()} == {tuple(label) for label in patches.tolist()}
        for thing in scene.things:
            shape, colour, size, *_ = found[3 * thing.row + thing.column]
            words = WORDS[0][shape - 1], WORDS[1][colour - 1], WORDS[2][size - 1]
            assert words == (thing.shape, thing.colour, thing.size)


def test_training_sees_the_stock_models_logits(tmp_path: Path) -> None:
    of = trainee()
    drawn = source(1)
    (scene,) = drawn.scenes(1)
    samples = drawn.samples(scene, 4, 2)
    turns = [tokenise(of.tokenizer, sample, template=of.template) for sample in samples]
    none = np.zeros((1, 2), dtype=np.int64)
    rows = behind(of, [turns], none, none > 0, 2)
    pixels = to_pixel_values(np.stack([render(scene)]))
    with torch.no_grad():
        ours = of.head(hidden_of(of, rows, pixels)[rows.places])
    of.save(tmp_path, {})
    stock = Blip2ForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32).eval()
    image = str(AutoProcessor.from_pretrained(tmp_path).image_token)
    token = of.tokenizer.convert_tokens_to_ids(image)
    found = []
    for turn in turns:
        with torch.no_grad():
            logits = stock(
                pixel_values=pixels, input_ids=torch.tensor([[token] * QUERIES + list(turn.ids)])
            ).logits[0]
        found.append(logits[QUERIES + turn.answer - 1 : -1])
    # The checkpoint keeps half precision.
    torch.testing.assert_close(ours, torch.cat(found), atol=5e-3, rtol=0)
    assert ours.std() > 0.05


def test_queries_start_apart() -> None:
    """transformers starts them at zero, where every query would see the same."""
    queries = trainee().model.query_tokens[0]
    assert torch.cdist(queries, queries).fill_diagonal_(1.0).min() > 0.05


def test_a_blip2_is_trained_from_a_reader_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_module, "accuracy", lambda *_args, **_kwargs: {"both": 0.5})
    small = {"reading_steps": 1, "pictures_per_step": 2, "questions_per_context": 2}
    folders = {name: tmp_path / name for name in ("reader", "blip2", "more")}
    train_reader(Recipe(**small), folders["reader"], lambda _line: None)
    lines: list[str] = []
    start = weights_hash(folders["reader"])
    recipe = Recipe(family="blip-2", tower_steps=1, steps=0, start=start, **small)
    train(recipe, folders["blip2"], lines.append, folders["reader"])
    assert any("tower step 1/1" in line for line in lines)
    facts = json.loads((folders["blip2"] / "training.json").read_text())
    assert facts["name"] == "tiny-blip2-scenes" and facts["recipe"]["family"] == "blip-2"
    reader, made = (load_file(folders[name] / "model.safetensors") for name in ("reader", "blip2"))
    mark = "language_model.model."
    before, after = (
        {name.split(mark)[1]: weights for name, weights in found.items() if mark in name}
        for found in (reader, made)
    )
    assert before and before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)

    start = weights_hash(folders["blip2"])
    more = Recipe(family="blip-2", steps=1, regime="augmented", start=start, **small)
    lines.clear()
    train(more, folders["more"], lines.append, folders["blip2"])
    assert not any("tower" in line for line in lines)
    with pytest.raises(DataError, match="of type blip-2, the recipe trains llava"):
        train(Recipe(steps=1, start=start, **small), tmp_path / "no", lambda _line: None, folders["blip2"])


@pytest.mark.parametrize(
    "given", [["--absent-share", "0.7"], ["--absent-share", "-0.1"], ["--absent-share", "nan"]]
)
def test_a_share_that_cannot_be_is_one_line(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["training", "scenes", str(tmp_path / "out"), *given])
    with pytest.raises(SystemExit, match="2"):
        command_line.main()
    assert "use 0 to 0.5" in capsys.readouterr().err
