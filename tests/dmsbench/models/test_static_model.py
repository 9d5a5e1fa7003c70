"""Checkpoints of types without an adapter of their own, against the stock processor and generate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image as Pictures
from tiny_static import KINDS, save_tiny_static
from tiny_types import TYPES, WITH_VIDEOS, save_tiny_type

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.models import loading
from dmsbench.models.base import Prompt
from dmsbench.models.spec import SCHEDULED_TYPES, parse
from dmsbench.models.static import StaticModel
from dmsbench.models.zoo import Zoo

QUESTIONS = (
    "What color is the circle?",
    "no",
    "Does the image contain a rectangle, then, or does it not contain one?",
    "größer als 🙂?\nnaïve — or not",
)
#: (image, question) pairs; images 4 and 5 have other sizes than the first four.
ROWS = [(0, 0), (1, 1), (2, 2), (0, 3), (5, 0), (1, 2), (3, 1), (4, 0), (2, 0), (4, 1)]
IMAGES, ASKED = [image for image, _ in ROWS], [Prompt(QUESTIONS[question]) for _, question in ROWS]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def folder(kind: str) -> Path:
        return save_tiny_static(tmp_path_factory.mktemp("static") / kind, kind)

    return folder


@pytest.fixture(scope="session")
def load(folder_of: Callable[[str], Path]) -> Callable[[str], StaticModel]:
    @cache
    def model(kind: str) -> StaticModel:
        return StaticModel(folder_of(kind))

    return model


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, load: Callable[[str], StaticModel]) -> StaticModel:
    return load(request.param)


@pytest.fixture(scope="session")
def pictures(noise_pictures: list[Any]) -> list[Any]:
    rng = np.random.default_rng(1)
    sizes = ((32, 70), (20, 20))
    return [*noise_pictures[:4], *(rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes)]


def stock_generate(model: StaticModel, picture: Any, text: str) -> tuple[str, list[torch.Tensor]]:
    """The answer to one conversation, and at each step the two best log-probabilities."""
    content: list[dict[str, str]] = [{"type": "text", "text": text}]
    if picture is not None:
        content.insert(0, {"type": "image"})
    written = model.processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    images = {} if picture is None else {"images": [Pictures.fromarray(picture)]}
    bos = written.startswith(model.processor.tokenizer.bos_token)
    inputs = model.processor(text=[written], return_tensors="pt", add_special_tokens=not bos, **images)
    out = model.model.generate(
        **inputs,
        max_new_tokens=model.max_new_tokens,
        do_sample=False,
        repetition_penalty=1.0,
        return_dict_in_generate=True,
        output_scores=True,
    )
    tokens = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    until = next((i for i, token in enumerate(tokens) if token in model.stops), len(tokens))
    said: str = model.processor.tokenizer.decode(tokens[:until], skip_special_tokens=True)
    return said.strip(), [score[0].log_softmax(-1).topk(2).values for score in out.scores]


def check(model: StaticModel, answers: Any, stock: list[tuple[str, list[torch.Tensor]]]) -> None:
    for row, (text, steps) in enumerate(stock):
        assert answers.texts[row] == text
        sure = torch.stack([step[0] for step in steps]).sum().exp().item()
        assert answers.confidence[row] == pytest.approx(sure, rel=1e-3)
        gap = min((step[0] - step[1]).item() for step in steps)
        assert answers.margin[row] == pytest.approx(gap, abs=1e-3)


def test_answers_are_those_of_stock_generate_in_any_batch(model: StaticModel, pictures: list[Any]) -> None:
    stock = [stock_generate(model, pictures[i], QUESTIONS[q]) for i, q in ROWS]
    assert len({text for text, _ in stock}) > 4
    assert len({len(steps) for _, steps in stock}) > 2, "answers end at different steps"
    state = model.encode(pictures)
    for size in (1, 3, 64):
        for begin in range(0, len(ROWS), size):
            part = slice(begin, begin + size)
            answers = model.answer(state, IMAGES[part], ASKED[part])
            assert answers.weights is None and answers.signals is None
            check(model, answers, stock[part])


@pytest.mark.parametrize("kind", TYPES)
def test_other_types_answer_as_stock_generate_does(kind: str, pictures: list[Any], tmp_path: Path) -> None:
    model = StaticModel(save_tiny_type(tmp_path / kind, kind))
    if find_spec("torchvision") is None:
        assert hasattr(hf, type(model.processor).__name__)
        assert not (kind in WITH_VIDEOS and hasattr(model.processor, "video_processor"))
    rows = ROWS[:6]
    stock = [stock_generate(model, pictures[i], QUESTIONS[q]) for i, q in rows]
    assert len({text for text, _ in stock}) > 2
    state = model.encode(pictures)
    for size in (2, 6):
        for begin in range(0, len(rows), size):
            part = slice(begin, begin + size)
            check(model, model.answer(state, IMAGES[:6][part], ASKED[:6][part]), stock[part])
    unseen = stock_generate(model, None, QUESTIONS[0])
    some = [Prompt(QUESTIONS[0], has_image=False), ASKED[1]]
    check(model, model.answer(state, [0, IMAGES[1]], some), [unseen, stock[1]])


def test_an_absent_modality_is_left_out_of_the_conversation(model: StaticModel, pictures: list[Any]) -> None:
    prompts = [
        Prompt("What color?", has_image=False),
        Prompt("What color?"),
        Prompt("What color?", has_text=False),
        Prompt("What color?", context="a circle"),
        Prompt("What color?", context="a circle", has_text=False),
        Prompt("no", has_image=False),
    ]
    stock = [
        stock_generate(model, None, "What color?"),
        stock_generate(model, pictures[1], "What color?"),
        stock_generate(model, pictures[2], ""),
        stock_generate(model, pictures[3], "a circle\nWhat color?"),
        stock_generate(model, pictures[3], "What color?"),
        stock_generate(model, None, "no"),
    ]
    check(model, model.answer(model.encode(pictures), [0, 1, 2, 3, 3, 0], prompts), stock)
    assert model.present(prompts[0]) == (False, True)
    assert model.present(prompts[4]) == (True, False)
    assert model.present(Prompt("What?", context="")) == (True, False)


def test_weights_are_refused(model: StaticModel, pictures: list[Any]) -> None:
    state = model.encode(pictures)
    with pytest.raises(ModelError, match="takes no modality weights: it is static only"):
        model.answer(state, [0], [Prompt("no")], torch.tensor([[0.5, 0.5]]))


def test_special_tokens_and_prompts_that_are_too_long_are_refused(
    model: StaticModel, pictures: list[Any]
) -> None:
    for prompt in (Prompt("What </s> is it?"), Prompt("What?", context="a<image>")):
        with pytest.raises(SampleError, match="special token"):
            model.length(prompt)
    assert model.length(Prompt("no")) < model.length(Prompt("no, or is it so?"))
    with pytest.raises(SampleError, match="the model holds 600"):
        model.answer(model.encode(pictures), [0], [Prompt("x ? " * 400)])


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_json_and_say_static_only(
    folder_of: Callable[[str], Path], load: Callable[[str], StaticModel], kind: str
) -> None:
    model = load(kind)
    held = model.settings()
    assert json.loads(json.dumps(held)) == held
    assert (held["family"], held["scheduling"]) == (kind, "static only")
    again = StaticModel(folder_of(kind))
    assert (again.settings(), again.state_key) == (held, model.state_key)
    for options in ({"dtype": "bfloat16"}, {"attention": "eager"}):
        other = StaticModel(folder_of(kind), **options)  # type: ignore[arg-type]
        assert other.settings() != held and other.state_key != model.state_key
    assert StaticModel(folder_of(kind), max_new_tokens=3).settings() != held


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_answers_are_finite(
    folder_of: Callable[[str], Path], pictures: list[Any], dtype: str
) -> None:
    model = StaticModel(folder_of("llava_next"), dtype=dtype)
    answers = model.answer(model.encode(pictures), IMAGES, ASKED)
    assert np.isfinite(answers.confidence).all() and np.isfinite(answers.margin).all()


# The zoo


def test_the_zoo_loads_it_static_and_refuses_to_schedule(
    folder_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = Zoo(answer_space=("red", "blue"))
    static = zoo.load(parse(f"a={folder_of('gemma3')}"))
    assert isinstance(static, StaticModel)
    assert zoo.load(parse(f"b={folder_of('gemma3')}")) is static
    # Found out from the config alone: a checkpoint of many gigabytes is not read for an error.
    monkeypatch.setattr(StaticModel, "__init__", None)
    for fusion in ("dms", "image", "late", "fixed,weight=0.5"):
        with pytest.raises(ModelError, match="type 'llava_next' are static only") as caught:
            Zoo().load(parse(f"m={folder_of('llava_next')},fusion={fusion}"))
        assert "\n" not in str(caught.value)
        assert all(kind in str(caught.value) for kind in SCHEDULED_TYPES)


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        StaticModel(folder, **options)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


def test_checkpoints_that_cannot_be_used_are_refused(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("llava_next")
    assert "unknown dtype 'int8'" in refused(folder, dtype="int8")
    assert "FlashAttention2" in refused(folder, attention="flash_attention_2")
    bare = save_tiny_static(tmp_path / "bare", "llava_next", template=None)
    assert "no chat template" in refused(bare)
    text = Path(shutil.copytree(folder, tmp_path / "text"))
    config = json.loads((text / "config.json").read_text())
    (text / "config.json").write_text(json.dumps(config["text_config"]))
    assert "model type 'llama'" in refused(text)
    strange = Path(shutil.copytree(folder, tmp_path / "strange"))
    (strange / "config.json").write_text(json.dumps(config | {"model_type": "no_such_model"}))
    assert "no_such_model" in refused(strange)
    own = Path(shutil.copytree(folder, tmp_path / "own"))
    # A checkpoint with code of its own, which is not run.
    (own / "modeling_own.py").write_text("raise SystemExit('this code was run')\n")
    auto = {"AutoConfig": "modeling_own.A", "AutoModelForImageTextToText": "modeling_own.B"}
    (own / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": auto}))
    refused(own)

    def broken(*_: Any) -> Any:
        raise ImportError("\nAutoVideoProcessor requires the Torchvision library but it was not found.")

    monkeypatch.setattr(loading, "_processor", broken)
    assert refused(folder).endswith("its processor needs torchvision: pip install torchvision")


def test_the_types_that_are_listed_are_those_with_an_adapter() -> None:
    from dmsbench.models.zoo import _ADAPTERS

    assert list(_ADAPTERS) == list(SCHEDULED_TYPES)
    for kind, family in _ADAPTERS.items():
        assert family.model_class.config_class.model_type == kind
        assert family.model_class.__name__ in SCHEDULED_TYPES[kind]
