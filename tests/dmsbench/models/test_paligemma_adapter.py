"""The PaliGemma adapter against the stock processor, forward and generate, with Gemma and Gemma 2."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from stock import stock_generate, stock_logprobs
from tiny_paligemma import IMAGE_TOKENS, save_tiny_paligemma

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.models.base import Prompt
from dmsbench.models.paligemma import PaliGemmaModel
from dmsbench.models.scheduled import ScheduledModel
from dmsbench.models.spec import parse
from dmsbench.models.zoo import Zoo

QUESTIONS = (
    "What color is the circle?",
    "no",
    "Does the image contain a rectangle, then, or does it not contain one?",
    "wht colr is tge shpe",
    "größer als 🙂?\nnaïve — or not",
    "  two  spaces  ",
)
ROWS = [(0, 0), (1, 1), (2, 2), (0, 3), (5, 4), (1, 0), (3, 2), (2, 5), (4, 0), (0, 2)]
IMAGES, ASKED = [image for image, _ in ROWS], [Prompt(QUESTIONS[question]) for _, question in ROWS]
#: Text model and attention; stock Gemma 2 takes eager only.
VARIANTS = (("gemma", "sdpa"), ("gemma", "eager"), ("gemma2", "eager"))

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def folder(kind: str) -> Path:
        return save_tiny_paligemma(tmp_path_factory.mktemp("paligemma") / kind, kind)

    return folder


@pytest.fixture(scope="session")
def load(folder_of: Callable[[str], Path]) -> Callable[[str, str], PaliGemmaModel]:
    @cache
    def model(kind: str, attention: str) -> PaliGemmaModel:
        return PaliGemmaModel(folder_of(kind), attention=attention)

    return model


@pytest.fixture(params=VARIANTS, ids="-".join)
def model(request: pytest.FixtureRequest, load: Callable[[str, str], PaliGemmaModel]) -> PaliGemmaModel:
    return load(*request.param)


@pytest.fixture
def stock_caps(model: PaliGemmaModel) -> None:
    """Skips where the stock model's logits are not those that its text model was trained with."""
    source = inspect.getsource(type(model.model).forward)
    if model.language_model.config.model_type == "gemma2" and "final_logit_softcapping" not in source:
        pytest.skip(f"transformers {transformers.__version__} does not cap the logits of PaliGemma 2")


def stock_inputs(model: PaliGemmaModel, picture: Any, question: str) -> Any:
    made = model.processor(images=[picture], text=[f"<image>answer en {question}"], return_tensors="pt")
    made.pop("labels", None)  # these are for training
    return made


@contextmanager
def stock_bias(model: PaliGemmaModel, question: str, weights: torch.Tensor) -> Iterator[None]:
    """Adds log(2·w) to the keys of image and question in every mask that the stock text model is given."""
    tokens = len(model.processor.tokenizer(f"answer en {question}")["input_ids"])
    before = len(model.processor.tokenizer("answer en")["input_ids"])
    by_key = torch.zeros(IMAGE_TOKENS + 1 + tokens)
    by_key[:IMAGE_TOKENS] = (2 * weights[0]).log()
    by_key[IMAGE_TOKENS + 1 + before :] = (2 * weights[1]).log()

    def add(_module: Any, args: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        def biased(mask: torch.Tensor | None) -> torch.Tensor:
            keys = mask.shape[-1]  # type: ignore[union-attr]
            if mask.dtype == torch.bool:  # type: ignore[union-attr]
                mask = torch.where(mask, 0.0, -torch.inf)  # type: ignore[arg-type]
            bias = torch.nn.functional.pad(by_key, (0, keys - len(by_key)))
            return (mask + bias).clamp_min(torch.finfo(torch.float32).min)  # type: ignore[operator]

        mask = given["attention_mask"]
        if isinstance(mask, dict):
            return args, {**given, "attention_mask": {name: biased(each) for name, each in mask.items()}}
        if mask is None:
            cache = given.get("past_key_values")
            width = given["inputs_embeds"].shape[1]
            past = cache.get_seq_length() if cache is not None else 0
            mask = torch.zeros(1, 1, width, past + width)
        return args, {**given, "attention_mask": biased(mask)}

    handle = model.language_model.register_forward_pre_hook(add, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def our_logprobs(
    model: PaliGemmaModel,
    pictures: Sequence[Any],
    rows: Sequence[int],
    prompts: Sequence[Prompt],
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    with torch.inference_mode():
        start = model.prefill(model.encode(pictures), rows, prompts, weights)
        return torch.log_softmax(model.logits(start.hidden), dim=-1)


def alike(model: PaliGemmaModel) -> tuple[str, str]:
    """Two questions that differ in their evidence's tokens only, not in their number."""
    one, two = "What color is the circle?", "What color is the shape?"
    missing = model.length(Prompt(one)) - model.length(Prompt(two))
    one, two = one + "#" * -missing, two + "#" * missing
    assert model.length(Prompt(two)) == model.length(Prompt(one))
    return one, two


def largest(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max())


# Against stock transformers


@pytest.mark.usefixtures("stock_caps")
def test_first_token_log_probabilities_are_those_of_the_stock_forward(
    model: PaliGemmaModel, noise_pictures: list[Any]
) -> None:
    ours = our_logprobs(model, noise_pictures, IMAGES, ASKED)
    stock = [stock_logprobs(model, stock_inputs(model, noise_pictures[i], QUESTIONS[q])) for i, q in ROWS]
    assert largest(ours, torch.stack(stock)) < 1e-4
    assert largest(ours[0], ours[5]) > 0.05, "the image decides"
    assert largest(ours[0], ours[3]) > 0.05, "the question decides"


@pytest.mark.usefixtures("stock_caps")
def test_answers_are_those_of_stock_generate_in_any_batch(
    model: PaliGemmaModel, noise_pictures: list[Any]
) -> None:
    stock = [stock_generate(model, stock_inputs(model, noise_pictures[i], QUESTIONS[q])) for i, q in ROWS]
    assert len({text for text, _ in stock}) > 4
    assert len({len(steps) for _, steps in stock}) > 2, "answers end at different steps"
    state = model.encode(noise_pictures)
    for size in (1, 3, 64):
        for begin in range(0, len(ROWS), size):
            part = slice(begin, begin + size)
            answers = model.answer(state, IMAGES[part], ASKED[part])
            for row, (text, steps) in enumerate(stock[part]):
                assert answers.texts[row] == text, f"batches of {size}"
                sure = torch.stack([step[0] for step in steps]).sum().exp().item()
                assert answers.confidence[row] == pytest.approx(sure, rel=1e-3)
                gap = min((step[0] - step[1]).item() for step in steps)
                assert answers.margin[row] == pytest.approx(gap, abs=1e-3)


@pytest.mark.parametrize("point", [(0.9, 0.1), (0.3, 0.7)])
@pytest.mark.usefixtures("stock_caps")
def test_weights_are_the_bias_on_every_row_of_the_stock_model(
    model: PaliGemmaModel, noise_pictures: list[Any], point: tuple[float, float]
) -> None:
    weights, question = torch.tensor(point), "no"
    # The question's tokens can be counted apart: none of them joins the task's blank or the line break.
    state = model.encode(noise_pictures)
    suffix = model.format.suffix(Prompt(question))
    assert model.processor.tokenizer.decode(suffix.ids[suffix.first : suffix.last]).strip() == question
    for image in (0, 2):
        ours = our_logprobs(model, noise_pictures, [image], [Prompt(question)], weights[None])[0]
        inputs = stock_inputs(model, noise_pictures[image], question)
        with torch.inference_mode(), stock_bias(model, question, weights):
            stock = model.model(**inputs).logits[0, -1].log_softmax(-1)
            out = model.model.generate(**inputs, max_new_tokens=16, do_sample=False)
        assert largest(ours, stock) < 1e-4
        assert (
            largest(ours, stock_logprobs(model, stock_inputs(model, noise_pictures[image], question))) > 0.02
        )
        tokens = out[0, inputs["input_ids"].shape[1] :].tolist()
        kept = [token for token in tokens if token not in model.stops]
        answer = model.processor.tokenizer.decode(kept, skip_special_tokens=True).strip()
        assert model.answer(state, [image], [Prompt(question)], weights[None]).texts[0] == answer


# Weights


def test_uniform_weights_are_exactly_static(model: PaliGemmaModel, noise_pictures: list[Any]) -> None:
    state = model.encode(noise_pictures)
    static = model.answer(state, IMAGES, ASKED)
    uniform = model.answer(state, IMAGES, ASKED, torch.full((len(ROWS), 2), 0.5))
    assert static.texts == uniform.texts
    np.testing.assert_array_equal(static.confidence, uniform.confidence)
    np.testing.assert_array_equal(static.margin, uniform.margin)


def test_a_modality_of_weight_0_is_gone(model: PaliGemmaModel, noise_pictures: list[Any]) -> None:
    one, two = alike(model)
    text_only, image_only = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])

    def ask(image: int, question: str, weights: torch.Tensor | None) -> torch.Tensor:
        return our_logprobs(model, [noise_pictures[image]], [0], [Prompt(question)], weights)[0]

    for image in (1, 2, 3):
        assert largest(ask(0, one, text_only), ask(image, one, text_only)) == 0.0
    assert largest(ask(0, one, image_only), ask(0, two, image_only)) == 0.0
    assert largest(ask(0, one, None), ask(1, one, None)) > 0.05
    assert largest(ask(0, one, None), ask(0, two, None)) > 0.05
    state, prompts = model.encode(noise_pictures), [Prompt(one)] * 3
    answers = model.answer(state, [0, 1, 2], prompts, text_only.expand(3, -1))
    assert len(set(answers.texts)) == 1
    np.testing.assert_allclose(answers.confidence, answers.confidence[0], rtol=1e-5)


def test_weights_of_one_row_change_that_row_alone(model: PaliGemmaModel, noise_pictures: list[Any]) -> None:
    plain = our_logprobs(model, noise_pictures, IMAGES, ASKED)
    weights = torch.full((len(ROWS), 2), 0.5)
    weights[3] = torch.tensor([0.05, 0.95])
    apart = (our_logprobs(model, noise_pictures, IMAGES, ASKED, weights) - plain).abs().amax(dim=1)
    assert apart[3] > 0.02
    apart[3] = 0
    assert (apart == 0).all()


def test_a_modality_that_is_absent_is_not_seen(model: PaliGemmaModel, noise_pictures: list[Any]) -> None:
    def ask(row: int, prompt: Prompt) -> torch.Tensor:
        return our_logprobs(model, noise_pictures, [row], [prompt])[0]

    one = "What color is the circle?"
    assert torch.equal(ask(0, Prompt(one, has_image=False)), ask(1, Prompt(one, has_image=False)))
    assert largest(ask(0, Prompt(one)), ask(0, Prompt(one, has_image=False))) > 0.05
    assert largest(ask(0, Prompt(one)), ask(0, Prompt(one, has_text=False))) > 0.05
    # Of an absent text nothing but its length is left, in the positions of what follows.
    one, other = alike(model)
    absent = ask(0, Prompt(one, has_text=False))
    assert largest(absent, ask(0, Prompt(other, has_text=False))) == 0.0


# Prompts, the zoo, and what is refused


def test_tokens_are_the_stock_processors(model: PaliGemmaModel, noise_pictures: list[Any]) -> None:
    for question in QUESTIONS:
        prompt = Prompt(question)
        assert model.format.text(prompt) == f"<image>answer en {question}"
        ids = stock_inputs(model, noise_pictures[0], question)["input_ids"][0].tolist()
        assert tuple(ids[IMAGE_TOKENS:]) == model.format.suffix(prompt).ids


def test_prompts_that_are_too_long_are_refused(model: PaliGemmaModel, tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="the model holds 400"):
        model.length(Prompt("x ? " * 400))
    narrow = PaliGemmaModel(
        save_tiny_paligemma(tmp_path / "narrow", "gemma2", sliding_window=60), attention="eager"
    )
    assert narrow.length(Prompt("no")) > 0
    with pytest.raises(SampleError, match="the window holds"):
        narrow.length(Prompt("x ? " * 30))


@pytest.mark.parametrize(("kind", "attention"), VARIANTS)
def test_the_zoo_loads_it_static_and_scheduled(
    folder_of: Callable[[str], Path], noise_pictures: list[Any], kind: str, attention: str
) -> None:
    zoo = Zoo(answer_space=("red", "blue"))
    spec = f"{folder_of(kind)},attention={attention}"
    static = zoo.load(parse(f"a={spec}"))
    assert isinstance(static, PaliGemmaModel)
    assert json.loads(json.dumps(static.settings())) == static.settings()
    ruled = zoo.load(parse(f"b={spec},fusion=dms,alpha=3,beta=0.5"))
    assert isinstance(ruled, ScheduledModel) and ruled.adapter is static
    answers = ruled.answer(ruled.encode(noise_pictures), IMAGES, ASKED)
    assert answers.weights is not None and answers.weights.std() > 0
    late = zoo.load(parse(f"c={spec},fusion=late"))
    assert len(late.answer(late.encode(noise_pictures), IMAGES, ASKED).texts) == len(ROWS)


def test_attention_that_does_not_work_is_refused(folder_of: Callable[[str], Path]) -> None:
    with pytest.raises(ModelError, match="takes no bias"):
        PaliGemmaModel(folder_of("gemma"), attention="flash_attention_2")
    with pytest.raises(ModelError, match="use attention=eager"):
        PaliGemmaModel(folder_of("gemma2"))
