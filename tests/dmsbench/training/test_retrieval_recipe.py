"""The retrieval recipes: what is said of scenes, how texts are framed, and that training can be repeated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from dmsbench.data.scenes import world
from dmsbench.data.scenes.language import caption
from dmsbench.errors import DataError
from dmsbench.models.blip2_retrieval import Blip2RetrievalModel
from dmsbench.models.dual_encoder import DualEncoder
from dmsbench.models.spec import checkpoint_folder
from dmsbench.training.retrieval import STARTS, Recipe, train
from dmsbench.training.retrieval_architecture import CLIP_END, build_retrieval_tokenizer
from dmsbench.training.retrieval_stream import Texts, changed, told
from dmsbench.training.retrieval_trainee import Blip2RetrievalTrainee
from dmsbench.training.saving import weights_hash


def _rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, 3]))


@given(st.integers(0, 2**32), st.sampled_from([1, 2, 3]))
def test_a_nearly_right_caption_is_wrong_about_one_thing(seed: int, level: int) -> None:
    rng = _rng(seed)
    scene = world.draw_scene(rng, level)
    other = changed(scene, rng)
    assert caption(other) != caption(scene)
    assert len(set(other.things) - set(scene.things)) == len(set(scene.things) - set(other.things)) == 1
    places = [(thing.row, thing.column) for thing in other.things]
    assert places == sorted(places) and len(set(places)) == len(places)
    assert len({thing.name for thing in other.things}) == len(other.things)


@pytest.mark.parametrize("end", ["</s>", CLIP_END])
def test_texts_are_framed_as_the_tokenizer_frames_them(end: str) -> None:
    scenes = AutoTokenizer.from_pretrained(checkpoint_folder("tiny-blip2-scenes"))
    tokenizer = build_retrieval_tokenizer(scenes, end)
    texts = Texts(tokenizer, 0.0, 0.0, _rng(0))
    one, two = "a small red circle at the top left", "a cros, tpyo"
    assert texts.framed(texts.ids(one)) == tokenizer(one)["input_ids"]
    assert texts.framed(texts.ids(one), texts.ids(two)) == tokenizer(one, two)["input_ids"]
    assert texts.framed(None, texts.ids(two)) == tokenizer(two)["input_ids"]
    ids = tokenizer(one)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == one
    # CLIP finds the end of a text as the largest number in it, where a config says that it is token 2.
    assert end == "</s>" or ids.index(max(ids)) == len(ids) - 1


def test_a_text_begins_as_a_query_does_and_sees_what_scenes_taught() -> None:
    folder = checkpoint_folder("tiny-blip2-scenes")
    model = Blip2RetrievalTrainee.begin(folder, 0).model.state_dict()
    layer = "qformer.encoder.layer.0."
    for text, query in (
        ("intermediate.dense", "intermediate_query.dense"),
        ("output.dense", "output_query.dense"),
    ):
        assert torch.equal(model[f"{layer}{text}.weight"], model[f"{layer}{query}.weight"])
    assert float(model["query_tokens"].std()) > 0


@pytest.mark.parametrize(("family", "loader"), [("blip-2", Blip2RetrievalModel), ("clip", DualEncoder)])
def test_training_can_be_repeated_and_what_it_saves_is_loaded(
    family: str, loader: type[Blip2RetrievalModel] | type[DualEncoder], tmp_path: Path
) -> None:
    start = checkpoint_folder(STARTS[family])
    recipe = Recipe(family=family, steps=2, pictures_per_step=6, warm_up_steps=1, start=weights_hash(start))
    said: list[str] = []
    found = train(recipe, start, tmp_path / "one", said.append, validation=12)
    train(recipe, start, tmp_path / "two", lambda _line: None, validation=12)
    train(replace(recipe, seed=1), start, tmp_path / "other", lambda _line: None, validation=12)
    first, second, other = (weights_hash(tmp_path / name) for name in ("one", "two", "other"))
    assert first == second != other
    assert "step 2/2" in said[-1] and all(0 <= share <= 1 for share in found.values())
    card = json.loads((tmp_path / "one" / "training.json").read_text())
    assert card["recipe"]["family"] == family and card["weights_blake2b"] == first
    model = loader(tmp_path / "one")
    assert model.encode_texts(["a red circle"])[0].embedding.norm().item() == pytest.approx(1.0, abs=1e-5)


def test_another_start_than_the_recipes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="starts from weights"):
        train(Recipe(start="0" * 32), checkpoint_folder(STARTS["blip-2"]), tmp_path)
    llava = checkpoint_folder("tiny-llava-scenes")
    with pytest.raises(DataError):
        train(Recipe(start=weights_hash(llava)), llava, tmp_path)


def test_a_title_never_tells_what_is_not_there() -> None:
    rng = _rng(1)
    for _ in range(50):
        scene = world.draw_scene(rng, 2)
        said = told(scene, rng)
        assert any(thing.name in said.title for thing in scene.things)
        assert said.caption == caption(scene) and said.wrong == caption(said.other)
