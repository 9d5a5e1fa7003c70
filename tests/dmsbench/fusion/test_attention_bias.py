"""The seam: exactly the stock model at uniform weights, in forward and in generate; what weights do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import attention_bias, check_attention, modality_bias
from dmsbench.models.llava import LlavaModel

SAME_LENGTH = ("What color is the circle?", "What color is the triangle?", "What color is the shape?")
MIXED = ("What color is the circle?", "no", "Does the image contain a rectangle, then, or does it not?")
ODD = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5]])

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Batch:
    inputs: dict[str, torch.Tensor]
    keys: list[torch.Tensor]
    first_row: torch.Tensor

    @property
    def real(self) -> torch.Tensor:
        return self.inputs["attention_mask"].bool()

    def logits(self, model: LlavaModel, weights: torch.Tensor | None = None, **given: Any) -> torch.Tensor:
        with torch.inference_mode(), ExitStack() as stack:
            if weights is not None:
                stack.enter_context(self.bias(model, weights, **given))
            return model.model(**self.inputs).logits

    def generate(self, model: LlavaModel, beams: int, weights: torch.Tensor | None = None) -> Any:
        with ExitStack() as stack:
            if weights is not None:
                stack.enter_context(self.bias(model, weights))
            return model.model.generate(
                **self.inputs,
                max_new_tokens=6,
                num_beams=beams,
                do_sample=False,
                return_dict_in_generate=True,
                output_scores=True,
            )

    def bias(self, model: LlavaModel, weights: torch.Tensor, **given: Any) -> Any:
        return attention_bias(model.language_model, weights, self.keys, first_row=self.first_row, **given)


def make_batch(
    model: LlavaModel, pictures: Sequence[Any], questions: Sequence[str], side: str = "left"
) -> Batch:
    """Stock inputs; the evidence is found by counting tokens, not by the adapter."""
    tokenizer = model.processor.tokenizer
    before = tokenizer.padding_side
    tokenizer.padding_side = side
    texts = [f"USER: <image>\n{question} ASSISTANT:" for question in questions]
    inputs = model.processor(
        images=list(pictures[: len(texts)]), text=texts, padding=True, return_tensors="pt"
    )
    tokenizer.padding_side = before
    image = inputs["input_ids"] == tokenizer.convert_tokens_to_ids("<image>")
    text = torch.zeros_like(image)
    first_row = []
    for row, question in enumerate(questions):
        after = int(image[row].nonzero().max()) + 1
        start = after + len(tokenizer("\n")["input_ids"])
        text[row, start : start + len(tokenizer(question)["input_ids"])] = True
        first_row.append(after)
    return Batch(dict(inputs), [image, text], torch.tensor(first_row))


def largest(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max())


@pytest.fixture(params=["sdpa", "eager"])
def model(request: pytest.FixtureRequest) -> LlavaModel:
    return request.getfixturevalue("tiny_llava" if request.param == "sdpa" else "tiny_llava_eager")


# The uniform point


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("point", [(0.5, 0.5), (1.0, 1.0), (0.1, 0.1)])
def test_uniform_weights_are_the_stock_forward(
    model: LlavaModel, noise_pictures: list[Any], side: str, point: tuple[float, float]
) -> None:
    batch = make_batch(model, noise_pictures, MIXED, side)
    assert not batch.real.all()
    assert torch.equal(batch.logits(model), batch.logits(model, torch.tensor([point] * 3)))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("questions", [SAME_LENGTH, MIXED])
def test_uniform_weights_are_the_stock_generate(
    model: LlavaModel, noise_pictures: list[Any], beams: int, questions: tuple[str, ...]
) -> None:
    batch = make_batch(model, noise_pictures, questions)
    stock = batch.generate(model, beams)
    ours = batch.generate(model, beams, torch.full((3, 2), 0.5))
    assert torch.equal(stock.sequences, ours.sequences)
    assert len(stock.scores) == len(ours.scores)
    assert all(torch.equal(a, b) for a, b in zip(stock.scores, ours.scores, strict=True))


# One row weighted


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("questions", [SAME_LENGTH, MIXED, ("What color is the circle?",) * 3])
def test_weights_of_one_row_change_that_row_alone(
    model: LlavaModel, noise_pictures: list[Any], side: str, questions: tuple[str, ...]
) -> None:
    batch = make_batch(model, noise_pictures, questions, side)
    stock, ours = batch.logits(model), batch.logits(model, ODD)
    for row in (0, 2):
        assert torch.equal(stock[row][batch.real[row]], ours[row][batch.real[row]])
    assert largest(stock[1][batch.real[1]], ours[1][batch.real[1]]) > 0.3


@pytest.mark.parametrize("beams", [1, 3])
def test_weights_of_one_row_change_that_row_alone_in_generate(
    model: LlavaModel, noise_pictures: list[Any], beams: int
) -> None:
    batch = make_batch(model, noise_pictures, MIXED)
    stock, ours = batch.generate(model, beams), batch.generate(model, beams, ODD)
    for step, (before, after) in enumerate(zip(stock.scores, ours.scores, strict=False)):
        for row in (0, 2):
            mine = slice(row * beams, (row + 1) * beams)
            assert torch.equal(before[mine], after[mine])
        if step == 0:
            assert largest(before[beams], after[beams]) > 0.3


def test_generate_under_weights_is_forward_under_weights_token_by_token(
    model: LlavaModel, noise_pictures: list[Any]
) -> None:
    batch = make_batch(model, noise_pictures, MIXED[:1])
    weights = torch.tensor([[0.85, 0.15]])
    found = batch.generate(model, 1, weights)
    prompt = batch.inputs["input_ids"].shape[1]
    for step, score in enumerate(found.scores):
        longer = dict(batch.inputs)
        longer["input_ids"] = found.sequences[:, : prompt + step]
        longer["attention_mask"] = torch.ones_like(longer["input_ids"])
        whole = Batch(longer, batch.keys, batch.first_row).logits(model, weights)[:, -1]
        assert largest(torch.log_softmax(whole, -1), torch.log_softmax(score, -1)) < 1e-4


def test_rows_before_the_first_biased_row_are_untouched(model: LlavaModel, noise_pictures: list[Any]) -> None:
    batch = make_batch(model, noise_pictures, MIXED, "right")
    stock, ours = batch.logits(model), batch.logits(model, torch.tensor([[0.0, 1.0]] * 3))
    for row, first in enumerate(batch.first_row.tolist()):
        assert torch.equal(stock[row, :first], ours[row, :first])
        assert largest(stock[row, first], ours[row, first]) > 0.1


# The corners


def test_without_weight_the_image_does_not_matter(model: LlavaModel, noise_pictures: list[Any]) -> None:
    here = make_batch(model, noise_pictures, MIXED)
    there = make_batch(model, noise_pictures[3:], MIXED)
    text_only = torch.tensor([[0.0, 1.0]] * 3)
    assert largest(here.logits(model)[:, -1], there.logits(model)[:, -1]) > 0.3
    ours = here.logits(model, text_only)[:, -1], there.logits(model, text_only)[:, -1]
    assert largest(*ours) <= 1e-5


def test_without_weight_the_question_does_not_matter(model: LlavaModel, noise_pictures: list[Any]) -> None:
    questions = ("What color is the circle?", "What color is the triangle?")
    here = make_batch(model, noise_pictures[:1], questions[:1])
    there = make_batch(model, noise_pictures[:1], questions[1:])
    assert here.inputs["input_ids"].shape == there.inputs["input_ids"].shape
    image_only = torch.tensor([[1.0, 0.0]])
    assert largest(here.logits(model)[:, -1], there.logits(model)[:, -1]) > 0.1
    ours = here.logits(model, image_only)[:, -1], there.logits(model, image_only)[:, -1]
    assert largest(*ours) <= 1e-5


def test_an_absent_modality_is_invisible_and_gives_no_boost_to_the_other(
    model: LlavaModel, noise_pictures: list[Any]
) -> None:
    here = make_batch(model, noise_pictures, MIXED[:1])
    there = make_batch(model, noise_pictures[1:], MIXED[:1])
    gone = torch.tensor([[False, True]])
    half = torch.tensor([[0.5, 0.5]])
    first = here.logits(model, half, present=gone)[:, -1]
    assert largest(first, there.logits(model, half, present=gone)[:, -1]) <= 1e-5
    assert torch.equal(first, here.logits(model, torch.tensor([[0.2, 0.8]]), present=gone)[:, -1])
    assert largest(first, here.logits(model, torch.tensor([[0.0, 1.0]]))[:, -1]) > 0.05
    nothing = torch.zeros(1, 2, dtype=torch.bool)
    assert torch.isfinite(here.logits(model, half, present=nothing)).all()


def test_the_response_to_the_weight_is_continuous_at_uniform(
    model: LlavaModel, noise_pictures: list[Any]
) -> None:
    batch = make_batch(model, noise_pictures, MIXED)
    stock = batch.logits(model)[:, -1]
    steps = [
        largest(stock, batch.logits(model, torch.tensor([[0.5 + d, 0.5 - d]] * 3))[:, -1])
        for d in (1e-4, 1e-2, 0.3)
    ]
    assert 0 < steps[0] < 0.05
    assert steps[0] < steps[1] < steps[2]


# The hook


def test_the_hook_is_gone_afterwards(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    batch = make_batch(tiny_llava, noise_pictures, MIXED)
    stock = batch.logits(tiny_llava)
    with pytest.raises(ZeroDivisionError), batch.bias(tiny_llava, ODD):
        assert len(tiny_llava.language_model._forward_pre_hooks) == 1
        raise ZeroDivisionError
    assert not tiny_llava.language_model._forward_pre_hooks
    batch.logits(tiny_llava, ODD)
    assert not tiny_llava.language_model._forward_pre_hooks
    assert torch.equal(stock, batch.logits(tiny_llava))


@pytest.mark.parametrize("rows", [(0,), (0, 1, 2, 0)])
def test_a_call_with_other_rows_is_refused(
    tiny_llava: LlavaModel, noise_pictures: list[Any], rows: tuple[int, ...]
) -> None:
    batch = make_batch(tiny_llava, noise_pictures, MIXED)
    other = make_batch(tiny_llava, [noise_pictures[row] for row in rows], [MIXED[row] for row in rows])
    with (
        pytest.raises(ModelError, match="rows in a call under the weights of 3"),
        torch.inference_mode(),
        batch.bias(tiny_llava, ODD),
    ):
        tiny_llava.model(**other.inputs)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_half_precision_stays_finite(
    tiny_folder: Any, noise_pictures: list[Any], dtype: str, attention: str
) -> None:
    model = LlavaModel(tiny_folder, dtype=dtype, attention=attention)
    batch = make_batch(model, noise_pictures, MIXED)
    batch.inputs["pixel_values"] = batch.inputs["pixel_values"].to(model.model.dtype)
    stock = batch.logits(model)
    corners = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    ours = batch.logits(model, corners)
    assert torch.isfinite(ours).all()
    assert torch.equal(stock[2][batch.real[2]], ours[2][batch.real[2]])
    assert largest(stock[0, -1], ours[0, -1]) > 0.1


@pytest.mark.parametrize(
    "weights",
    [
        [[-0.1, 1.1]],
        [[math.nan, 1.0]],
        [[math.inf, 1.0]],
        [[0.0, 0.0]],
        [[0.2, 0.3, 0.5]],
        [[1.0]],
        [0.5, 0.5],
    ],
)
def test_invalid_weights_are_refused(
    tiny_llava: LlavaModel, noise_pictures: list[Any], weights: list[Any]
) -> None:
    batch = make_batch(tiny_llava, noise_pictures, MIXED[:1])
    present = torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="weights"):
        modality_bias(torch.tensor(weights), present)
    with (
        pytest.raises(ValueError, match="weights"),
        batch.bias(tiny_llava, torch.tensor(weights), present=present),
    ):
        raise AssertionError("must not be entered")
    assert not tiny_llava.language_model._forward_pre_hooks


@pytest.mark.parametrize("name", ["flash_attention_2", "flex_attention", "paged|sdpa"])
def test_other_attention_implementations_are_refused(name: str) -> None:
    module: Any = SimpleNamespace(config=SimpleNamespace(_attn_implementation=name))
    with pytest.raises(ModelError, match="load the model with attention=sdpa"):
        check_attention(module)


# The bias itself


def test_bias_by_hand() -> None:
    weights = torch.tensor([[0.25, 0.75], [0.0, 1.0], [0.9, 0.1], [1.0, 0.0], [0.3, 0.7], [2.0, 6.0]])
    present = torch.tensor([[1, 1], [1, 1], [0, 1], [0, 1], [0, 0], [1, 1]]).bool()
    inf = math.inf
    expected = [
        [math.log(0.5), math.log(1.5)],
        [-inf, math.log(2.0)],
        [-inf, 0.0],
        [-inf, 0.0],  # all weight on what is absent says nothing about the rest
        [-inf, -inf],
        [math.log(0.5), math.log(1.5)],
    ]
    torch.testing.assert_close(modality_bias(weights, present), torch.tensor(expected))
    static = modality_bias(None, present)
    assert torch.equal(static, torch.where(present, torch.zeros(()), -torch.inf))


@given(st.integers(1, 6), st.integers(-126, 127))
def test_equal_weights_of_any_size_give_exactly_no_bias(modalities: int, exponent: int) -> None:
    weights = torch.full((2, modalities), 1.9 * 2.0**exponent)
    assert torch.equal(modality_bias(weights, torch.ones(2, modalities).bool()), torch.zeros(2, modalities))


@settings(deadline=None)
@given(
    arrays.arrays(np.float32, (3, 4), elements=st.floats(0, 2.0**127, width=32, allow_subnormal=False)),
    arrays.arrays(np.bool_, (3, 4)),
)
def test_the_bias_multiplies_by_the_share_among_those_present(
    weights: np.ndarray[Any, Any], present: np.ndarray[Any, Any]
) -> None:
    weights[:, 0] += weights.sum(axis=1, dtype=np.float64) == 0
    bias = modality_bias(torch.from_numpy(weights), torch.from_numpy(present)).double().numpy()
    kept = np.where(present, weights.astype(np.float64), 0.0)
    kept = np.where(kept.sum(axis=1, keepdims=True) > 0, kept, present)
    expected = present.sum(axis=1, keepdims=True) * kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-300)
    np.testing.assert_allclose(np.exp(bias), np.where(present, expected, 0.0), rtol=1e-4, atol=1e-6)
