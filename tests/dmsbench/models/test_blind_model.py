"""Mixtures that look at nothing: exact, the same in any batch, without a pass too many."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dmsbench.fusion.blind import ShareBank
from dmsbench.fusion.points import CORNERS_AND_UNIFORM
from dmsbench.models.base import Prompt
from dmsbench.models.blind import BlindModel, row_name
from dmsbench.models.blip2 import Blip2Model
from dmsbench.models.llava import LlavaModel

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS = [(i % 6, Prompt(question)) for i in range(12) for question in ("What color is it?", f"no {i}")]
SINGLE = [(0, Prompt("no", has_image=False)), (1, Prompt("no", has_text=False))]
BANK = ShareBank(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.3, 0.3, 0.4)))


def ask(model: Any, pictures: list[Any], rows: list[tuple[int, Prompt]]) -> Any:
    return model.answer(model.encode(pictures), [row for row, _ in rows], [prompt for _, prompt in rows])


def test_a_constant_is_the_adapters_mixture(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    model = BlindModel(tiny_llava, ShareBank(((0.2, 0.3, 0.5),)))
    ours = ask(model, noise_pictures, ROWS)
    shares = torch.tensor([[0.2, 0.3, 0.5]]).expand(len(ROWS), -1)
    state = tiny_llava.encode(noise_pictures)
    rows, prompts = [row for row, _ in ROWS], [prompt for _, prompt in ROWS]
    expected = tiny_llava.answer_mixture(state, rows, prompts, CORNERS_AND_UNIFORM.tensor, shares)
    assert ours.texts == expected.texts and (ours.confidence == expected.confidence).all()
    np.testing.assert_allclose(ours.weights, np.tile([0.45, 0.55], (len(ROWS), 1)), atol=1e-6)
    given = torch.tensor([[0.9, 0.1]])
    assert model.answer(model.encode(noise_pictures), [0], prompts[:1], given).texts == (
        tiny_llava.answer(state, [0], prompts[:1], given).texts
    )
    assert model.state_key != tiny_llava.state_key, "its state has the images' names"
    assert model.length(prompts[0]) == tiny_llava.length(prompts[0])


def test_the_entry_hangs_on_the_content_alone(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    model = BlindModel(tiny_llava, BANK)
    together = ask(model, noise_pictures, ROWS)
    assert len({tuple(row) for row in together.weights.tolist()}) == 3, "two entries have one mean"
    backwards = ask(model, noise_pictures, ROWS[::-1])
    assert together.texts == backwards.texts[::-1]
    assert (together.weights == backwards.weights[::-1]).all()
    # The same picture at another place among others, and asked about alone.
    alone = ask(model, noise_pictures[3:4], [(0, ROWS[6][1])])
    assert ROWS[6][0] == 3 and (alone.weights[0] == together.weights[6]).all()
    state = model.encode(noise_pictures)
    names = {row_name(state.names[row], prompt) for row, prompt in (*ROWS, *SINGLE)}
    assert len(names) == len({*ROWS, *SINGLE}), "rows of different content have different names"


def test_rows_with_one_modality_are_static(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    ours = ask(BlindModel(tiny_llava, BANK), noise_pictures, [*SINGLE, ROWS[0]])
    static = ask(tiny_llava, noise_pictures, SINGLE)
    assert ours.texts[:2] == static.texts
    assert ours.weights[:2].tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert ours.signals is None


def test_only_points_with_a_share_are_run(
    tiny_llava: LlavaModel, noise_pictures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    original = LlavaModel.prefill

    def counted(self: LlavaModel, state: Any, rows: Any, *rest: Any, **options: Any) -> Any:
        ran.append(len(rows))
        return original(self, state, rows, *rest, **options)

    monkeypatch.setattr(LlavaModel, "prefill", counted)
    ask(
        BlindModel(tiny_llava, ShareBank(((0.5, 0.0, 0.5),))),
        noise_pictures,
        [(i, ROWS[0][1]) for i in range(6)],
    )
    assert ran == [12]


def test_settings_name_the_bank(tiny_llava: LlavaModel) -> None:
    banks = (BANK, ShareBank(BANK.shares[:2]), ShareBank(BANK.shares[:1]), ShareBank(BANK.shares[1:2]))
    found = [BlindModel(tiny_llava, bank).settings() for bank in banks]
    assert len({json.dumps(each, sort_keys=True) for each in found}) == 4
    assert [each["fusion"]["scheduler"] for each in found] == ["permuted"] * 2 + ["constant"] * 2
    assert not any("fitted_on" in each["fusion"] for each in found)
    fitted = BlindModel(tiny_llava, BANK, ("occlusion", "keyboard")).settings()
    assert fitted["fusion"]["fitted_on"] == ["keyboard", "occlusion"]


def test_blip2_is_dealt_alike(tiny_blip2: Callable[..., Blip2Model], noise_pictures: list[Any]) -> None:
    model = BlindModel(tiny_blip2("opt"), BANK)
    together = ask(model, noise_pictures, ROWS)
    alone = ask(model, noise_pictures[3:4], [(0, ROWS[6][1])])
    assert (alone.weights[0] == together.weights[6]).all() and alone.texts[0] == together.texts[6]
