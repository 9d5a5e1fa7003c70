"""Controls: the same weights for every sample, and what becomes of a row without one of the modalities."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dmsbench.models.base import Prompt
from dmsbench.models.fixed import FixedModel
from dmsbench.models.llava import LlavaModel

PROMPTS = [
    Prompt("What color is the circle?"),
    Prompt("What color is the circle?", has_image=False),
    Prompt("What color is the circle?", has_text=False),
    Prompt("no", has_image=False, has_text=False),
]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((1.0, 0.0), [[1, 0], [0, 1], [1, 0], [0.5, 0.5]]),
        ((0.0, 1.0), [[0, 1], [0, 1], [1, 0], [0.5, 0.5]]),
        ((0.75, 0.25), [[0.75, 0.25], [0, 1], [1, 0], [0.5, 0.5]]),
    ],
)
def test_weights(
    tiny_llava: LlavaModel, noise_pictures: list[Any], point: tuple[float, float], expected: Any
) -> None:
    model = FixedModel(tiny_llava, point)
    state = model.encode(noise_pictures)
    ours = model.answer(state, [0] * 4, PROMPTS)
    assert ours.weights is not None and ours.weights.tolist() == expected
    assert ours.signals is None
    straight = tiny_llava.answer(state, [0] * 4, PROMPTS, torch.tensor([point]).expand(4, -1))
    assert ours.texts == straight.texts
    assert (ours.confidence == straight.confidence).all()


def test_uniform_is_static_and_settings_differ(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    model = FixedModel(tiny_llava, (0.5, 0.5))
    state = model.encode(noise_pictures)
    ours, static = model.answer(state, [0, 1], PROMPTS[:2]), tiny_llava.answer(state, [0, 1], PROMPTS[:2])
    assert ours.texts == static.texts and (ours.confidence == static.confidence).all()
    assert model.settings() != FixedModel(tiny_llava, (1.0, 0.0)).settings() != tiny_llava.settings()
    with pytest.raises(ValueError, match="no point"):
        FixedModel(tiny_llava, (0.5, 0.6))
    with pytest.raises(ValueError, match="has 1 weights"):
        FixedModel(tiny_llava, (1.0,))
    given = model.answer(state, [0], PROMPTS[:1], torch.tensor([[0.9, 0.1]]))
    assert given.weights is None
