"""Scheduling on top of an adapter: exact at uniform, and the memo of corners never mixes rows up."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmsbench.fusion.schedulers import FixedScheduler, RuleScheduler
from dmsbench.fusion.signals import Signals, confidence
from dmsbench.models import scheduled
from dmsbench.models.base import Answers, Prompt
from dmsbench.models.llava import LlavaModel
from dmsbench.models.scheduled import MonteCarlo, ScheduledModel

SPACE = ("red", "blue", "green", "yes", "no", "circle")
RULE = RuleScheduler(20.0, 5.0)
#: (image, prompt): questions and images repeat, so that corners are shared.
ROWS = [
    (0, Prompt("What color is the circle?")),
    (1, Prompt("What color is the circle?")),
    (0, Prompt("no")),
    (2, Prompt("What color is the triangle?")),  # as many tokens as the circle
    (2, Prompt("Is there a red shape in the image?", has_image=False)),
    (3, Prompt("What color is the circle?")),
    (1, Prompt("Is there a red shape in the image?", has_text=False)),
    (0, Prompt("What color is it?", context="a circle")),
    (0, Prompt("What shape is it?", context="a circle")),
    (0, Prompt("x", context="a\nb")),
    (0, Prompt("b\nx", context="a")),  # the same tokens, another span of evidence
    (0, Prompt("a\nb\nx")),
    (3, Prompt("no", has_image=False, has_text=False)),
    (1, Prompt("no")),
    (2, Prompt("What color is the circle?", context="")),
]

pytestmark = pytest.mark.usefixtures("one_thread")


def fresh(adapter: LlavaModel, scheduler: Any = RULE, **options: Any) -> ScheduledModel:
    return ScheduledModel(adapter, scheduler, answer_space=SPACE, **options)


def ask(model: ScheduledModel, pictures: list[Any], rows: list[tuple[int, Prompt]]) -> Answers:
    return model.answer(model.encode(pictures), [row for row, _ in rows], [prompt for _, prompt in rows])


def taken(answers: Answers, index: int) -> dict[str, Any]:
    assert answers.signals is not None and answers.weights is not None
    return {
        "text": answers.texts[index],
        "numbers": [
            answers.confidence[index],
            *answers.weights[index],
            *answers.signals.confidence[index].tolist(),
            *answers.signals.uncertainty[index].tolist(),
            answers.signals.consistency[index].item(),
        ],
    }


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first["text"] == second["text"]
    np.testing.assert_allclose(first["numbers"], second["numbers"], atol=2e-4, rtol=1e-3)


def test_a_uniform_scheduler_is_exactly_static(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    rows, prompts = [row for row, _ in ROWS], [prompt for _, prompt in ROWS]
    state = tiny_llava.encode(noise_pictures)
    static = tiny_llava.answer(state, rows, prompts)
    for scheduler in (RuleScheduler(0.0, 0.0), FixedScheduler((0.5, 0.5))):
        ours = fresh(tiny_llava, scheduler).answer(state, rows, prompts)
        assert ours.texts == static.texts
        np.testing.assert_array_equal(ours.confidence, static.confidence)
        np.testing.assert_array_equal(ours.margin, static.margin)
    weighted = fresh(tiny_llava).answer(state, rows, prompts)
    assert np.abs(weighted.confidence - static.confidence).max() > 0.01


def test_fixed_points_are_the_adapter_under_those_weights(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    rows = [(row, prompt) for row, prompt in ROWS if prompt.has_image and prompt.has_text]
    state = tiny_llava.encode(noise_pictures)
    ours = ask(fresh(tiny_llava, FixedScheduler((0.8, 0.2))), noise_pictures, rows)
    direct = tiny_llava.answer(
        state, [r for r, _ in rows], [p for _, p in rows], torch.tensor([[0.8, 0.2]] * len(rows))
    )
    assert ours.texts == direct.texts
    np.testing.assert_allclose(ours.confidence, direct.confidence, rtol=1e-4)


def test_rows_without_a_modality_are_the_static_ones(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    rows, prompts = [row for row, _ in ROWS], [prompt for _, prompt in ROWS]
    state = tiny_llava.encode(noise_pictures)
    static, ours = tiny_llava.answer(state, rows, prompts), fresh(tiny_llava).answer(state, rows, prompts)
    assert ours.weights is not None and ours.signals is not None
    points = {(True, False): [1, 0], (False, True): [0, 1], (False, False): [0.5, 0.5]}
    for index, prompt in enumerate(prompts):
        has_text = prompt.has_text and prompt.context != ""
        if prompt.has_image and has_text:
            continue
        assert ours.texts[index] == static.texts[index]
        # Not to the last bit: the batch shrinks at other steps, since the other rows' answers differ.
        assert ours.confidence[index] == pytest.approx(static.confidence[index], rel=1e-4)
        assert ours.weights[index].tolist() == points[prompt.has_image, has_text]
        assert ours.signals.confidence[index].isnan().all(), "nothing was measured"
        assert ours.signals.consistency[index].isnan()


def test_rows_together_one_at_a_time_and_in_any_order(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    together = ask(fresh(tiny_llava), noise_pictures, ROWS)
    assert together.weights is not None
    assert np.ptp(together.weights[:, 0]) > 0.2
    backwards = ask(fresh(tiny_llava), noise_pictures, ROWS[::-1])
    mixed = np.random.default_rng(0).permutation(len(ROWS)).tolist()
    shuffled = ask(fresh(tiny_llava), noise_pictures, [ROWS[i] for i in mixed])
    others = noise_pictures[4:] + noise_pictures[:4]  # other images in the state, other places
    moved = ask(fresh(tiny_llava), others, [(row + 2, prompt) for row, prompt in ROWS])
    for index, row in enumerate(ROWS):
        expected = taken(ask(fresh(tiny_llava), noise_pictures, [row]), 0)
        assert_same(taken(together, index), expected)
        assert_same(taken(backwards, len(ROWS) - 1 - index), expected)
        assert_same(taken(shuffled, mixed.index(index)), expected)
        assert_same(taken(moved, index), expected)


def test_the_memo_across_calls_with_other_images(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    used = fresh(tiny_llava)
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (4, 5, 0, 1)):
        pictures = [noise_pictures[i] for i in order]
        ours = ask(used, pictures, ROWS)
        expected = ask(fresh(tiny_llava), pictures, ROWS)
        for index in range(len(ROWS)):
            assert_same(taken(ours, index), taken(expected, index))


def test_the_memo_saves_work_and_is_bounded(
    tiny_llava: LlavaModel, noise_pictures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    original = LlavaModel.last_hidden

    def counted(self: LlavaModel, state: Any, rows: Any, prompts: Any, weights: torch.Tensor) -> torch.Tensor:
        asked.append(len(rows))
        return original(self, state, rows, prompts, weights)

    monkeypatch.setattr(LlavaModel, "last_hidden", counted)
    rows = [(image, Prompt(q)) for image, q in itertools.product(range(4), ("a b", "c d", "no", "is it"))]
    model = fresh(tiny_llava)
    ask(model, noise_pictures, rows)
    # Image corners: a picture and the length of the question; text corners: a question.
    lengths = {tiny_llava.length(prompt) for _, prompt in rows}
    assert asked == [4 * len(lengths), 4]
    asked.clear()
    ask(model, noise_pictures, rows)
    assert asked == [4 * len(lengths)]
    expected = ask(model, noise_pictures, rows)
    monkeypatch.setattr(scheduled, "_KEPT", 3)
    tight = fresh(tiny_llava)
    for index, row in enumerate(rows):
        assert_same(taken(ask(tight, noise_pictures, [row]), 0), taken(expected, index))
        assert len(tight._text_corners) <= 3


def test_signals_are_those_of_the_corners(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    rows = [(i, p) for i, p in ROWS if p.has_image and p.has_text and p.context != ""]
    pictures = noise_pictures
    model = fresh(tiny_llava)
    found = ask(model, pictures, rows).signals
    assert found is not None
    for signal in (found.confidence, found.uncertainty, found.consistency):
        assert ((signal >= 0) & (signal <= 1)).all()
    assert (found.uncertainty > 1e-3).all(), "a signal that is always zero is none"
    tokens = sorted({tiny_llava.processor.tokenizer(f" {a}")["input_ids"][0] for a in SPACE})
    with torch.inference_mode():
        for modality in (0, 1):
            point = torch.zeros(len(rows), 2)
            point[:, modality] = 1.0
            start = tiny_llava.prefill(
                tiny_llava.encode(pictures), [r for r, _ in rows], [p for _, p in rows], point
            )
            expected = confidence(tiny_llava.logits(start.hidden)[:, tokens].softmax(-1))
            torch.testing.assert_close(found.confidence[:, modality], expected, atol=1e-4, rtol=1e-3)


def test_given_weights_win(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    model = fresh(tiny_llava)
    state = model.encode(noise_pictures)
    weights = torch.tensor([[0.7, 0.3]])
    ours = model.answer(state, [0], [ROWS[0][1]], weights)
    assert ours.texts == tiny_llava.answer(state, [0], [ROWS[0][1]], weights).texts


def test_state_and_lengths_are_the_adapters(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    model = fresh(tiny_llava)
    assert model.state_key == tiny_llava.state_key
    assert model.length(ROWS[0][1]) == tiny_llava.length(ROWS[0][1])
    state = tiny_llava.encode(noise_pictures)
    assert model.answer(state, [0], [ROWS[0][1]]).texts == ask(model, noise_pictures, ROWS[:1]).texts


def test_too_few_passes_are_never_reported_as_no_uncertainty(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    for monte_carlo in (MonteCarlo(passes=1), MonteCarlo(rate=0.0), MonteCarlo(rate=1.0)):
        with pytest.raises(ValueError, match=r"at least 2|between 0 and 1"):
            ask(fresh(tiny_llava, monte_carlo=monte_carlo), noise_pictures, ROWS[:1])


def test_settings_cover_all_that_decides(tiny_llava: LlavaModel) -> None:
    several = [
        fresh(tiny_llava),
        fresh(tiny_llava, RuleScheduler(20.0, 6.0)),
        fresh(tiny_llava, FixedScheduler((0.5, 0.5))),
        fresh(tiny_llava, monte_carlo=MonteCarlo(passes=4)),
        fresh(tiny_llava, monte_carlo=MonteCarlo(seed=1)),
        ScheduledModel(tiny_llava, RULE),
        ScheduledModel(tiny_llava, RULE, answer_space=(*SPACE[:-1], "triangle")),
    ]
    assert len({json.dumps(model.settings(), sort_keys=True) for model in several}) == len(several)
    assert all(model.settings() != tiny_llava.settings() for model in several)


def test_the_whole_vocabulary_and_half_precision(tiny_folder: Path, noise_pictures: list[Any]) -> None:
    for dtype in ("float32", "float16", "bfloat16"):
        model = ScheduledModel(LlavaModel(tiny_folder, dtype=dtype), RULE)
        answers = ask(model, noise_pictures, ROWS)
        assert answers.weights is not None
        assert np.isfinite(answers.weights).all()
        np.testing.assert_allclose(answers.weights.sum(axis=1), 1.0, atol=1e-5)


def test_a_broken_scheduler_does_not_pass_silently(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    class Broken:
        def weights(self, signals: Signals) -> torch.Tensor:
            return torch.full((len(signals.consistency), 2), torch.nan)

        def settings(self) -> dict[str, float | str]:
            return {"scheduler": "broken"}

    with pytest.raises(ValueError, match="finite"):
        ask(fresh(tiny_llava, Broken()), noise_pictures, ROWS[:1])
