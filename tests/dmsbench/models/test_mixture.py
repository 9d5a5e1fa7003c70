"""Mixture decoding: exact where the mixture is one point, and the same with or without shared streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tiny_blip2 import KINDS

from dmsbench.fusion.points import CORNERS_AND_UNIFORM
from dmsbench.models.base import Answers, Prompt
from dmsbench.models.blip2 import Blip2Model
from dmsbench.models.decoding import POOLINGS, decode, log_likelihood, prefill_points
from dmsbench.models.llava import LlavaModel

POINTS = CORNERS_AND_UNIFORM.tensor
ROWS = [
    (0, Prompt("What color is the circle?")),
    (1, Prompt("What color is the circle?")),
    (0, Prompt("no")),
    (2, Prompt("What color is the triangle?")),
    (2, Prompt("Is there a red shape in the image?", has_image=False)),
    (1, Prompt("Is there a red shape in the image?", has_text=False)),
    (0, Prompt("What color is it?", context="a circle")),
    (0, Prompt("What color is it?", context="a shape, blue")),
    (3, Prompt("no", has_image=False, has_text=False)),
    (2, Prompt("What color is the circle?", context="")),
    (3, Prompt("What color is the circle?")),
]
WHERE, PROMPTS = [row for row, _ in ROWS], [prompt for _, prompt in ROWS]

Adapter = LlavaModel | Blip2Model


@pytest.fixture(params=["llava", *KINDS])
def adapter(request: pytest.FixtureRequest, tiny_blip2: Callable[..., Blip2Model]) -> Adapter:
    if request.param == "llava":
        llava: LlavaModel = request.getfixturevalue("tiny_llava")
        return llava
    return tiny_blip2(request.param)


pytestmark = pytest.mark.usefixtures("one_thread")


def assert_same(ours: Answers, expected: Answers) -> None:
    assert ours.texts == expected.texts
    np.testing.assert_allclose(ours.confidence, expected.confidence, atol=1e-6, rtol=1e-4)
    np.testing.assert_allclose(ours.margin, expected.margin, atol=1e-4, rtol=1e-3)


def one_hot(point: int) -> torch.Tensor:
    return torch.eye(3)[point].expand(len(ROWS), -1)


def random_shares(seed: int = 0) -> torch.Tensor:
    return torch.distributions.Dirichlet(torch.full((3,), 0.7)).sample((len(ROWS),))


@pytest.mark.parametrize("point", [0, 1, 2])
def test_all_on_one_point_is_that_point(adapter: Adapter, noise_pictures: list[Any], point: int) -> None:
    state = adapter.encode(noise_pictures)
    ours = adapter.answer_mixture(state, WHERE, PROMPTS, POINTS, one_hot(point))
    assert_same(ours, adapter.answer(state, WHERE, PROMPTS, POINTS[point].expand(len(ROWS), -1)))
    if point == CORNERS_AND_UNIFORM.names.index("uniform"):
        assert_same(ours, adapter.answer(state, WHERE, PROMPTS))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_mixture_is_that_of_the_distributions(
    adapter: Adapter, noise_pictures: list[Any], pooling: str
) -> None:
    """Against a loop that decodes one row with separate, unshared streams from whole prefills."""
    state = adapter.encode(noise_pictures)
    torch.manual_seed(1)
    shares = random_shares()
    streams = prefill_points(adapter, state, WHERE, PROMPTS, POINTS)
    ours = decode(adapter, streams.start, streams.at, shares, pooling=pooling)
    lengths = set()
    for b, (row, prompt) in enumerate(ROWS):
        start = adapter.prefill(state, [row] * 3, [prompt] * 3, POINTS)
        tokens: list[int] = []
        total = 0.0
        with torch.inference_mode():
            for _ in range(adapter.max_new_tokens):
                spoken = adapter.logits(start.hidden).softmax(dim=-1)
                if pooling == "logit":
                    mixed = (adapter.logits(start.hidden) * shares[b][:, None]).sum(dim=0).softmax(dim=-1)
                else:
                    mixed = (shares[b][:, None] * spoken).sum(dim=0)
                token = int(mixed.argmax())
                total += float(mixed.max().log())
                if token in adapter.stops:
                    break
                tokens.append(token)
                if len(tokens) < adapter.max_new_tokens:
                    adapter.feed(start, torch.full((3,), token))
        assert ours.texts[b] == adapter.read([tokens])[0]
        assert ours.confidence[b] == pytest.approx(np.exp(total), rel=1e-3, abs=1e-6)
        lengths.add(len(tokens))
    assert len(lengths) > 1, "answers must end at different steps for this to say anything"


def test_the_pool_differs_from_the_mixture_and_has_no_other_names(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    state, shares = tiny_llava.encode(noise_pictures), torch.tensor([[0.4, 0.6, 0.0]]).expand(len(ROWS), -1)
    found = []
    for pooling in POOLINGS:
        streams = prefill_points(tiny_llava, state, WHERE, PROMPTS, POINTS)
        found.append(decode(tiny_llava, streams.start, streams.at, shares, pooling=pooling))
    assert found[0].confidence[0] != pytest.approx(found[1].confidence[0], rel=1e-3)
    streams = prefill_points(tiny_llava, state, WHERE, PROMPTS, POINTS)
    with pytest.raises(ValueError, match="pooling must be one of probability, logit"):
        decode(tiny_llava, streams.start, streams.at, shares, pooling="geometric")


def test_a_first_token_that_was_decided_elsewhere(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    """The rest is what follows from it: the answer begins with it, and its confidence counts."""
    state, shares = tiny_llava.encode(noise_pictures), torch.tensor([[0.5, 0.5, 0.0]]).expand(len(ROWS), -1)
    (token,) = tiny_llava.first_tokens(["circle"])
    first = torch.full((len(ROWS), tiny_llava.model.config.text_config.vocab_size), -torch.inf)
    first[:, token] = np.log(0.25)
    streams = prefill_points(tiny_llava, state, WHERE, PROMPTS, POINTS)
    found = decode(tiny_llava, streams.start, streams.at, shares, first=first)
    assert all(text.startswith("circle") for text in found.texts)
    assert (found.confidence <= 0.25).all() and len(set(found.texts)) > 1


def test_rows_alone_and_together(adapter: Adapter, noise_pictures: list[Any]) -> None:
    state = adapter.encode(noise_pictures)
    torch.manual_seed(2)
    shares = random_shares()
    shares[::3] = torch.tensor([0.0, 0.25, 0.75])
    together = adapter.answer_mixture(state, WHERE, PROMPTS, POINTS, shares)
    for b, (row, prompt) in enumerate(ROWS):
        alone = adapter.answer_mixture(state, [row], [prompt], POINTS, shares[b : b + 1])
        assert together.texts[b] == alone.texts[0]
        assert together.confidence[b] == pytest.approx(float(alone.confidence[0]), rel=1e-3, abs=1e-6)


def test_streams_are_shared_where_they_cannot_differ(adapter: Adapter, noise_pictures: list[Any]) -> None:
    state = adapter.encode(noise_pictures)
    found = prefill_points(adapter, state, WHERE, PROMPTS, POINTS)
    text, image = found.at[:, 1].tolist(), found.at[:, 0].tolist()
    assert text[0] == text[1] == text[10], "a question without its image"
    assert image[0] != image[1], "another image"
    assert image[6] != image[7] or len(PROMPTS[6].context or "") == len(PROMPTS[7].context or "")
    for absent in (4, 5, 8, 9):
        assert len(set(found.at[absent].tolist())) == 1
    assert len(found.start.hidden) == int(found.at.max()) + 1 < 3 * len(ROWS)
    few = prefill_points(adapter, state, WHERE, PROMPTS, POINTS, wanted=one_hot(1) > 0)
    assert len(few.start.hidden) == len({*text})


def test_log_likelihood_of_given_answers(adapter: Adapter, noise_pictures: list[Any]) -> None:
    state = adapter.encode(noise_pictures)
    answers = [adapter.answer_tokens(("red", "yes no", "a circle in gray")[b % 3]) for b in range(len(ROWS))]
    assert len({len(answer) for answer in answers}) > 1
    streams = prefill_points(adapter, state, WHERE, PROMPTS, POINTS)
    found = log_likelihood(adapter, streams.start, streams.at, answers)
    for b, (row, prompt) in enumerate(ROWS):
        start = adapter.prefill(state, [row] * 3, [prompt] * 3, POINTS)
        expected = torch.zeros(3)
        with torch.inference_mode():
            for step, token in enumerate(answers[b]):
                if step:
                    adapter.feed(start, torch.full((3,), answers[b][step - 1]))
                expected += adapter.logits(start.hidden).log_softmax(dim=-1)[:, token]
        torch.testing.assert_close(found[b], expected, atol=1e-3, rtol=1e-4)


def test_shares_that_are_none(adapter: Adapter, noise_pictures: list[Any]) -> None:
    state = adapter.encode(noise_pictures)
    for shares in ([[torch.nan, 0, 1]], [[-0.5, 0.5, 1.0]], [[0.2, 0.2, 0.2]], [[0, 0, 0]]):
        with pytest.raises(ValueError, match="shares of the points"):
            adapter.answer_mixture(state, [0], [PROMPTS[0]], POINTS, torch.tensor(shares))


def test_one_stream_a_row_is_plain_decoding(adapter: Adapter, noise_pictures: list[Any]) -> None:
    state = adapter.encode(noise_pictures)
    start = adapter.prefill(state, WHERE, PROMPTS)
    at = torch.arange(len(ROWS))[:, None]
    ours = decode(adapter, start, at, torch.ones(at.shape))
    expected = adapter.answer(state, WHERE, PROMPTS)
    assert ours.texts == expected.texts
    np.testing.assert_array_equal(ours.confidence, expected.confidence)
    np.testing.assert_array_equal(ours.margin, expected.margin)
