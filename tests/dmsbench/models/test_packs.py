"""Rows about one image in one sequence: where they lie, and that they answer as they would alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache

import dmsbench.models.packs as packs_module
from dmsbench.models.base import Prompt
from dmsbench.models.cache import row_cache
from dmsbench.models.decoding import answer_mixture, decode
from dmsbench.models.llava import LlavaModel
from dmsbench.models.packs import packed
from dmsbench.models.spec import checkpoint_folder

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 40)), min_size=1, max_size=60)
QUESTIONS = (
    "what shape is in the image?",
    "is there a circle?",
    "does the image not contain a red shape?",
    "no",
)


@given(ROWS, st.integers(0, 700))
def test_every_row_has_places_of_its_own_among_rows_of_its_image(
    rows: list[tuple[int, int]], prefix: int
) -> None:
    images, lengths = [image for image, _ in rows], [length for _, length in rows]
    packs = packed(images, lengths, prefix)
    taken: defaultdict[int, set[int]] = defaultdict(set)
    for image, length, pack, offset in zip(
        images, lengths, packs.pack.tolist(), packs.offset.tolist(), strict=True
    ):
        assert packs.images[pack] == image
        places = set(range(offset, offset + length))
        assert not taken[pack] & places and max(places) < packs.width
        taken[pack] |= places
    assert sorted(taken) == list(range(len(packs)))
    assert max(max(places) for places in taken.values()) == packs.width - 1
    assert packs.width <= max(max(lengths), prefix * packs_module.MOST_OF_PREFIX)


def test_behind_a_short_prefix_each_row_is_alone() -> None:
    packs = packed([0, 0, 1, 0], [19, 18, 19, 20], 70)
    assert packs.pack.tolist() == [0, 1, 2, 3] and not packs.offset.any()


def test_behind_a_long_prefix_rows_of_an_image_share_it() -> None:
    packs = packed([0, 1] * 8, [18, 20] * 8, 576)
    assert len(packs) == 2 and packs.width == 160


def test_one_image_with_many_rows_does_not_pad_those_with_few() -> None:
    images = [0] * 64 + list(range(1, 17))
    packs = packed(images, [20] * 80, 576)
    assert len(packs) * packs.width <= 2 * 20 * 80
    assert max(Counter(packs.pack.tolist()).values()) > 1


@pytest.fixture(scope="module")
def model() -> LlavaModel:
    return LlavaModel(checkpoint_folder("tiny-llava-scenes"), max_new_tokens=12)


@pytest.mark.usefixtures("one_thread")
def test_long_answers_at_points_are_those_of_rows_apart(
    model: LlavaModel, noise_pictures: list[Any], request: pytest.FixtureRequest
) -> None:
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    rows = [0, 1, 0, 0, 2, 1, 0, 2]
    prompts = [Prompt(QUESTIONS[i % 4], None if i % 3 else "a red circle") for i in range(len(rows))]
    points = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
    shares = torch.tensor([[0.3, 0.5, 0.2], [0.0, 0.6, 0.4]] * 4)
    # No token ends an answer: the caches have to grow, and every step is compared.
    monkeypatch.setattr(model, "stops", frozenset())
    state = model.encode(noise_pictures[:3])
    apart = answer_mixture(model, state, rows, prompts, points, shares)
    request.getfixturevalue("rows_packed")
    start = model.prefill(state, rows, prompts)
    assert start.packs == 3 and len(start.hidden) == len(rows)
    together = answer_mixture(model, state, rows, prompts, points, shares)
    assert together.texts == apart.texts
    assert abs(together.confidence - apart.confidence).max() < 1e-5
    assert abs(together.margin - apart.margin).max() < 1e-4


@pytest.mark.usefixtures("one_thread")
def test_streams_may_be_dropped_doubled_and_turned_around(
    model: LlavaModel, noise_pictures: list[Any], request: pytest.FixtureRequest
) -> None:
    rows, prompts = [0, 1, 0, 2, 2], [Prompt(QUESTIONS[i % 4]) for i in range(5)]
    state = model.encode(noise_pictures[:3])
    tokens, picks = torch.tensor([5, 6, 7, 8]), torch.tensor([4, 0, 2, 0])
    found = []
    for apart in (True, False):
        if not apart:
            request.getfixturevalue("rows_packed")
        with torch.inference_mode():
            start = model.prefill(state, rows, prompts)
            model.select(start, picks)
            model.feed(start, tokens)
            model.select(start, torch.tensor([3, 1]))
            model.feed(start, tokens[:2])
        found.append(start.hidden)
    assert float((found[0] - found[1]).abs().max()) < 1e-4
    again = decode(model, model.prefill(state, rows, prompts), torch.arange(5)[:, None], torch.ones(5, 1))
    assert again.texts == tuple(
        model.answer(state, [row], [prompt]).texts[0] for row, prompt in zip(rows, prompts, strict=True)
    )


@pytest.mark.usefixtures("one_thread")
def test_a_prefix_is_run_no_further_than_its_last_keys_and_these_are_the_same_bits(
    model: LlavaModel, noise_pictures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = model.language_model.layers[-1]
    ran: list[str] = []
    watched = last.mlp.register_forward_pre_hook(lambda *_: ran.append("mlp"))
    short = model.encode(noise_pictures[:2]).cache
    assert not ran
    monkeypatch.setattr("dmsbench.models.prefixed.prefix_cache", lambda config: DynamicCache(config=config))
    whole = model.encode(noise_pictures[:2]).cache
    watched.remove()
    assert ran == ["mlp"] and len(short) == len(whole) == len(model.language_model.layers)
    for (keys, values), (all_keys, all_values) in zip(short, whole, strict=True):
        assert torch.equal(keys, all_keys) and torch.equal(values, all_values)


def test_a_cache_grows_and_keeps_what_it_holds() -> None:
    keys = torch.randn(2, 3, 5, 4)
    layer = row_cache([(keys, -keys)], torch.tensor([1, 0, 1]), 1).layers[0]
    added = torch.randn(3, 3, 9, 4)
    for step in range(9):
        held, values = layer.update(added[:, :, step : step + 1], -added[:, :, step : step + 1])
    assert torch.equal(held, torch.cat([keys[[1, 0, 1]], added], dim=2))
    assert torch.equal(values, -held) and layer.get_seq_length() == 14
