"""SmolVLM, Idefics3, Qwen2-VL and Qwen2.5-VL against the stock processor, forward and generate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stock import stock_generate, stock_logprobs
from tiny_prefixed import KINDS, save_tiny
from transformers import Idefics3Processor, Qwen2_5_VLProcessor, Qwen2VLProcessor

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import attention_bias
from dmsbench.fusion.schedulers import RuleScheduler
from dmsbench.models.base import Prompt
from dmsbench.models.decoding import prefill_points
from dmsbench.models.idefics3 import Idefics3Model, SmolVlmModel
from dmsbench.models.mixed import MixedModel
from dmsbench.models.prefixed import PrefixAdapter
from dmsbench.models.qwen2_vl import Qwen2VlModel, Qwen25VlModel
from dmsbench.models.scheduled import ScheduledModel
from dmsbench.models.spec import parse
from dmsbench.models.zoo import Zoo

CLASSES: dict[str, Any] = {
    "smolvlm": SmolVlmModel,
    "idefics3": Idefics3Model,
    "qwen2_vl": Qwen2VlModel,
    "qwen2_5_vl": Qwen25VlModel,
}
QUESTIONS = (
    "What color is the circle?",
    "no",
    "Does the image contain a rectangle, then, or does it not contain one?",
    "wht colr is tge shpe",
    "größer als 🙂?\nnaïve — or not",
    "  two  spaces  ",
)
#: (image, question) pairs, images mixed; images 4 and 5 have other sizes than the first four.
ROWS = [(0, 0), (1, 1), (2, 2), (0, 3), (5, 4), (1, 0), (3, 2), (2, 5), (4, 0), (0, 2), (5, 1), (4, 3)]
IMAGES, ASKED = [image for image, _ in ROWS], [Prompt(QUESTIONS[question]) for _, question in ROWS]

pytestmark = pytest.mark.usefixtures("one_thread", "rows_packed")


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def folder(kind: str) -> Path:
        return save_tiny(tmp_path_factory.mktemp("prefixed") / kind, kind)

    return folder


@pytest.fixture(scope="session")
def load(folder_of: Callable[[str], Path]) -> Callable[..., PrefixAdapter]:
    @cache
    def model(kind: str, attention: str = "sdpa") -> PrefixAdapter:
        found: PrefixAdapter = CLASSES[kind](folder_of(kind), attention=attention)
        return found

    return model


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, load: Callable[..., PrefixAdapter]) -> PrefixAdapter:
    return load(request.param)


@pytest.fixture(scope="session")
def pictures(noise_pictures: list[Any]) -> list[Any]:
    rng = np.random.default_rng(1)
    sizes = ((32, 70), (32, 32))
    return [*noise_pictures[:4], *(rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes)]


def stock_processor(model: PrefixAdapter) -> Any:
    """The published processor; those with a video side are built without it, it needs torchvision."""
    parts = model.processor
    if isinstance(model, Idefics3Model):
        # SmolVLM's writes the same tokens; it asks for num2words, to read out the length of videos.
        return Idefics3Processor(
            parts.image_processor,
            parts.tokenizer,
            image_seq_len=model.tokens_a_tile,
            chat_template=parts.chat_template,
        )
    base: Any = Qwen2_5_VLProcessor if isinstance(model, Qwen25VlModel) else Qwen2VLProcessor

    class WithoutVideo(base):  # type: ignore[misc]
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name == "video_processor":
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    return WithoutVideo(parts.image_processor, parts.tokenizer, None, chat_template=parts.chat_template)


def stock_inputs(model: PrefixAdapter, picture: Any, question: str) -> Any:
    processor = stock_processor(model)
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
    text = processor.tokenizer.apply_chat_template(
        [turn], chat_template=processor.chat_template, add_generation_prompt=True, tokenize=False
    )
    return processor(images=[picture], text=[text], return_tensors="pt")


def marked(model: PrefixAdapter, picture: Any, question: str) -> tuple[Any, Any, torch.Tensor]:
    """Stock inputs, the keys of image and text, and the first row behind the image."""
    inputs = stock_inputs(model, picture, question)
    tokenizer, ids = model.processor.tokenizer, inputs["input_ids"]
    at = torch.arange(ids.shape[1])
    tokens = (ids[0] == tokenizer.convert_tokens_to_ids(model.format.image_token)).nonzero()
    start = int(tokens.min())
    if isinstance(model, Idefics3Model):
        start = int((ids[0] == tokenizer.convert_tokens_to_ids("<fake_token_around_image>")).nonzero().min())
    first = int(tokens.max()) + 1
    # The one token that closes the image stands between it and the question.
    begin, length = first + 1, len(tokenizer(question)["input_ids"])
    image = (at >= start) & (at < first)
    text = (at >= begin) & (at < begin + length)
    assert tokenizer.decode(ids[0][text]) == question
    return inputs, [image[None], text[None]], torch.tensor([first])


def prefix_logprobs(
    model: PrefixAdapter,
    pictures: Sequence[Any],
    rows: Sequence[int],
    prompts: Sequence[Prompt],
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    with torch.inference_mode():
        start = model.prefill(model.encode(pictures), rows, prompts, weights)
        return torch.log_softmax(model.logits(start.hidden), dim=-1)


def largest(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max())


# Against stock transformers


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_first_token_log_probabilities_are_those_of_the_stock_forward(
    load: Callable[..., PrefixAdapter], pictures: list[Any], kind: str, attention: str
) -> None:
    model = load(kind, attention)
    ours = prefix_logprobs(model, pictures, IMAGES, ASKED)
    stock = [stock_logprobs(model, stock_inputs(model, pictures[i], QUESTIONS[q])) for i, q in ROWS]
    assert largest(ours, torch.stack(stock)) < 1e-4
    assert largest(ours[0], ours[5]) > 0.05, "the image decides"
    assert largest(ours[0], ours[3]) > 0.05, "the question decides"


def test_answers_are_those_of_stock_generate_in_any_batch(model: PrefixAdapter, pictures: list[Any]) -> None:
    stock = [stock_generate(model, stock_inputs(model, pictures[i], QUESTIONS[q])) for i, q in ROWS]
    assert len({text for text, _ in stock}) > 4
    assert len({len(steps) for _, steps in stock}) > 3, "answers end at different steps"
    state = model.encode(pictures)
    for size in (1, 3, 64):
        for begin in range(0, len(ROWS), size):
            part = slice(begin, begin + size)
            answers = model.answer(state, IMAGES[part], ASKED[part])
            assert answers.weights is None and answers.signals is None
            for row, (text, steps) in enumerate(stock[part]):
                assert answers.texts[row] == text, f"batches of {size}"
                sure = sum(step[0] for step in steps).exp().item()  # type: ignore[union-attr]
                assert answers.confidence[row] == pytest.approx(sure, rel=1e-3)
                gap = min((step[0] - step[1]).item() for step in steps)
                assert answers.margin[row] == pytest.approx(gap, abs=1e-3)


@pytest.mark.parametrize("point", [(0.9, 0.1), (0.3, 0.7), (1.0, 0.0), (0.0, 1.0)])
def test_weights_behind_the_prefix_are_the_bias_in_the_stock_forward(
    model: PrefixAdapter, pictures: list[Any], point: tuple[float, float]
) -> None:
    weights, rows = torch.tensor([point]), [(image, QUESTIONS[question]) for image, question in ROWS[:4]]
    ours = prefix_logprobs(
        model, pictures, [i for i, _ in rows], [Prompt(q) for _, q in rows], weights.expand(4, -1)
    )
    for row, (image, question) in enumerate(rows):
        # In Qwen's template the question begins a token; in SmolVLM's it may join the colon before it.
        inputs, keys, first = marked(model, pictures[image], question)
        with (
            torch.inference_mode(),
            attention_bias(model.language_model, weights, keys, first_row=first),
        ):
            stock = model.model(**inputs).logits[0, -1].log_softmax(-1)
        assert largest(ours[row], stock) < 1e-4
        assert (
            largest(ours[row], stock_logprobs(model, stock_inputs(model, pictures[image], question))) > 0.02
        )


def test_answers_under_weights_are_stock_generate_under_the_bias(
    model: PrefixAdapter, pictures: list[Any]
) -> None:
    state, weights = model.encode(pictures), torch.tensor([[0.15, 0.85]])
    lengths = []
    for row, question in [(row, question) for row in (0, 2, 4) for question in QUESTIONS[:4]]:
        inputs, keys, first = marked(model, pictures[row], question)
        with attention_bias(model.language_model, weights, keys, first_row=first):
            out = model.model.generate(
                **inputs, max_new_tokens=16, do_sample=False, return_dict_in_generate=True, output_scores=True
            )
        tokens = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        kept = [token for token in tokens if token not in model.stops]
        sure = sum(score[0].log_softmax(-1).max() for score in out.scores).exp().item()
        ours = model.answer(state, [row], [Prompt(question)], weights)
        assert ours.texts[0] == model.processor.tokenizer.decode(kept, skip_special_tokens=True).strip()
        assert ours.confidence[0] == pytest.approx(sure, rel=1e-3)
        lengths.append(len(tokens))
    assert max(lengths) > 3, "the weights must hold beyond the first token"


# Weights


def test_uniform_weights_are_exactly_static(model: PrefixAdapter, pictures: list[Any]) -> None:
    state = model.encode(pictures)
    static = model.answer(state, IMAGES, ASKED)
    uniform = model.answer(state, IMAGES, ASKED, torch.full((len(ROWS), 2), 0.5))
    assert static.texts == uniform.texts
    np.testing.assert_array_equal(static.confidence, uniform.confidence)
    np.testing.assert_array_equal(static.margin, uniform.margin)


def test_a_modality_of_weight_0_is_gone(model: PrefixAdapter, pictures: list[Any]) -> None:
    one, two = "What color is the circle?", "What color is the shape?"
    missing = model.length(Prompt(one)) - model.length(Prompt(two))
    one, two = one + "#" * -missing, two + "#" * missing
    assert model.length(Prompt(two)) == model.length(Prompt(one))
    text_only, image_only = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])

    def ask(image: int, question: str, weights: torch.Tensor | None) -> torch.Tensor:
        return prefix_logprobs(model, [pictures[image]], [0], [Prompt(question)], weights)[0]

    for image in (1, 2, 3):
        assert largest(ask(0, one, text_only), ask(image, one, text_only)) == 0.0
    assert largest(ask(0, one, image_only), ask(0, two, image_only)) == 0.0
    assert largest(ask(0, one, None), ask(1, one, None)) > 0.05
    assert largest(ask(0, one, None), ask(0, two, None)) > 0.05


def test_weights_of_one_row_change_that_row_alone(model: PrefixAdapter, pictures: list[Any]) -> None:
    plain = prefix_logprobs(model, pictures, IMAGES, ASKED)
    weights = torch.full((len(ROWS), 2), 0.5)
    weights[3] = torch.tensor([0.05, 0.95])
    changed = prefix_logprobs(model, pictures, IMAGES, ASKED, weights)
    apart = (changed - plain).abs().amax(dim=1)
    assert apart[3] > 0.02
    apart[3] = 0
    assert (apart == 0).all()


def test_answers_under_weights_do_not_depend_on_the_batch(model: PrefixAdapter, pictures: list[Any]) -> None:
    state = model.encode(pictures)
    weights = torch.rand(len(ROWS), 2, generator=torch.Generator().manual_seed(0))
    whole = model.answer(state, IMAGES, ASKED, weights)
    for row in range(len(ROWS)):
        one = model.answer(state, IMAGES[row : row + 1], ASKED[row : row + 1], weights[row : row + 1])
        assert one.texts[0] == whole.texts[row]
        assert one.confidence[0] == pytest.approx(whole.confidence[row], rel=1e-3)
    assert whole.texts != model.answer(state, IMAGES, ASKED).texts


def test_images_of_unlike_size_together_and_one_by_one(model: PrefixAdapter, pictures: list[Any]) -> None:
    together = model.encode(pictures)
    assert len(set(together.exists.sum(dim=1).tolist())) > 1, "prefixes of unlike length"
    for index, picture in enumerate(pictures):
        alone = model.encode([picture])
        length = alone.exists.shape[1]
        assert int(together.exists[index].sum()) == length
        assert torch.equal(together.image[index, :length], alone.image[0])
        assert torch.equal(together.next_position[index], alone.next_position[0])
        for (keys, values), (key, value) in zip(together.cache, alone.cache, strict=True):
            assert largest(keys[index, :, :length], key[0]) < 1e-4
            assert largest(values[index, :, :length], value[0]) < 1e-4
        assert largest(together.pooled[index], alone.pooled[0]) < 1e-4
        assert largest(together.tower[index], alone.tower[0]) < 1e-4


def test_what_the_text_alone_says_does_not_depend_on_who_was_asked_first(
    model: PrefixAdapter, pictures: list[Any]
) -> None:
    # A longer prefix moves the text away from the template before the image, masked though the image is.
    asked = [Prompt(QUESTIONS[0])] * 2
    state = model.encode([pictures[0], np.resize(pictures[4], (32, 160, 3))])
    assert state.next_position[0] != state.next_position[1]

    def measured(*rows: int) -> dict[int, tuple[float, float]]:
        fresh = ScheduledModel(model, RuleScheduler(1.0, 1.0))
        found = [(row, fresh.signals(state, [row], asked[:1])) for row in rows]
        return {row: (float(each.confidence[0, 1]), float(each.uncertainty[0, 1])) for row, each in found}

    one, other = measured(0, 1), measured(1, 0)
    assert one[0] == pytest.approx(other[0], rel=1e-4) and one[1] == pytest.approx(other[1], rel=1e-4)
    points = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    streams = prefill_points(model, state, [0, 1], asked, points)
    for row in range(2):
        alone = prefill_points(model, state, [row], asked[:1], points)
        hidden = streams.start.hidden[streams.at[row]]
        assert largest(hidden, alone.start.hidden[alone.at[0]]) < 1e-3


# Prompts


def test_tokens_are_the_stock_processors(model: PrefixAdapter, pictures: list[Any]) -> None:
    state = model.encode(pictures)
    for image, question in ROWS:
        ids = stock_inputs(model, pictures[image], QUESTIONS[question])["input_ids"][0].tolist()
        suffix = model.format.suffix(Prompt(QUESTIONS[question])).ids
        assert tuple(ids[-len(suffix) :]) == suffix
        assert len(ids) == int(state.exists[image].sum()) + len(suffix)
        assert model.length(Prompt(QUESTIONS[question])) == len(suffix)


def test_a_modality_that_is_absent_is_not_seen(model: PrefixAdapter, pictures: list[Any]) -> None:
    def ask(row: int, prompt: Prompt) -> torch.Tensor:
        return prefix_logprobs(model, pictures, [row], [prompt])[0]

    one = "What color is the circle?"
    assert torch.equal(ask(0, Prompt(one, has_image=False)), ask(1, Prompt(one, has_image=False)))
    assert largest(ask(0, Prompt(one)), ask(0, Prompt(one, has_image=False))) > 0.05
    assert largest(ask(0, Prompt(one)), ask(0, Prompt(one, has_text=False))) > 0.05
    state = model.encode(pictures)
    prompts = [Prompt("Is it?", has_image=False), Prompt("Is it?", has_text=False), Prompt("Is it?", "")]
    static = model.answer(state, [0, 1, 2], prompts)
    for point in ((0.2, 0.8), (1.0, 0.0), (0.0, 1.0)):
        ours = model.answer(state, [0, 1, 2], prompts, torch.tensor([point] * 3))
        assert ours.texts == static.texts
        np.testing.assert_array_equal(ours.confidence, static.confidence)


def test_the_context_is_the_evidence_and_the_question_stays_visible(
    model: PrefixAdapter, pictures: list[Any]
) -> None:
    image_only = torch.tensor([[1.0, 0.0]])

    def ask(question: str, context: str, weights: torch.Tensor | None) -> torch.Tensor:
        prompt = Prompt(question, context=context)
        return prefix_logprobs(model, pictures, [0], [prompt], weights)[0]

    one, two = "a circle, red", "a shape, green"
    assert largest(ask("What color?", one, None), ask("What color?", two, None)) > 0.02
    assert largest(ask("What color?", one, image_only), ask("What shape?", one, image_only)) > 0.02


def test_special_tokens_and_prompts_that_are_too_long_are_refused(
    model: PrefixAdapter, pictures: list[Any]
) -> None:
    token = model.format.image_token
    with pytest.raises(SampleError, match="special token"):
        model.length(Prompt(f"What {token} is it?"))
    with pytest.raises(SampleError, match="the model holds 600"):
        model.length(Prompt("x ? " * 400))
    # This one fits behind a small picture only.
    least, most = 0, 600
    while most - least > 1:
        middle = (least + most) // 2
        try:
            model.length(Prompt("?" * middle))
            least = middle
        except SampleError:
            most = middle
    with pytest.raises(SampleError, match="the model holds 600"):
        model.prefill(model.encode(pictures[:1]), [0], [Prompt("?" * least)])


# The zoo


@pytest.mark.parametrize("kind", KINDS)
def test_the_zoo_loads_them_static_and_scheduled(
    folder_of: Callable[[str], Path], pictures: list[Any], kind: str
) -> None:
    zoo = Zoo(answer_space=("red", "blue"))
    static = zoo.load(parse(f"a={folder_of(kind)}"))
    assert type(static) is CLASSES[kind]
    ruled = zoo.load(parse(f"b={folder_of(kind)},fusion=dms,alpha=3,beta=0.5"))
    assert isinstance(ruled, ScheduledModel) and ruled.adapter is static
    even = ScheduledModel(static, RuleScheduler(0.0, 0.0), answer_space=("red", "blue"))
    state = even.encode(pictures)
    assert even.answer(state, IMAGES, ASKED).texts == static.answer(state, IMAGES, ASKED).texts
    answers = ruled.answer(state, IMAGES, ASKED)
    assert answers.weights is not None and answers.weights.std() > 0
    late = zoo.load(parse(f"c={folder_of(kind)},fusion=late"))
    assert isinstance(late, MixedModel)
    assert len(late.answer(state, IMAGES, ASKED).texts) == len(ROWS)


def test_settings_are_json_and_tell_checkpoints_apart(
    model: PrefixAdapter, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    assert json.loads(json.dumps(model.settings())) == model.settings()
    kind = model.family
    folder = folder_of(kind)
    again = CLASSES[kind](folder)
    assert (again.settings(), again.state_key) == (model.settings(), model.state_key)
    assert again.settings()["family"] == kind
    changed = Path(shutil.copytree(folder, tmp_path / "changed"))
    # As newer transformers keep it: all of the processor in one file.
    held = json.loads((changed / "preprocessor_config.json").read_text())
    (changed / "preprocessor_config.json").unlink()
    both = {"image_processor": held | {"rescale_factor": 0.0039}}
    (changed / "processor_config.json").write_text(json.dumps(both))
    for other in (CLASSES[kind](changed), CLASSES[kind](folder, dtype="bfloat16")):
        assert other.settings() != model.settings()
        assert other.state_key != model.state_key


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_answers_are_finite(
    folder_of: Callable[[str], Path], pictures: list[Any], kind: str, dtype: str
) -> None:
    model = CLASSES[kind](folder_of(kind), dtype=dtype)
    state = model.encode(pictures)
    for weights in (None, torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 6)):
        answers = model.answer(state, IMAGES, ASKED, weights)
        assert np.isfinite(answers.confidence).all() and np.isfinite(answers.margin).all()


# Checkpoints that cannot be used


def refused(kind: str, folder: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        CLASSES[kind](folder, **options)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


@pytest.mark.parametrize("kind", KINDS)
def test_attention_that_takes_no_bias_is_refused(folder_of: Callable[[str], Path], kind: str) -> None:
    assert "takes no bias" in refused(kind, folder_of(kind), attention="flash_attention_2")


@pytest.mark.parametrize("kind", KINDS)
def test_folders_that_lack_something_are_refused(
    folder_of: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    for name in ("tokenizer.json", "preprocessor_config.json", "chat_template.jinja", "model.safetensors"):
        folder = Path(shutil.copytree(folder_of(kind), tmp_path / name))
        (folder / name).unlink()
        assert f"cannot load '{folder}'" in refused(kind, folder)
    other = next(each for each in KINDS if each != kind)
    assert f"its model type is '{kind}'" in refused(other, folder_of(kind))


def test_text_before_the_image_is_refused(tmp_path: Path) -> None:
    template = (
        "{% for part in messages[0]['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
        "<|vision_start|><|image_pad|><|vision_end|>"
    )
    assert "text before the image" in refused(
        "qwen2_vl", save_tiny(tmp_path / "odd", "qwen2_vl", template=template)
    )


def test_models_that_the_seam_does_not_fit_are_refused(tmp_path: Path) -> None:
    sliding = save_tiny(
        tmp_path / "sliding", "qwen2_5_vl", use_sliding_window=True, sliding_window=8, max_window_layers=1
    )
    assert "sliding window" in refused("qwen2_5_vl", sliding)
    folder = save_tiny(tmp_path / "qwen text", "smolvlm", model_type="qwen2")
    assert "text model 'qwen2'" in refused("smolvlm", folder)
