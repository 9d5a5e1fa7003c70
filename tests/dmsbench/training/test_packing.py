"""Packing: each question gets the logits it would get alone, also with a modality gone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.data.base import Sample
from dmsbench.fusion.attention_bias import attention_bias
from dmsbench.models.base import Prompt
from dmsbench.models.llava import LlavaModel
from dmsbench.training.packing import PREFIX_TEXT, Pack, cut, pack, tokenise
from dmsbench.training.tiny_llava import IMAGE_TOKENS, packed_hidden

ASKED = [
    [
        ("What color is the circle?", "red"),
        ("no", "teal blue"),
        ("Is there a red shape in the image?", "yes"),
    ],
    [("x", "no"), ("What color is the circle?", "gray"), ("größer, or not 🙂?", "rectangle")],
]

pytestmark = pytest.mark.usefixtures("one_thread")


def sample(question: str, answer: str) -> Sample:
    return Sample("id", "group", Path("none.png"), question, (answer,))


def packed(model: LlavaModel, absent: Any = None, boosted: Any = None) -> Pack:
    tokenizer = model.processor.tokenizer
    start = len(tokenizer(PREFIX_TEXT)["input_ids"])
    shape = (len(ASKED), len(ASKED[0]))
    return pack(
        [[tokenise(tokenizer, sample(*pair)) for pair in asked] for asked in ASKED],
        prefix=start + IMAGE_TOKENS,
        image=slice(start, start + IMAGE_TOKENS),
        pad=tokenizer.pad_token_id,
        absent=np.zeros(shape, np.int64) if absent is None else np.asarray(absent, np.int64),
        boosted=np.zeros(shape, np.bool_) if boosted is None else np.asarray(boosted, np.bool_),
    )


def packed_logprobs(model: LlavaModel, batch: Pack, pictures: list[Any]) -> list[list[torch.Tensor]]:
    """Per picture and question the log-probabilities at its answer's positions."""
    prefix_ids = model.processor.tokenizer(PREFIX_TEXT)["input_ids"]
    with torch.inference_mode():
        hidden = packed_hidden(model.model, prefix_ids, batch, model.pixel_values(pictures))
        flat = model.logits(hidden[batch.rows]).log_softmax(-1)
    found, at = [], 0
    for asked in ASKED:
        found.append([])
        for _, answer in asked:
            count = len(model.processor.tokenizer(f" {answer}")["input_ids"]) + 1
            found[-1].append(flat[at : at + count])
            at += count
    assert at == len(flat)
    return found


def alone_logprobs(
    model: LlavaModel,
    picture: Any,
    question: str,
    answer: str,
    weights: tuple[float, float] = (0.5, 0.5),
    present: tuple[bool, bool] = (True, True),
) -> torch.Tensor:
    """The stock forward over the whole conversation; the answer's positions and the end's."""
    tokenizer = model.processor.tokenizer
    text = f"USER: <image>\n{question} ASSISTANT: {answer}"
    inputs = model.processor(images=[picture], text=[text], return_tensors="pt")
    image = inputs["input_ids"] == tokenizer.convert_tokens_to_ids("<image>")
    first = int(image[0].nonzero().max()) + 1
    asked = torch.zeros_like(image)
    asked[0, first + 1 : first + 1 + len(tokenizer(question)["input_ids"])] = True
    with (
        torch.inference_mode(),
        attention_bias(
            model.language_model,
            torch.tensor([weights]),
            [image, asked],
            first_row=torch.tensor([first]),
            present=torch.tensor([present]),
        ),
    ):
        logits = model.model(**inputs).logits[0]
    count = len(tokenizer(f" {answer}")["input_ids"]) + 1
    found: torch.Tensor = logits[-count:].log_softmax(-1)
    return found


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=5e-5, rtol=0)


def test_each_question_is_answered_as_if_alone(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    batch = packed(tiny_llava)
    found = packed_logprobs(tiny_llava, batch, noise_pictures[:2])
    for b, asked in enumerate(ASKED):
        for q, pair in enumerate(asked):
            assert_close(found[b][q], alone_logprobs(tiny_llava, noise_pictures[b], *pair))
    assert (found[0][0][0] - found[1][1][0]).abs().max() > 0.3, "the same question, another picture"


#: absent, boosted → the weights and presence that must give the same.
MEANING = {
    (0, False): ((0.5, 0.5), (True, True)),
    (0, True): ((0.5, 0.5), (True, True)),
    (1, False): ((0.5, 0.5), (False, True)),
    (2, False): ((0.5, 0.5), (True, False)),
    (1, True): ((0.0, 1.0), (True, True)),
    (2, True): ((1.0, 0.0), (True, True)),
}


def test_absent_modalities_are_those_of_the_seam(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    absent = [[1, 2, 0], [2, 1, 0]]
    boosted = [[False, True, True], [False, True, False]]
    found = packed_logprobs(tiny_llava, packed(tiny_llava, absent, boosted), noise_pictures[:2])
    static = packed_logprobs(tiny_llava, packed(tiny_llava), noise_pictures[:2])
    for b, asked in enumerate(ASKED):
        for q, pair in enumerate(asked):
            weights, present = MEANING[absent[b][q], boosted[b][q]]
            expected = alone_logprobs(tiny_llava, noise_pictures[b], *pair, weights, present)
            assert_close(found[b][q], expected)
            if absent[b][q]:
                assert (found[b][q][0] - static[b][q][0]).abs().max() > 0.05


def test_targets_are_the_answers_and_the_end(tiny_llava: LlavaModel) -> None:
    tokenizer = tiny_llava.processor.tokenizer
    batch = packed(tiny_llava)
    expected = [
        token
        for asked in ASKED
        for _, answer in asked
        for token in [*tokenizer(f" {answer}")["input_ids"], tokenizer.eos_token_id]
    ]
    assert batch.targets.tolist() == expected
    flat = batch.ids.flatten()
    assert flat[batch.rows + 1].tolist() == expected, "each row predicts the token behind it"
    assert torch.isfinite(batch.mask).all()


def test_tokens_are_the_stock_processors(tiny_llava: LlavaModel) -> None:
    tokenizer = tiny_llava.processor.tokenizer
    for asked in ASKED:
        for question, answer in asked:
            turn = tokenise(tokenizer, sample(question, answer))
            whole = tokenizer(f"USER: <image>\n{question} ASSISTANT: {answer}</s>")["input_ids"]
            after = whole.index(tokenizer.convert_tokens_to_ids("<image>")) + 1
            assert list(turn.ids) == whole[after:]
            assert tokenizer.decode(turn.ids[turn.evidence]) == question
            assert tokenizer.decode(turn.ids[turn.answer :]) == f" {answer}</s>"
            suffix = tiny_llava.format.suffix(Prompt(question))
            assert turn.ids[: turn.answer] == suffix.ids
            assert (turn.evidence.start, turn.evidence.stop) == (suffix.first, suffix.last)


def test_pieces_are_the_same_question_in_other_tokens(tiny_llava: LlavaModel) -> None:
    tokenizer = tiny_llava.processor.tokenizer
    question = "What color is the circle?"
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(20):
        turn = tokenise(tokenizer, sample(question, "red"), cut(question, 0.3, rng))
        assert tokenizer.decode(turn.ids[turn.evidence]) == question
        assert tokenizer.decode(turn.ids[turn.answer :]) == " red</s>"
        seen.add(turn.ids)
    assert len(seen) > 10


@settings(deadline=None)
@given(st.text(max_size=40), st.floats(0, 1), st.integers(0, 99))
def test_pieces_join_to_the_text(text: str, share: float, seed: int) -> None:
    pieces = cut(text, share, np.random.default_rng(seed))
    assert "".join(pieces) == text
    assert all(pieces) or text == ""
    for left, right in itertools.pairwise(pieces):
        assert left[-1].isalpha() and right[0].isalpha()


def test_the_share_of_cuts() -> None:
    text = "abcdefghij" * 50
    assert len(cut(text, 0.0, np.random.default_rng(0))) == 1
    assert len(cut(text, 1.0, np.random.default_rng(0))) == len(text)
    assert len(cut(text, 0.1, np.random.default_rng(0))) == pytest.approx(51, abs=20)
