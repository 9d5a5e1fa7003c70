"""The LLaVA adapter against the stock processor, forward and generate of the same checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pictures
from safetensors.torch import load_file, save_file

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import attention_bias
from dmsbench.models.base import Prompt
from dmsbench.models.llava import LlavaModel

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

pytestmark = pytest.mark.usefixtures("one_thread", "packing")


@pytest.fixture(params=["rows apart", "rows packed"])
def packing(request: pytest.FixtureRequest) -> None:
    """The embedded checkpoint's prefix is short: its rows lie apart unless packs are made cheap."""
    if request.param == "rows packed":
        request.getfixturevalue("rows_packed")


def stock_text(question: str) -> str:
    return f"USER: <image>\n{question} ASSISTANT:"


def stock_inputs(model: LlavaModel, picture: Any, question: str) -> Any:
    return model.processor(images=[picture], text=[stock_text(question)], return_tensors="pt")


def stock_logprobs(model: LlavaModel, picture: Any, question: str) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model.model(**stock_inputs(model, picture, question)).logits[0, -1]
    return torch.log_softmax(logits, dim=-1)


def stock_answer(model: LlavaModel, picture: Any, question: str) -> str:
    inputs = stock_inputs(model, picture, question)
    out = model.model.generate(**inputs, max_new_tokens=model.max_new_tokens, do_sample=False)
    tokens = out[0, inputs["input_ids"].shape[1] :].tolist()
    ends = model.model.generation_config.eos_token_id
    until = next((i for i, token in enumerate(tokens) if token in ends), len(tokens))
    text: str = model.processor.tokenizer.decode(tokens[:until], skip_special_tokens=True)
    return text.strip()


def prefix_logprobs(
    model: LlavaModel,
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


IMAGES, ASKED = [image for image, _ in ROWS], [Prompt(QUESTIONS[question]) for _, question in ROWS]


# Against stock transformers


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_first_token_log_probabilities_are_those_of_the_stock_forward(
    tiny_folder: Path, noise_pictures: list[Any], attention: str
) -> None:
    model = LlavaModel(tiny_folder, attention=attention)
    ours = prefix_logprobs(model, noise_pictures, IMAGES, ASKED)
    stock = [stock_logprobs(model, noise_pictures[i], QUESTIONS[q]) for i, q in ROWS]
    assert largest(ours, torch.stack(stock)) < 1e-4
    assert largest(ours[0], ours[5]) > 0.3, "the image decides"
    assert largest(ours[0], ours[3]) > 0.3, "the question decides"


def test_answers_are_those_of_stock_generate_in_any_batch(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    stock = [stock_answer(tiny_llava, noise_pictures[i], QUESTIONS[q]) for i, q in ROWS]
    assert len(set(stock)) > 4
    assert len({len(answer) for answer in stock}) > 3, "answers end at different steps"
    state = tiny_llava.encode(noise_pictures)
    for size in (1, 3, 64):
        texts: list[str] = []
        for start in range(0, len(ROWS), size):
            part = slice(start, start + size)
            texts += tiny_llava.answer(state, IMAGES[part], ASKED[part]).texts
        assert texts == stock, f"batches of {size}"


def test_confidence_is_the_probability_of_the_whole_answer(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    answers = tiny_llava.answer(tiny_llava.encode(noise_pictures), IMAGES, ASKED)
    assert answers.weights is None and answers.signals is None
    for row, (image, question) in enumerate(ROWS):
        inputs = stock_inputs(tiny_llava, noise_pictures[image], QUESTIONS[question])
        out = tiny_llava.model.generate(
            **inputs,
            max_new_tokens=tiny_llava.max_new_tokens,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
        )
        steps = [score[0].log_softmax(-1).topk(2).values for score in out.scores]
        assert answers.confidence[row] == pytest.approx(sum(s[0] for s in steps).exp().item(), rel=1e-3)
        assert answers.margin[row] == pytest.approx(min((s[0] - s[1]).item() for s in steps), abs=1e-3)


@pytest.mark.parametrize("point", [(0.9, 0.1), (0.3, 0.7), (1.0, 0.0), (0.0, 1.0)])
def test_weights_behind_the_prefix_are_the_bias_in_the_stock_forward(
    tiny_llava: LlavaModel, noise_pictures: list[Any], point: tuple[float, float]
) -> None:
    questions = QUESTIONS[:4]  # their tokens can be counted apart
    weights = torch.tensor([point])
    ours = prefix_logprobs(
        tiny_llava, noise_pictures, [2] * 4, [Prompt(q) for q in questions], weights.expand(4, -1)
    )
    tokenizer = tiny_llava.processor.tokenizer
    for row, question in enumerate(questions):
        inputs = stock_inputs(tiny_llava, noise_pictures[2], question)
        image = inputs["input_ids"] == tokenizer.convert_tokens_to_ids("<image>")
        first = int(image[0].nonzero().max()) + 1
        text = torch.zeros_like(image)
        text[0, first + 1 : first + 1 + len(tokenizer(question)["input_ids"])] = True
        with (
            torch.inference_mode(),
            attention_bias(
                tiny_llava.language_model, weights, [image, text], first_row=torch.tensor([first])
            ),
        ):
            stock = tiny_llava.model(**inputs).logits[0, -1].log_softmax(-1)
        assert largest(ours[row], stock) < 1e-4
        assert largest(ours[row], stock_logprobs(tiny_llava, noise_pictures[2], question)) > 0.05


@pytest.mark.parametrize("point", [(0.85, 0.15), (0.1, 0.9), (0.0, 1.0)])
def test_answers_under_weights_are_stock_generate_under_the_bias(
    tiny_llava: LlavaModel, noise_pictures: list[Any], point: tuple[float, float]
) -> None:
    state, weights = tiny_llava.encode(noise_pictures), torch.tensor([point])
    tokenizer = tiny_llava.processor.tokenizer
    ends = tiny_llava.model.generation_config.eos_token_id
    lengths = []
    for row, question in [(row, question) for row in range(3) for question in QUESTIONS[:4]]:
        inputs = stock_inputs(tiny_llava, noise_pictures[row], question)
        image = inputs["input_ids"] == tokenizer.convert_tokens_to_ids("<image>")
        first = int(image[0].nonzero().max()) + 1
        text = torch.zeros_like(image)
        text[0, first + 1 : first + 1 + len(tokenizer(question)["input_ids"])] = True
        with attention_bias(
            tiny_llava.language_model, weights, [image, text], first_row=torch.tensor([first])
        ):
            out = tiny_llava.model.generate(
                **inputs, max_new_tokens=16, do_sample=False, return_dict_in_generate=True, output_scores=True
            )
        tokens = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        kept = [token for token in tokens if token not in ends]
        stock = tokenizer.decode(kept, skip_special_tokens=True).strip()
        sure = sum(score[0].log_softmax(-1).max() for score in out.scores).exp().item()
        ours = tiny_llava.answer(state, [row], [Prompt(question)], weights)
        assert ours.texts[0] == stock
        assert ours.confidence[0] == pytest.approx(sure, rel=1e-3)
        lengths.append(len(tokens))
    assert max(lengths) > 3, "the weights must hold beyond the first token"


def test_answers_under_weights_do_not_depend_on_the_batch(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    state = tiny_llava.encode(noise_pictures)
    weights = torch.rand(len(ROWS), 2, generator=torch.Generator().manual_seed(0))
    whole = tiny_llava.answer(state, IMAGES, ASKED, weights)
    for row in range(len(ROWS)):
        one = tiny_llava.answer(state, IMAGES[row : row + 1], ASKED[row : row + 1], weights[row : row + 1])
        assert one.texts[0] == whole.texts[row]
        assert one.confidence[0] == pytest.approx(whole.confidence[row], rel=1e-3)
    assert whole.texts != tiny_llava.answer(state, IMAGES, ASKED).texts


def test_uniform_weights_are_exactly_static(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    state = tiny_llava.encode(noise_pictures)
    static = tiny_llava.answer(state, IMAGES, ASKED)
    uniform = tiny_llava.answer(state, IMAGES, ASKED, torch.full((len(ROWS), 2), 0.5))
    assert static.texts == uniform.texts
    np.testing.assert_array_equal(static.confidence, uniform.confidence)
    np.testing.assert_array_equal(static.margin, uniform.margin)


# Images


def test_images_encoded_together_and_one_by_one(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    together = tiny_llava.encode(noise_pictures)
    for index, picture in enumerate(noise_pictures):
        alone = tiny_llava.encode([picture])
        assert torch.equal(alone.image[0], together.image[index])
        assert alone.exists.all() and together.exists.all()
        assert largest(alone.pooled[0], together.pooled[index]) < 1e-4
        for (keys, values), (all_keys, all_values) in zip(alone.cache, together.cache, strict=True):
            assert largest(keys[0], all_keys[index]) < 1e-4
            assert largest(values[0], all_values[index]) < 1e-4


def test_a_state_is_not_spent_by_answering(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    state = tiny_llava.encode(noise_pictures)
    first = tiny_llava.answer(state, IMAGES, ASKED)
    tiny_llava.answer(state, [3], [Prompt("other")], torch.tensor([[1.0, 0.0]]))
    again = tiny_llava.answer(state, IMAGES, ASKED)
    assert first.texts == again.texts
    np.testing.assert_array_equal(first.confidence, again.confidence)


@pytest.mark.parametrize(
    "shape", [(64, 64), (100, 37), (224, 224), (64, 65), (65, 64), (32, 32), (3, 50), (1, 64), (64, 3)]
)
def test_pixel_values_are_exactly_the_image_processors(
    tiny_llava: LlavaModel, shape: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, *shape, 3), dtype=np.uint8)
    ours = tiny_llava.pixel_values(list(pixels))
    stock = tiny_llava.processor.image_processor(
        images=[Pictures.fromarray(picture) for picture in pixels], return_tensors="pt"
    )["pixel_values"]
    assert ours.dtype == stock.dtype
    assert torch.equal(ours, stock)


def test_pixel_values_of_other_settings_and_of_mixed_sizes(
    make_tiny_llava: Callable[..., Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    pictures = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((64, 64), (90, 64), (64, 64))]
    clip = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.2613, 0.2757]}
    for number, stock in enumerate((clip, {"do_normalize": False}, {"do_center_crop": False})):
        model = LlavaModel(make_tiny_llava(tmp_path / str(number), **stock))
        for chosen in (pictures[:1], pictures[::2], pictures):
            if number == 2 and len(chosen) == 3:
                continue  # without a crop these do not make one tensor
            expected = model.processor.image_processor(images=chosen, return_tensors="pt")["pixel_values"]
            assert torch.equal(model.pixel_values(chosen), expected)


# Prompts


def test_a_modality_that_is_absent_is_not_seen(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    def ask(row: int, prompt: Prompt) -> torch.Tensor:
        return prefix_logprobs(tiny_llava, noise_pictures, [row], [prompt])[0]

    one, two = "What color is the circle?", "What color is the triangle?"
    assert torch.equal(ask(0, Prompt(one, has_image=False)), ask(1, Prompt(one, has_image=False)))
    assert largest(ask(0, Prompt(one, has_text=False)), ask(0, Prompt(two, has_text=False))) < 1e-5
    assert largest(ask(0, Prompt(one)), ask(0, Prompt(one, has_image=False))) > 0.1
    assert largest(ask(0, Prompt(one)), ask(0, Prompt(one, has_text=False))) > 0.1
    nothing = ask(0, Prompt(one, has_image=False, has_text=False))
    assert largest(nothing, ask(1, Prompt(two, has_image=False, has_text=False))) < 1e-5


def test_weights_do_not_matter_where_a_modality_is_absent(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    state = tiny_llava.encode(noise_pictures)
    prompts = [Prompt("Is it?", has_image=False), Prompt("Is it?", has_text=False), Prompt("", "Is it?")]
    prompts[2] = Prompt("Is it?", context="")  # evidence without a token is absent as well
    static = tiny_llava.answer(state, [0, 1, 2], prompts)
    for point in ((0.2, 0.8), (1.0, 0.0), (0.0, 1.0)):
        ours = tiny_llava.answer(state, [0, 1, 2], prompts, torch.tensor([point] * 3))
        assert ours.texts == static.texts
        np.testing.assert_array_equal(ours.confidence, static.confidence)


def test_the_context_is_the_evidence_and_the_question_stays_visible(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    image_only = torch.tensor([[1.0, 0.0]])

    def ask(question: str, context: str, weights: torch.Tensor | None) -> torch.Tensor:
        prompt = Prompt(question, context=context)
        return prefix_logprobs(tiny_llava, noise_pictures, [0], [prompt], weights)[0]

    one, two = "a circle, red", "a triangle, red"
    assert largest(ask("What color?", one, None), ask("What color?", two, None)) > 0.05
    assert largest(ask("What color?", one, image_only), ask("What color?", two, image_only)) < 1e-5
    assert largest(ask("What color?", one, image_only), ask("What shape?", one, image_only)) > 0.05


def test_odd_questions_are_answered_as_stock_does(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    odd = ["", " ", "\n", "?", "🙂🙂", "a\n\nb\n", "日本語の質問", "\u200b", "x" * 300, "USER: ASSISTANT:"]
    ours = prefix_logprobs(tiny_llava, noise_pictures, [0] * len(odd), [Prompt(q) for q in odd])
    for row, question in enumerate(odd):
        assert largest(ours[row], stock_logprobs(tiny_llava, noise_pictures[0], question)) < 1e-4, question


@pytest.mark.parametrize("token", ["<image>", "</s>", "<s>", "<pad>"])
def test_special_tokens_in_the_samples_text_are_refused(tiny_llava: LlavaModel, token: str) -> None:
    for prompt in (Prompt(f"What {token} is it?"), Prompt("What?", context=f"a{token}")):
        with pytest.raises(SampleError, match=token):
            tiny_llava.length(prompt)


def test_length_counts_what_follows_the_image(tiny_llava: LlavaModel) -> None:
    for question in QUESTIONS:
        inputs = tiny_llava.processor.tokenizer(stock_text(question))["input_ids"]
        image = tiny_llava.processor.tokenizer.convert_tokens_to_ids("<image>")
        assert tiny_llava.length(Prompt(question)) == len(inputs) - 1 - inputs.index(image)


# Settings


@pytest.mark.parametrize("longest", [1, 2, 5])
def test_max_new_tokens_is_honoured(tiny_folder: Path, noise_pictures: list[Any], longest: int) -> None:
    model = LlavaModel(tiny_folder, max_new_tokens=longest)
    answers = model.answer(model.encode(noise_pictures), IMAGES, ASKED)
    assert list(answers.texts) == [stock_answer(model, noise_pictures[i], QUESTIONS[q]) for i, q in ROWS]
    assert model.settings() != LlavaModel(tiny_folder).settings()


def changed_copy(folder: Path, target: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    shutil.copytree(folder, target)
    tensors = load_file(target / "model.safetensors")
    change(tensors)
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_settings_are_json_and_tell_checkpoints_apart(tiny_folder: Path, tmp_path: Path) -> None:
    def nudge(tensors: dict[str, torch.Tensor]) -> None:
        name = sorted(tensors)[-1]
        tensors[name].view(-1)[0].add_(1e-3)

    base = LlavaModel(tiny_folder)
    assert json.loads(json.dumps(base.settings())) == base.settings()
    assert LlavaModel(tiny_folder).settings() == base.settings()
    assert LlavaModel(tiny_folder).state_key == base.state_key
    others = [
        LlavaModel(changed_copy(tiny_folder, tmp_path / "nudged", nudge)),
        LlavaModel(tiny_folder, dtype="bfloat16"),
        LlavaModel(tiny_folder, dtype="float16"),
        LlavaModel(tiny_folder, attention="eager"),
    ]
    for model in others:
        assert model.settings() != base.settings()
        assert model.state_key != base.state_key


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("processor_config.json", '"rescale_factor": 0.00392156862745098', '"rescale_factor": 0.0039'),
        ("chat_template.jinja", "<image>\n", "<image> "),
        ("tokenizer.json", '"add_prefix_space": false', '"add_prefix_space": true'),
    ],
)
def test_settings_cover_what_lies_beside_the_weights(
    tiny_folder: Path, tmp_path: Path, file: str, old: str, new: str
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(tiny_folder, folder)
    text = (folder / file).read_text()
    assert old in text or "\\n" in text
    (folder / file).write_text(text.replace(old, new).replace("<image>\\n", "<image> "))
    base, changed = LlavaModel(tiny_folder), LlavaModel(folder)
    assert base.weights_hash == changed.weights_hash
    assert base.settings() != changed.settings()


def test_half_precision_answers_are_finite(tiny_folder: Path, noise_pictures: list[Any]) -> None:
    for dtype in ("bfloat16", "float16"):
        model = LlavaModel(tiny_folder, dtype=dtype)
        state = model.encode(noise_pictures)
        corners = torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 5)
        for weights in (None, corners):
            answers = model.answer(state, IMAGES, ASKED, weights)
            assert np.isfinite(answers.confidence).all()
            assert np.isfinite(answers.margin).all()


# Checkpoints that cannot be used


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        LlavaModel(folder, **options)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    assert str(tmp_path) in refused(tmp_path)
    (tmp_path / "config.json").write_text("{not json")
    refused(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    refused(tmp_path)


def test_broken_checkpoints_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(tiny_folder, tmp_path / name))

    cut = copy("cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:5000])
    refused(cut)
    bare = copy("bare")
    for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json"):
        (bare / name).unlink()
    refused(bare)
    empty = copy("empty")
    (empty / "model.safetensors").unlink()
    refused(empty)
    other = copy("other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"model_type": "llava_next"}))
    assert "llava_next" in refused(other)


def test_missing_weights_are_not_left_at_random_values(tiny_folder: Path, tmp_path: Path) -> None:
    def lose(tensors: dict[str, torch.Tensor]) -> None:
        del tensors[next(name for name in tensors if "layers.1.self_attn.q_proj" in name)]

    assert "missing" in refused(changed_copy(tiny_folder, tmp_path / "lost", lose))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "int8"}, "unknown dtype 'int8'"),
        ({"dtype": "float"}, "unknown dtype 'float'"),
        ({"attention": "flash_attention_2"}, "takes no bias"),
        ({"attention": "nonsense"}, "use sdpa or eager"),
    ],
)
def test_options_that_cannot_work_are_refused(tiny_folder: Path, options: dict[str, str], words: str) -> None:
    assert words in refused(tiny_folder, **options)
