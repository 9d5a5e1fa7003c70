"""From text to tokens: stock tokens, the evidence's span, templates and tokenizers of other habits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken
from tokenizers.processors import TemplateProcessing

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.models import prompts
from dmsbench.models.base import Prompt
from dmsbench.models.llava import LlavaModel
from dmsbench.models.prompts import PromptFormat
from dmsbench.training.architecture import CHAT_TEMPLATE, build_tokenizer

CORPUS = [
    "What color is the circle? ASSISTANT: red",
    "USER: \nIs there a red shape?",
    "big  spaces \n\n here",
] * 3
#: A chat template in the manner of Llama 3: it writes the BOS itself and ends in white space.
LLAMA3_LIKE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}]\n"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}\n"
    "{% endfor %}{% if add_generation_prompt %}[assistant]\n{% endif %}"
)


def bos_tokenizer() -> Any:
    """As Llama's: a BOS in front of everything."""
    tokenizer = build_tokenizer(CORPUS)
    bos = [(tokenizer.bos_token, tokenizer.bos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=bos)
    return tokenizer


def default_format(tokenizer: Any = None) -> PromptFormat:
    return PromptFormat(tokenizer or build_tokenizer(CORPUS), "<image>", None)


def evidence_text(form: PromptFormat, prompt: Prompt) -> str:
    suffix = form.suffix(prompt)
    text: str = form.tokenizer.decode(suffix.ids[suffix.first : suffix.last])
    return text


FORMAT, FORMAT_BOS = default_format(), default_format(bos_tokenizer())
words = st.text(st.characters(codec="utf-8", exclude_characters="<"), max_size=30)


@settings(deadline=None)
@given(words, st.none() | words)
def test_tokens_are_those_of_the_whole_text(question: str, context: str | None) -> None:
    for form in (FORMAT, FORMAT_BOS):
        prompt = Prompt(question, context=context)
        suffix = form.suffix(prompt)
        body = question if context is None else f"{context}\n{question}"
        whole = form.tokenizer(f"USER: <image>\n{body} ASSISTANT:")["input_ids"]
        assert [*form.prefix_ids, form.image_id, *suffix.ids] == whole
        assert 0 <= suffix.first <= suffix.last <= len(suffix.ids)


@settings(deadline=None)
@given(words, words)
def test_the_evidence_is_covered_and_little_else(question: str, context: str) -> None:
    for form in (FORMAT, FORMAT_BOS):
        for prompt, evidence in ((Prompt(question), question), (Prompt(question, context=context), context)):
            found = evidence_text(form, prompt)
            assert evidence in found
            # A token across the border (white space merged with the template's) belongs to the evidence.
            assert found.replace(evidence, "", 1).strip() == ""


@pytest.mark.parametrize("question", ["What color is the circle?", "größer 🙂?", "日本", "a\nb", "x"])
def test_the_span_is_exact(question: str) -> None:
    for form in (FORMAT, FORMAT_BOS):
        assert evidence_text(form, Prompt(question)) == question
        assert evidence_text(form, Prompt("Which?", context=question)) == question
        assert evidence_text(form, Prompt("")) == ""


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, None, LLAMA3_LIKE])
def test_a_tokenizer_with_bos_gives_the_stock_processors_tokens(
    make_tiny_llava: Callable[..., Path], tmp_path: Path, noise_pictures: list[Any], template: str | None
) -> None:
    model = LlavaModel(make_tiny_llava(tmp_path / "bos", tokenizer=bos_tokenizer(), template=template))
    tokenizer = model.processor.tokenizer
    question = "What color is the circle?"
    if template is None:
        inputs = model.processor(
            images=[noise_pictures[0]], text=[f"USER: <image>\n{question} ASSISTANT:"], return_tensors="pt"
        )
    else:
        turn = {
            "role": "user",
            "content": [{"type": "image", "image": noise_pictures[0]}, {"type": "text", "text": question}],
        }
        inputs = model.processor.apply_chat_template(
            [turn], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
    ids = inputs["input_ids"][0].tolist()
    assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id
    suffix = model.format.suffix(Prompt(question))
    last_image = len(ids) - 1 - ids[::-1].index(model.format.image_id)
    assert list(model.format.prefix_ids) == ids[: ids.index(model.format.image_id)]
    assert list(suffix.ids) == ids[last_image + 1 :]
    assert evidence_text(model.format, Prompt(question)) == question
    with torch.inference_mode():
        stock = model.model(**inputs).logits[0, -1].log_softmax(-1)
        state = model.encode(noise_pictures[:1])
        ours = model.logits(model.prefill(state, [0], [Prompt(question)]).hidden)[0].log_softmax(-1)
    assert (stock - ours).abs().max() < 1e-4


def test_the_default_format_is_that_of_llava(make_tiny_llava: Callable[..., Path], tmp_path: Path) -> None:
    model = LlavaModel(make_tiny_llava(tmp_path / "bare", template=None))
    assert model.processor.chat_template is None
    assert model.format.text(Prompt("Is it?")) == "USER: <image>\nIs it? ASSISTANT:"
    assert model.format.text(Prompt("Is it?", context="It is.")) == "USER: <image>\nIt is.\nIs it? ASSISTANT:"


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m['content'][1]['text'] }}<image>{% endfor %}",
        "{% for m in messages %}{{ m['content'][1]['text'] }}{% endfor %}",
        "{% for m in messages * 2 %}<image>{{ m['content'][1]['text'] }}{% endfor %}",
        "<image>",
    ],
)
def test_templates_without_a_shared_image_prefix_are_refused(
    make_tiny_llava: Callable[..., Path], tmp_path: Path, template: str
) -> None:
    with pytest.raises(ModelError, match="chat template"):
        LlavaModel(make_tiny_llava(tmp_path / "odd", template=template))


def test_the_first_answer_token_follows_the_prompt() -> None:
    for form in (FORMAT, FORMAT_BOS):
        tokenizer = form.tokenizer
        for answer in ("red", "yes", "7", "größer"):
            expected = tokenizer(f" {answer}", add_special_tokens=False)["input_ids"][0]
            assert form.first_answer_token(answer) == expected


def test_after_white_space_an_answer_begins_at_once() -> None:
    tokenizer = bos_tokenizer()

    def template(turns: Any, **_given: Any) -> str:
        return f"<s>[user]\n<image>{turns[0]['content'][1]['text']}\n[assistant]\n"

    form = PromptFormat(tokenizer, "<image>", template)
    assert form.first_answer_token("red") == tokenizer("red", add_special_tokens=False)["input_ids"][0]
    assert form.first_answer_token("red") != tokenizer(" red", add_special_tokens=False)["input_ids"][0]


def test_markup_that_is_special_by_its_flag_alone_is_refused() -> None:
    tokenizer = build_tokenizer(CORPUS)
    tokenizer.backend_tokenizer.add_special_tokens([AddedToken("<|turn|>", special=True, normalized=False)])
    form = default_format(tokenizer)
    with pytest.raises(SampleError, match="turn"):
        form.suffix(Prompt("What <|turn|> is it?"))


def test_the_memo_of_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "_KEPT", 5)
    form = default_format()
    first = [form.suffix(Prompt(f"question {i}")) for i in range(12)]
    assert len(form._cache) <= 5
    assert [form.suffix(Prompt(f"question {i}")) for i in range(12)] == first
