"""The seam inside stock BLIP-2, forward and generate: OPT, Llama and the encoder-decoder T5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from tiny_blip2 import KINDS, QUERIES

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import attention_bias
from dmsbench.models.blip2 import Blip2Model

SAME_LENGTH = ("What color is the circle?", "What color is the triangle?", "What color is the shape?")
MIXED = ("What color is the circle?", "no", "Does the image contain a rectangle, then, or does it not?")
ODD = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5]])
ENDS = {"opt": " Answer:", "llama": " Answer:", "t5": " Short answer:"}

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Batch:
    inputs: dict[str, torch.Tensor]
    keys: list[torch.Tensor]

    @property
    def first_row(self) -> torch.Tensor:
        return torch.full((len(self.keys[0]),), QUERIES)

    def logits(self, model: Blip2Model, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Of every real row of the prompt (decoder-only), or of two steps of the decoder."""
        inputs = dict(self.inputs)
        if model.model.config.is_encoder_decoder:
            inputs["decoder_input_ids"] = torch.tensor([[0, 5]]).expand(len(self.keys[0]), -1)
        with torch.inference_mode(), ExitStack() as stack:
            if weights is not None:
                stack.enter_context(self.bias(model, weights))
            return model.model(**inputs).logits

    def last(self, model: Blip2Model, weights: torch.Tensor | None = None) -> torch.Tensor:
        logits = self.logits(model, weights)
        if model.model.config.is_encoder_decoder:
            return logits[:, -1]
        real = self.inputs["attention_mask"]
        places = torch.arange(real.shape[1]).expand_as(real)
        return logits[torch.arange(len(real)), (places * real).max(dim=1).values]

    def generate(
        self, model: Blip2Model, beams: int, weights: torch.Tensor | None = None, **given: Any
    ) -> Any:
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
                **given,
            )

    def bias(self, model: Blip2Model, weights: torch.Tensor) -> Any:
        return attention_bias(model.language_model, weights, self.keys, first_row=self.first_row)


def make_batch(
    model: Blip2Model, pictures: Sequence[Any], questions: Sequence[str], side: str = "left"
) -> Batch:
    """Stock inputs; the evidence is found by counting tokens, not by the adapter."""
    tokenizer = model.processor.tokenizer
    before = tokenizer.padding_side
    tokenizer.padding_side = side
    end = ENDS[model.language_model.config.model_type]
    texts = [f"Question: {question}{end}" for question in questions]
    inputs = model.processor(
        images=list(pictures[: len(texts)]), text=texts, padding=True, return_tensors="pt"
    )
    tokenizer.padding_side = before
    image = inputs["input_ids"] == tokenizer.convert_tokens_to_ids("<image>")
    assert image[:, :QUERIES].all()
    text = torch.zeros_like(image)
    for row, question in enumerate(questions):
        real = inputs["attention_mask"][row, QUERIES:].nonzero()[:, 0] + QUERIES
        bos = 0 if model.model.config.is_encoder_decoder else 1
        start = bos + len(tokenizer("Question:", add_special_tokens=False)["input_ids"])
        length = len(tokenizer(f" {question}", add_special_tokens=False)["input_ids"])
        text[row, real[start : start + length]] = True
    return Batch(dict(inputs), [image, text])


def largest(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max())


@pytest.fixture(params=[(kind, attention) for kind in KINDS for attention in ("sdpa", "eager")], ids="-".join)
def model(request: pytest.FixtureRequest, tiny_blip2: Callable[..., Blip2Model]) -> Blip2Model:
    return tiny_blip2(*request.param)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("questions", [SAME_LENGTH, MIXED])
def test_weights_of_one_row_change_that_row_alone(
    model: Blip2Model, noise_pictures: list[Any], side: str, questions: tuple[str, ...]
) -> None:
    batch = make_batch(model, noise_pictures, questions, side)
    stock, ours = batch.logits(model), batch.logits(model, ODD)
    real = batch.inputs["attention_mask"].bool()
    for row in (0, 2):
        if model.model.config.is_encoder_decoder:
            assert torch.equal(stock[row], ours[row])
        else:
            assert torch.equal(stock[row][real[row]], ours[row][real[row]])
    assert largest(batch.last(model)[1], batch.last(model, ODD)[1]) > 0.05
    assert torch.equal(batch.logits(model, torch.full((3, 2), 0.5)), stock)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(("questions", "side"), [(SAME_LENGTH, "left"), (MIXED, "left"), (MIXED, "right")])
def test_generate_under_weights_of_one_row_changes_that_row_alone(
    model: Blip2Model,
    noise_pictures: list[Any],
    beams: int,
    cached: bool,
    questions: tuple[str, ...],
    side: str,
) -> None:
    batch = make_batch(model, noise_pictures, questions, side)
    stock = batch.generate(model, beams, use_cache=cached)
    ours = batch.generate(model, beams, ODD, use_cache=cached)
    for step, (before, after) in enumerate(zip(stock.scores, ours.scores, strict=False)):
        for row in (0, 2):
            mine = slice(row * beams, (row + 1) * beams)
            assert torch.equal(before[mine], after[mine]), f"step {step}"
        if step == 0:
            assert largest(before[beams], after[beams]) > 0.05
    uniform = batch.generate(model, beams, torch.full((3, 2), 0.5), use_cache=cached)
    assert torch.equal(stock.sequences, uniform.sequences)


def test_generate_under_weights_is_forward_under_weights(
    model: Blip2Model, noise_pictures: list[Any]
) -> None:
    batch = make_batch(model, noise_pictures, MIXED[2:])
    weights = torch.tensor([[0.85, 0.15]])
    found = batch.generate(model, 1, weights)
    for step, score in enumerate(found.scores):
        longer = dict(batch.inputs)
        drawn = found.sequences[:, -len(found.scores) :][:, :step]
        if model.model.config.is_encoder_decoder:
            longer["decoder_input_ids"] = torch.cat([torch.zeros(1, 1, dtype=torch.long), drawn], dim=1)
        else:
            longer["input_ids"] = torch.cat([longer["input_ids"], drawn], dim=1)
            longer["attention_mask"] = torch.ones_like(longer["input_ids"])
        with torch.inference_mode(), batch.bias(model, weights):
            whole = model.model(**longer).logits[:, -1]
        assert largest(torch.log_softmax(whole, -1), torch.log_softmax(score, -1)) < 1e-4


@pytest.mark.parametrize("side", ["left", "right"])
def test_without_weight_a_modality_does_not_matter(
    model: Blip2Model, noise_pictures: list[Any], side: str
) -> None:
    here = make_batch(model, noise_pictures, MIXED, side)
    there = make_batch(model, noise_pictures[3:], MIXED, side)
    text_only = torch.tensor([[0.0, 1.0]] * 3)
    assert largest(here.last(model), there.last(model)) > 0.05
    assert largest(here.last(model, text_only), there.last(model, text_only)) <= 1e-5
    image_only = torch.tensor([[1.0, 0.0]])
    here = make_batch(model, noise_pictures[:1], SAME_LENGTH[:1])
    there = make_batch(model, noise_pictures[:1], SAME_LENGTH[1:2])
    assert here.inputs["input_ids"].shape == there.inputs["input_ids"].shape
    assert largest(here.last(model), there.last(model)) > 0.05
    assert largest(here.last(model, image_only), there.last(model, image_only)) <= 1e-5


@pytest.mark.parametrize("beams", [1, 3])
def test_without_weight_a_modality_does_not_matter_in_generate(
    model: Blip2Model, noise_pictures: list[Any], beams: int
) -> None:
    text_only = torch.tensor([[0.0, 1.0]] * 3)
    here, there = (
        make_batch(model, pictures, MIXED).generate(model, beams, text_only)
        for pictures in (noise_pictures, noise_pictures[3:])
    )
    start = 0 if model.model.config.is_encoder_decoder else len(here.sequences[0]) - len(here.scores)
    assert torch.equal(here.sequences[:, start:], there.sequences[:, start:])


def test_the_response_to_the_weight_is_continuous(model: Blip2Model, noise_pictures: list[Any]) -> None:
    batch = make_batch(model, noise_pictures, MIXED)
    for corner in (torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])):
        at = batch.last(model, corner.expand(3, -1))
        steps = []
        for share in (1e-6, 1e-3, 0.4):
            point = (1 - share) * corner + share * torch.tensor([0.3, 0.7])
            steps.append(largest(at, batch.last(model, point.expand(3, -1))))
        assert 0 < steps[0] < 0.02
        assert steps[0] < steps[1] < steps[2]


def test_hooks_are_gone_afterwards_and_other_rows_are_refused(
    model: Blip2Model, noise_pictures: list[Any]
) -> None:
    batch = make_batch(model, noise_pictures, MIXED)
    one = make_batch(model, noise_pictures, MIXED[:1])
    stock = batch.logits(model)
    with pytest.raises(ModelError, match="1 rows in a call under the weights of 3"), batch.bias(model, ODD):
        one.logits(model)
    assert not any(module._forward_pre_hooks for module in model.language_model.modules())
    assert torch.equal(stock, batch.logits(model))
