"""The BLIP-2 adapter against the stock processor, forward and generate of the same checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_blip2 import KINDS, QUERIES, save_tiny_blip2

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import attention_bias
from dmsbench.fusion.schedulers import FixedScheduler, RuleScheduler
from dmsbench.models.base import Prompt
from dmsbench.models.blip2 import Blip2Model
from dmsbench.models.scheduled import ScheduledModel

QUESTIONS = (
    "What color is the circle?",
    "no",
    "Does the image contain a rectangle, then, or does it not contain one?",
    "wht colr is tge shpe",
    "größer als 🙂?\nnaïve — or not",
    "  two  spaces  ",
)
#: (image, question) pairs, images mixed.
ROWS = [(0, 0), (1, 1), (2, 2), (0, 3), (5, 4), (1, 0), (3, 2), (2, 5), (4, 0), (0, 2)]
IMAGES, ASKED = [image for image, _ in ROWS], [Prompt(QUESTIONS[question]) for _, question in ROWS]

pytestmark = pytest.mark.usefixtures("one_thread")


def stock_inputs(model: Blip2Model, picture: Any, question: str) -> Any:
    end = " Short answer:" if model.model.config.is_encoder_decoder else " Answer:"
    return model.processor(images=[picture], text=[f"Question: {question}{end}"], return_tensors="pt")


def stock_logprobs(model: Blip2Model, picture: Any, question: str) -> torch.Tensor:
    inputs = dict(stock_inputs(model, picture, question))
    if model.model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = torch.tensor([[0]])
    with torch.inference_mode():
        logits: torch.Tensor = model.model(**inputs).logits[0, -1]
    return torch.log_softmax(logits.float(), dim=-1)


def stock_generate(model: Blip2Model, picture: Any, question: str) -> tuple[str, list[torch.Tensor]]:
    out = model.model.generate(
        **stock_inputs(model, picture, question),
        max_new_tokens=model.max_new_tokens,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    tokens = [token for token in out.sequences[0, -len(out.scores) :].tolist() if token not in model.stops]
    text: str = model.processor.tokenizer.decode(tokens, skip_special_tokens=True)
    return text.strip(), [score[0] for score in out.scores]


def logprobs(
    model: Blip2Model,
    pictures: Sequence[Any],
    rows: Sequence[int],
    prompts: Sequence[Prompt],
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    with torch.inference_mode():
        start = model.prefill(model.encode(pictures), rows, prompts, weights)
        return torch.log_softmax(model.logits(start.hidden), dim=-1)


def marked(model: Blip2Model, picture: Any, question: str) -> tuple[Any, list[torch.Tensor]]:
    """Stock inputs and where the evidence lies among them, by counting tokens."""
    inputs = stock_inputs(model, picture, question)
    tokenizer = model.processor.tokenizer
    image = inputs["input_ids"] == tokenizer.convert_tokens_to_ids("<image>")
    first = QUERIES + (0 if model.model.config.is_encoder_decoder else 1)
    first += len(tokenizer("Question:", add_special_tokens=False)["input_ids"])
    asked = tokenizer(f" {question}", add_special_tokens=False)["input_ids"]
    text = torch.zeros_like(image)
    text[0, first : first + len(asked)] = True
    if tokenizer.decode(asked[:1]) == " ":  # the template's space, where it is a token of its own
        text[0, first] = False
    return inputs, [image, text]


def picked(pictures: Sequence[Any], row: int) -> tuple[Any, str]:
    image, question = ROWS[row]
    return pictures[image], QUESTIONS[question]


def largest(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max())


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, tiny_blip2: Callable[..., Blip2Model]) -> Blip2Model:
    return tiny_blip2(request.param)


# Against stock transformers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_first_token_log_probabilities_are_those_of_the_stock_forward(
    tiny_blip2: Callable[..., Blip2Model], noise_pictures: list[Any], kind: str, attention: str
) -> None:
    model = tiny_blip2(kind, attention)
    ours = logprobs(model, noise_pictures, IMAGES, ASKED)
    stock = [stock_logprobs(model, noise_pictures[i], QUESTIONS[q]) for i, q in ROWS]
    assert largest(ours, torch.stack(stock)) < 1e-4
    assert largest(ours[0], ours[5]) > 0.1, "the image decides"
    assert largest(ours[0], ours[3]) > 0.1, "the question decides"
    point = torch.full((len(ROWS), 2), 0.5)
    assert torch.equal(ours, logprobs(model, noise_pictures, IMAGES, ASKED, point))


def test_answers_are_those_of_stock_generate_in_any_batch(
    model: Blip2Model, noise_pictures: list[Any]
) -> None:
    stock = [stock_generate(model, noise_pictures[i], QUESTIONS[q]) for i, q in ROWS]
    assert len({text for text, _ in stock}) > 4
    assert len({len(scores) for _, scores in stock}) > 2, "answers end at different steps"
    state = model.encode(noise_pictures)
    for size in (1, 3, 64):
        texts: list[str] = []
        sure: list[float] = []
        margin: list[float] = []
        for start in range(0, len(ROWS), size):
            part = slice(start, start + size)
            answers = model.answer(state, IMAGES[part], ASKED[part])
            texts += answers.texts
            sure += answers.confidence.tolist()
            margin += answers.margin.tolist()
        assert texts == [text for text, _ in stock], f"batches of {size}"
        for row, (_, scores) in enumerate(stock):
            best = [score.log_softmax(-1).topk(2).values for score in scores]
            assert sure[row] == pytest.approx(sum(b[0] for b in best).exp().item(), rel=1e-3)
            assert margin[row] == pytest.approx(min((b[0] - b[1]).item() for b in best), abs=1e-3)


@pytest.mark.parametrize("point", [(0.9, 0.1), (0.3, 0.7), (1.0, 0.0), (0.0, 1.0)])
def test_answers_under_weights_are_stock_generate_under_the_bias(
    model: Blip2Model, noise_pictures: list[Any], point: tuple[float, float]
) -> None:
    state, weights = model.encode(noise_pictures), torch.tensor([point])
    lengths = []
    for row, question in [(row, question) for row in range(3) for question in QUESTIONS[:4]]:
        inputs, keys = marked(model, noise_pictures[row], question)
        with attention_bias(model.language_model, weights, keys, first_row=torch.tensor([QUERIES])):
            out = model.model.generate(
                **inputs, max_new_tokens=16, do_sample=False, return_dict_in_generate=True, output_scores=True
            )
        tokens = out.sequences[0, -len(out.scores) :].tolist()
        kept = [token for token in tokens if token not in model.stops]
        ours = model.answer(state, [row], [Prompt(question)], weights)
        assert ours.texts[0] == model.processor.tokenizer.decode(kept, skip_special_tokens=True).strip()
        sure = sum(score[0].log_softmax(-1).max() for score in out.scores).exp().item()
        assert ours.confidence[0] == pytest.approx(sure, rel=1e-3)
        first = logprobs(model, noise_pictures, [row], [Prompt(question)], weights)[0]
        assert largest(first, out.scores[0][0].log_softmax(-1)) < 1e-4
        lengths.append(len(tokens))
    assert max(lengths) > 3, "the weights must hold beyond the first token"


def test_answers_under_weights_do_not_depend_on_the_batch(
    model: Blip2Model, noise_pictures: list[Any]
) -> None:
    state = model.encode(noise_pictures)
    weights = torch.rand(len(ROWS), 2, generator=torch.Generator().manual_seed(0))
    whole = model.answer(state, IMAGES, ASKED, weights)
    for row in range(len(ROWS)):
        one = model.answer(state, IMAGES[row : row + 1], ASKED[row : row + 1], weights[row : row + 1])
        assert one.texts[0] == whole.texts[row]
        assert one.confidence[0] == pytest.approx(whole.confidence[row], rel=1e-3)
    static = model.answer(state, IMAGES, ASKED)
    uniform = model.answer(state, IMAGES, ASKED, torch.full((len(ROWS), 2), 0.5))
    assert whole.texts != static.texts
    assert static.texts == uniform.texts
    np.testing.assert_array_equal(static.confidence, uniform.confidence)
    np.testing.assert_array_equal(static.margin, uniform.margin)


def test_weights_of_one_row_change_that_row_alone(model: Blip2Model, noise_pictures: list[Any]) -> None:
    weights = torch.full((len(ROWS), 2), 0.5)
    weights[4] = torch.tensor([0.9, 0.1])
    static = logprobs(model, noise_pictures, IMAGES, ASKED)
    ours = logprobs(model, noise_pictures, IMAGES, ASKED, weights)
    others = torch.arange(len(ROWS)) != 4
    assert torch.equal(static[others], ours[others])
    assert largest(static[4], ours[4]) > 0.05


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("llama", {"num_key_value_heads": 2}),
        ("llama", {"tie_word_embeddings": True}),
        ("opt", {"tie_word_embeddings": False}),
        ("opt", {"do_layer_norm_before": False}),
        ("t5", {"tie_word_embeddings": True}),
        ("t5", {"scale_decoder_outputs": True}),
        ("t5", {"feed_forward_proj": "relu"}),
    ],
)
def test_text_models_of_other_build_are_stock_as_well(
    tmp_path: Path, noise_pictures: list[Any], kind: str, text: dict[str, Any]
) -> None:
    model = Blip2Model(save_tiny_blip2(tmp_path / "other", kind, **text))
    ours = logprobs(model, noise_pictures, IMAGES, ASKED)
    stock = [stock_logprobs(model, noise_pictures[i], QUESTIONS[q]) for i, q in ROWS]
    assert largest(ours, torch.stack(stock)) < 1e-4
    for row in range(4):
        text_of_row = model.answer(model.encode(noise_pictures), IMAGES[row : row + 1], ASKED[row : row + 1])
        assert text_of_row.texts[0] == stock_generate(model, *picked(noise_pictures, row))[0]


def test_images_do_not_depend_on_their_batch_and_a_state_is_not_spent(
    model: Blip2Model, noise_pictures: list[Any]
) -> None:
    together = model.encode(noise_pictures)
    for index, picture in enumerate(noise_pictures):
        assert largest(model.encode([picture]).tokens[0], together.tokens[index]) < 1e-4
    first = model.answer(together, IMAGES, ASKED)
    model.answer(together, [3], [Prompt("other")], torch.tensor([[1.0, 0.0]]))
    again = model.answer(together, IMAGES, ASKED)
    assert first.texts == again.texts
    np.testing.assert_array_equal(first.confidence, again.confidence)


def test_pictures_of_any_shape(model: Blip2Model) -> None:
    rng = np.random.default_rng(2)
    for shape in ((64, 64), (3, 50), (1, 64), (90, 3), (32, 32)):
        picture = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        assert model.pixel_values([picture]).shape == (1, 3, 32, 32)


# Prompts


def test_the_tokens_are_the_stock_processors(model: Blip2Model, noise_pictures: list[Any]) -> None:
    odd = ["", " ", "\n", "🙂🙂", "a\n\nb\n", "日本語", "x" * 100, *QUESTIONS]
    for question in odd:
        stock = stock_inputs(model, noise_pictures[0], question)["input_ids"][0].tolist()
        suffix = model.format.suffix(Prompt(question))
        assert [model.format.image_id] * QUERIES + list(suffix.ids) == stock
        assert model.length(Prompt(question)) == len(stock) - QUERIES
        found = model.processor.tokenizer.decode(suffix.ids[suffix.first : suffix.last])
        assert found.strip() == question.strip()


def test_a_modality_that_is_absent_is_not_seen(model: Blip2Model, noise_pictures: list[Any]) -> None:
    def ask(row: int, prompt: Prompt, weights: torch.Tensor | None = None) -> torch.Tensor:
        return logprobs(model, noise_pictures, [row], [prompt], weights)[0]

    one, two = "What color is the circle?", "What color is the triangle?"
    assert largest(ask(0, Prompt(one, has_image=False)), ask(1, Prompt(one, has_image=False))) < 1e-5
    assert largest(ask(0, Prompt(one, has_text=False)), ask(0, Prompt(two, has_text=False))) < 1e-5
    assert largest(ask(0, Prompt(one)), ask(0, Prompt(one, has_image=False))) > 0.05
    assert largest(ask(0, Prompt(one)), ask(0, Prompt(one, has_text=False))) > 0.05
    nothing = ask(0, Prompt(one, has_image=False, has_text=False))
    assert largest(nothing, ask(1, Prompt(two, has_image=False, has_text=False))) < 1e-5
    image_only, text_only = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert largest(ask(0, Prompt(one), text_only), ask(1, Prompt(one), text_only)) < 1e-5
    assert largest(ask(0, Prompt(one), image_only), ask(0, Prompt(two), image_only)) < 1e-5
    assert largest(ask(0, Prompt(one), text_only), ask(0, Prompt(two), text_only)) > 0.05
    assert largest(ask(0, Prompt(one), image_only), ask(1, Prompt(one), image_only)) > 0.05


def test_the_context_is_the_evidence_and_the_question_stays_visible(
    model: Blip2Model, noise_pictures: list[Any]
) -> None:
    image_only = torch.tensor([[1.0, 0.0]])

    def ask(question: str, context: str, weights: torch.Tensor | None) -> torch.Tensor:
        return logprobs(model, noise_pictures, [0], [Prompt(question, context=context)], weights)[0]

    one, two = "the circle, red", "the triangle, red"
    assert largest(ask("What color?", one, None), ask("What color?", two, None)) > 0.02
    assert largest(ask("What color?", one, image_only), ask("What color?", two, image_only)) < 1e-5
    assert largest(ask("What color?", one, image_only), ask("What shape?", one, image_only)) > 0.02
    assert model.present(Prompt("What?", context="")) == (True, False)


def test_special_tokens_and_prompts_that_are_too_long_are_refused(model: Blip2Model) -> None:
    for token in ("<image>", "</s>"):
        with pytest.raises(SampleError, match=token):
            model.length(Prompt(f"What {token} is it?"))
    if model.model.config.is_encoder_decoder:
        assert model.length(Prompt("x" * 500)) > 400
    else:
        with pytest.raises(SampleError, match="the model holds 400"):
            model.length(Prompt("x" * 500))


# Scheduling


def test_scheduled_answers(model: Blip2Model, noise_pictures: list[Any]) -> None:
    state = model.encode(noise_pictures)
    space = ("red", "blue", "yes", "no")
    scheduled = ScheduledModel(model, RuleScheduler(20.0, 5.0), answer_space=space)
    found = scheduled.answer(state, IMAGES, ASKED)
    assert found.weights is not None and found.signals is not None
    assert torch.isfinite(found.signals.confidence).all()
    assert (found.signals.uncertainty > 0).all()
    np.testing.assert_allclose(found.weights.sum(axis=1), 1.0, rtol=1e-5)
    assert np.abs(found.weights - 0.5).max() > 0.01
    given = model.answer(state, IMAGES, ASKED, torch.from_numpy(found.weights))
    assert found.texts == given.texts
    alone = ScheduledModel(model, RuleScheduler(20.0, 5.0), answer_space=space)
    for row in (0, 5, 9):  # corners that are shared between rows are the row's own
        one = alone.answer(state, IMAGES[row : row + 1], ASKED[row : row + 1])
        assert one.weights is not None
        np.testing.assert_allclose(one.weights[0], found.weights[row], atol=1e-4)
    static, fixed = (
        model.answer(state, IMAGES, ASKED),
        ScheduledModel(model, FixedScheduler((0.5, 0.5))).answer(state, IMAGES, ASKED),
    )
    assert static.texts == fixed.texts
    np.testing.assert_array_equal(static.confidence, fixed.confidence)


def test_outcomes_are_the_answers_first_tokens(model: Blip2Model, noise_pictures: list[Any]) -> None:
    tokenizer = model.processor.tokenizer
    gap = "" if model.model.config.is_encoder_decoder else " "
    expected = sorted(
        {tokenizer(f"{gap}{a}", add_special_tokens=False)["input_ids"][0] for a in ("red", "blue")}
    )
    assert model.first_tokens(["red", "blue", "red"]) == tuple(expected)
    with torch.inference_mode():
        hidden = model.last_hidden(
            model.encode(noise_pictures), IMAGES, ASKED, torch.full((len(ROWS), 2), 0.5)
        )
        some = model.outcome_logits(hidden, expected)
        assert largest(some, model.logits(hidden)[:, expected]) < 1e-4
        image, text = model.embeddings(model.encode(noise_pictures), IMAGES, ASKED)
    assert image.shape == text.shape == (len(ROWS), 32)
    assert largest(image[0], image[3]) == 0.0 and largest(text[0], text[5]) == 0.0


# Settings and checkpoints that cannot be used


def test_settings_are_json_and_tell_checkpoints_apart(model: Blip2Model, tmp_path: Path) -> None:
    folder = Path(model.checkpoint)
    assert json.loads(json.dumps(model.settings())) == model.settings()
    assert Blip2Model(folder).settings() == model.settings()
    assert Blip2Model(folder).state_key == model.state_key
    changed = Path(shutil.copytree(folder, tmp_path / "changed"))
    tensors = load_file(changed / "model.safetensors")
    tensors["query_tokens"].view(-1)[0].add_(1e-3)
    save_file(tensors, changed / "model.safetensors", metadata={"format": "pt"})
    for other in (
        Blip2Model(changed),
        Blip2Model(folder, dtype="bfloat16"),
        Blip2Model(folder, attention="eager"),
    ):
        assert other.settings() != model.settings()
        assert other.state_key != model.state_key
    assert Blip2Model(folder, max_new_tokens=3).settings() != model.settings()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_answers_are_finite(
    tiny_blip2_folder: Callable[[str], Path], noise_pictures: list[Any], kind: str, dtype: str
) -> None:
    model = Blip2Model(tiny_blip2_folder(kind), dtype=dtype)
    state = model.encode(noise_pictures)
    corners = torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 5)
    for weights in (None, corners):
        answers = model.answer(state, IMAGES, ASKED, weights)
        assert np.isfinite(answers.confidence).all()
        assert np.isfinite(answers.margin).all()
    scheduled = ScheduledModel(model, RuleScheduler(5.0, 1.0)).answer(state, IMAGES, ASKED)
    assert scheduled.weights is not None and np.isfinite(scheduled.weights).all()


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        Blip2Model(folder, **options)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


def test_checkpoints_that_cannot_be_used(
    tiny_folder: Path, tiny_blip2_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = tiny_blip2_folder("opt")
    assert "its model type is 'llava'" in refused(tiny_folder)
    assert str(tmp_path) in refused(tmp_path)
    bare = Path(shutil.copytree(whole, tmp_path / "bare"))
    for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json"):
        (bare / name).unlink()
    refused(bare)
    lost = Path(shutil.copytree(whole, tmp_path / "lost"))
    tensors = load_file(lost / "model.safetensors")
    del tensors["query_tokens"]
    save_file(tensors, lost / "model.safetensors", metadata={"format": "pt"})
    assert "1 weights are missing, 'query_tokens' among them" in refused(lost)


def test_an_encoder_decoder_starts_as_stock_does(
    tiny_blip2_folder: Callable[[str], Path], tmp_path: Path, noise_pictures: list[Any]
) -> None:
    folder = Path(shutil.copytree(tiny_blip2_folder("t5"), tmp_path / "start"))
    config = json.loads((folder / "config.json").read_text())
    del config["text_config"]["decoder_start_token_id"]
    (folder / "config.json").write_text(json.dumps(config))
    model = Blip2Model(folder)
    ours = model.answer(model.encode(noise_pictures), IMAGES[:3], ASKED[:3])
    assert list(ours.texts) == [stock_generate(model, *picked(noise_pictures, row))[0] for row in range(3)]
    del config["text_config"]["bos_token_id"]
    (folder / "config.json").write_text(json.dumps(config))
    assert "no decoder_start_token_id and no bos_token_id" in refused(folder)


def test_other_text_models_are_refused(tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}
    folder = save_tiny_blip2(tmp_path / "gpt_neox", "gpt_neox", **sizes)
    assert "has the text model 'gpt_neox': supported are opt, llama, t5" in refused(folder)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "int8"}, "unknown dtype 'int8'"),
        ({"attention": "flash_attention_2"}, "takes no bias"),
        ({"attention": "flex_attention"}, "takes no bias"),
    ],
)
def test_options_that_cannot_work_are_refused(
    tiny_blip2_folder: Callable[[str], Path], options: dict[str, str], words: str
) -> None:
    assert words in refused(tiny_blip2_folder("t5"), **options)
