"""Token scaling: the identity at uniform weights, the factors where they belong, rows alone and together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_blip2 import KINDS

from dmsbench.errors import ModelError
from dmsbench.models.base import Answers, Prompt
from dmsbench.models.blip2 import Blip2Model
from dmsbench.models.fixed import FixedModel
from dmsbench.models.llava import LlavaModel
from dmsbench.models.mixed import MixedModel
from dmsbench.models.scaled import ScaledAdapter
from dmsbench.models.scheduled import ScheduledModel
from dmsbench.models.spec import parse
from dmsbench.models.zoo import Zoo

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS = [
    (0, Prompt("What color is the circle?")),
    (1, Prompt("What color is the circle?")),
    (2, Prompt("no")),
    (2, Prompt("What color is it?", context="a circle")),
    (1, Prompt("Is there a red shape in the image?", has_text=False)),
    (3, Prompt("no", has_image=False)),
]
WHERE, PROMPTS = [row for row, _ in ROWS], [prompt for _, prompt in ROWS]


def weighed(image: float, count: int = len(ROWS)) -> torch.Tensor:
    return torch.tensor([[image, 1.0 - image]]).expand(count, -1)


def assert_same(ours: Answers, expected: Answers) -> None:
    assert ours.texts == expected.texts
    np.testing.assert_allclose(ours.confidence, expected.confidence, atol=1e-6, rtol=1e-3)


@pytest.fixture(params=["llava", *KINDS])
def adapter(request: pytest.FixtureRequest, tiny_blip2: Callable[..., Blip2Model]) -> Any:
    return request.getfixturevalue("tiny_llava") if request.param == "llava" else tiny_blip2(request.param)


def test_uniform_weights_are_static_and_others_are_not(adapter: Any, noise_pictures: list[Any]) -> None:
    model = ScaledAdapter(adapter)
    state = model.encode(noise_pictures)
    static = adapter.answer(state.state, WHERE, PROMPTS)
    for weights in (None, weighed(0.5)):
        ours = model.answer(state, WHERE, PROMPTS, weights)
        assert ours.texts == static.texts and (ours.confidence == static.confidence).all()
    for image in (0.2, 0.9):
        moved = model.answer(state, WHERE, PROMPTS, weighed(image))
        assert (moved.confidence[:4] != static.confidence[:4]).all()
        assert moved.confidence[4:] == pytest.approx(static.confidence[4:], rel=1e-3), "one modality"
        assert moved.texts[4:] == static.texts[4:]


def test_rows_alone_and_together(adapter: Any, noise_pictures: list[Any]) -> None:
    model = ScaledAdapter(adapter)
    state = model.encode(noise_pictures)
    image = torch.tensor([0.2, 0.5, 0.9, 0.2, 0.7, 0.1])
    weights = torch.stack([image, 1.0 - image], dim=1)
    together = model.answer(state, WHERE, PROMPTS, weights)
    for i, (row, prompt) in enumerate(ROWS):
        alone = model.answer(state, [row], [prompt], weights[i : i + 1])
        assert alone.texts[0] == together.texts[i]
        assert alone.confidence[0] == pytest.approx(together.confidence[i], rel=1e-3, abs=1e-6)


def test_the_factors_are_those_of_stock_with_scaled_embeddings(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    """Against the language model's own pass over prefix and prompt in one, embeddings scaled by hand."""
    model, (row, prompt) = ScaledAdapter(tiny_llava), ROWS[3]
    ours = model.answer(model.encode(noise_pictures), [row], [prompt], weighed(0.8, 1))
    suffix = tiny_llava.format.suffix(prompt)
    with torch.inference_mode():
        image = tiny_llava.model.get_image_features(
            tiny_llava.pixel_values([noise_pictures[row]]), return_dict=True
        ).pooler_output[0]
        before = tiny_llava.embedding(torch.tensor([tiny_llava.format.prefix_ids]))[0]
        after = tiny_llava.embedding(torch.tensor([suffix.ids]))[0]
        after[suffix.first : suffix.last] *= 0.4
        whole = torch.cat([before, 1.6 * image, after])[None]
        hidden = tiny_llava.language_model(inputs_embeds=whole).last_hidden_state[:, -1]
        said = tiny_llava.logits(hidden).log_softmax(dim=-1)[0]
    token = int(said.argmax())
    one = LlavaModel(tiny_llava.checkpoint, max_new_tokens=1)
    first = ScaledAdapter(one)
    found = first.answer(first.encode(noise_pictures), [row], [prompt], weighed(0.8, 1))
    assert found.confidence[0] == pytest.approx(float(said.max().exp()), rel=1e-3)
    assert token in one.stops or ours.texts[0].startswith(one.read([[token]])[0])


def test_every_model_takes_the_action(tiny_folder: Path, noise_pictures: list[Any]) -> None:
    zoo = Zoo(answer_space=("red", "blue"))
    kinds: dict[str, type] = {
        "fusion=fixed,weight=0.8": FixedModel,
        "fusion=dms,alpha=20,beta=1": ScheduledModel,
    }
    for options, kind in kinds.items():
        scaled = zoo.load(parse(f"a={tiny_folder},{options},mixing=scale"))
        biased = zoo.load(parse(f"a={tiny_folder},{options},mixing=bias"))
        assert isinstance(scaled, kind) and isinstance(biased, kind)
        assert scaled.state_key != biased.state_key
        one, two = (json.dumps(model.settings(), sort_keys=True) for model in (scaled, biased))
        assert "token_scaling" in one and "attention_bias" in two and "attention_bias" not in one
        ours, theirs = (
            model.answer(model.encode(noise_pictures), WHERE, PROMPTS) for model in (scaled, biased)
        )
        assert ours.weights is not None and theirs.weights is not None
        np.testing.assert_allclose(ours.weights, theirs.weights, atol=1e-4)
        assert (ours.confidence[:3] != theirs.confidence[:3]).any()
    rule = zoo.load(parse(f"a={tiny_folder},fusion=dms,alpha=20,beta=1,mixing=mixture"))
    assert isinstance(rule, MixedModel)
    mixed = MixedModel(ScaledAdapter(zoo.adapter(parse(f"a={tiny_folder}"))), rule.scheduler, mixing="scale")
    answers = mixed.answer(mixed.encode(noise_pictures), WHERE, PROMPTS)
    assert answers.weights is not None and mixed.settings()["fusion"]["method"] == "scale"
    given = ScaledAdapter(zoo.adapter(parse(f"a={tiny_folder}")))
    weights = torch.from_numpy(answers.weights)
    assert_same(answers, given.answer(given.encode(noise_pictures), WHERE, PROMPTS, weights))


def test_an_adapter_without_a_known_projection_is_refused(
    tiny_llava: LlavaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LlavaModel, "family", "other")
    with pytest.raises(ModelError, match="mixing=scale is there for blip-2, llava, not for 'other'"):
        ScaledAdapter(tiny_llava)
