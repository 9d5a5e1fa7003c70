"""Mixing on top of an adapter: exact at single points, rows alone or together, prompts run once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tiny_blip2 import KINDS

from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points
from dmsbench.fusion.rivals import TrustedFusion
from dmsbench.fusion.rule_mixture import RuleMixture
from dmsbench.fusion.schedulers import RuleScheduler
from dmsbench.fusion.signals import confidence
from dmsbench.fusion.typicality import Typicality
from dmsbench.models.base import Answers, Prompt
from dmsbench.models.blip2 import Blip2Model
from dmsbench.models.evidence import MonteCarlo
from dmsbench.models.llava import LlavaModel
from dmsbench.models.mixed import MixedModel
from dmsbench.models.scheduled import ScheduledModel

SPACE = ("red", "blue", "green", "yes", "no", "circle")
ROWS = [
    (0, Prompt("What color is the circle?")),
    (1, Prompt("What color is the circle?")),
    (0, Prompt("no")),
    (2, Prompt("What color is the triangle?")),
    (2, Prompt("Is there a red shape in the image?", has_image=False)),
    (1, Prompt("Is there a red shape in the image?", has_text=False)),
    (0, Prompt("What color is it?", context="a circle")),
    (3, Prompt("no", has_image=False, has_text=False)),
    (2, Prompt("What color is the circle?", context="")),
]
SINGLE = (4, 5, 7, 8)
WHERE, PROMPTS = [row for row, _ in ROWS], [prompt for _, prompt in ROWS]

pytestmark = pytest.mark.usefixtures("one_thread")


class Told:
    """A scheduler that does as it is told, and keeps what it saw."""

    points: Points = CORNERS_AND_UNIFORM

    def __init__(self, shares: Callable[[Evidence], torch.Tensor], *, typicality: bool = False) -> None:
        self.shares, self.needs_typicality = shares, typicality
        self.seen: list[Evidence] = []

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        self.seen.append(evidence)
        return self.shares(evidence)

    def settings(self) -> dict[str, float | str]:
        return {"scheduler": "told"}


def always(*shares: float) -> Told:
    return Told(lambda evidence: torch.tensor([shares]).expand(len(evidence), -1))


def by_confidence(evidence: Evidence) -> torch.Tensor:
    return torch.softmax(5.0 * confidence(evidence.probabilities), dim=1)


def ask(model: Any, pictures: list[Any], rows: list[tuple[int, Prompt]] = ROWS) -> Answers:
    answers: Answers = model.answer(model.encode(pictures), [r for r, _ in rows], [p for _, p in rows])
    return answers


def test_all_on_uniform_is_exactly_static(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    static = ask(tiny_llava, noise_pictures)
    for mixing in ("mixture", "bias"):
        ours = ask(MixedModel(tiny_llava, always(0, 0, 1), answer_space=SPACE, mixing=mixing), noise_pictures)
        assert ours.texts == static.texts
        np.testing.assert_allclose(ours.confidence, static.confidence, atol=1e-6, rtol=1e-4)
    assert ours.weights is not None and ours.weights[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("point", [0, 1])
def test_all_on_a_corner_is_that_corner(
    tiny_llava: LlavaModel, noise_pictures: list[Any], point: int
) -> None:
    shares = [float(p == point) for p in range(3)]
    ours = ask(MixedModel(tiny_llava, always(*shares)), noise_pictures)
    weights = CORNERS_AND_UNIFORM.tensor[point].expand(len(ROWS), -1)
    expected = tiny_llava.answer(tiny_llava.encode(noise_pictures), WHERE, PROMPTS, weights)
    assert ours.texts == expected.texts
    np.testing.assert_allclose(ours.confidence, expected.confidence, atol=1e-6, rtol=1e-3)


def test_rows_with_one_modality_stay_static_and_unmeasured(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    static = ask(tiny_llava, noise_pictures)
    ours = ask(MixedModel(tiny_llava, Told(by_confidence), answer_space=SPACE), noise_pictures)
    assert ours.weights is not None and ours.signals is not None
    assert [ours.weights[i].tolist() for i in SINGLE] == [[0, 1], [1, 0], [0.5, 0.5], [1, 0]]
    for i in SINGLE:
        assert ours.texts[i] == static.texts[i]
        assert ours.confidence[i] == pytest.approx(static.confidence[i], rel=1e-3)
        assert ours.signals.confidence[i].isnan().all()
    only = [ROWS[i] for i in SINGLE]
    assert ask(MixedModel(tiny_llava, Told(by_confidence)), noise_pictures, only).texts == tuple(
        static.texts[i] for i in SINGLE
    )


def test_rows_alone_together_and_moved(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    model = MixedModel(tiny_llava, Told(by_confidence), answer_space=SPACE)
    together = ask(model, noise_pictures)
    backwards = ask(model, noise_pictures, ROWS[::-1])
    assert together.weights is not None and np.ptp(together.weights[:, 0]) > 0.02
    for i, row in enumerate(ROWS):
        alone = ask(model, noise_pictures, [row])
        for other, at in ((alone, 0), (backwards, len(ROWS) - 1 - i)):
            assert together.texts[i] == other.texts[at]
            assert together.confidence[i] == pytest.approx(float(other.confidence[at]), rel=1e-3, abs=1e-6)
            assert other.weights is not None
            np.testing.assert_allclose(together.weights[i], other.weights[at], atol=2e-4)


def test_evidence_is_that_of_the_corners(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    told = always(0.2, 0.3, 0.5)
    answers = ask(MixedModel(tiny_llava, told, answer_space=SPACE), noise_pictures)
    (evidence,) = told.seen
    both = [i for i in range(len(ROWS)) if i not in SINGLE]
    assert evidence.probabilities.shape == (len(both), 3, len(SPACE))
    torch.testing.assert_close(evidence.probabilities.sum(dim=2), torch.ones(len(both), 3))
    assert (evidence.uncertainty > 1e-3).all() and evidence.typicality is None
    expected = ask(ScheduledModel(tiny_llava, RuleScheduler(1, 1), answer_space=SPACE), noise_pictures)
    assert answers.signals is not None and expected.signals is not None
    for name in ("confidence", "uncertainty", "consistency"):
        ours, theirs = getattr(answers.signals, name), getattr(expected.signals, name)
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-3, equal_nan=True)
    assert answers.weights is not None
    np.testing.assert_allclose(answers.weights[0], [0.2 + 0.25, 0.3 + 0.25], atol=1e-6)


def test_prompts_are_run_once(
    tiny_llava: LlavaModel, noise_pictures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    original = LlavaModel.prefill

    def counted(self: LlavaModel, state: Any, rows: Any, *rest: Any, **options: Any) -> Any:
        ran.append(len(rows))
        return original(self, state, rows, *rest, **options)

    monkeypatch.setattr(LlavaModel, "prefill", counted)
    rows = [(i, Prompt(q)) for i in range(4) for q in ("What color is it?", "What shape is it?")]
    ask(MixedModel(tiny_llava, Told(by_confidence), answer_space=SPACE), noise_pictures, rows)
    # A stream for each row at uniform, one a picture (questions of one length) and one a question.
    assert ran == [8 + 4 + 2]


def test_typicality_reaches_the_scheduler(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    told = Told(by_confidence, typicality=True)
    with pytest.raises(ValueError, match="typicality"):
        MixedModel(tiny_llava, told)
    width = tiny_llava.encode(noise_pictures).tower.shape[1]
    clean = torch.randn(20, width, generator=torch.Generator().manual_seed(0))
    fitted = (Typicality.fit(clean, 5), Typicality.fit(clean[:, : tiny_llava.model.lm_head.in_features], 5))
    model = MixedModel(tiny_llava, told, answer_space=SPACE, typicality=fitted)
    ask(model, noise_pictures)
    (evidence,) = told.seen
    assert evidence.typicality is not None and evidence.typicality.shape == (5, 2, 2)
    assert torch.isfinite(evidence.typicality).all()
    assert evidence.typicality[0, 1].tolist() != evidence.typicality[3, 1].tolist(), "another question"
    torch.testing.assert_close(evidence.typicality[0, 1], evidence.typicality[1, 1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(evidence.typicality[0, 0], evidence.typicality[2, 0], atol=1e-4, rtol=1e-4)


def test_settings_cover_all_that_decides(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    clean = torch.randn(9, 4)
    fitted = (Typicality.fit(clean), Typicality.fit(clean + clean**2))
    several = [
        MixedModel(tiny_llava, always(0, 0, 1), answer_space=SPACE),
        MixedModel(tiny_llava, always(0, 0, 1), answer_space=SPACE, mixing="bias"),
        MixedModel(tiny_llava, always(0, 0, 1)),
        MixedModel(tiny_llava, always(0, 0, 1), answer_space=SPACE, monte_carlo=MonteCarlo(passes=4)),
        MixedModel(tiny_llava, Told(by_confidence, typicality=True), typicality=fitted),
        MixedModel(tiny_llava, Told(by_confidence, typicality=True), typicality=fitted[::-1]),
        MixedModel(tiny_llava, RuleMixture(RuleScheduler(1, 2)), answer_space=SPACE),
    ]
    assert len({json.dumps(model.settings(), sort_keys=True) for model in several}) == len(several)
    with pytest.raises(ValueError, match="mixing"):
        MixedModel(tiny_llava, always(0, 0, 1), mixing="stirred")


def test_given_weights_win_and_broken_shares_do_not_pass(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    model = MixedModel(tiny_llava, always(0.5, 0.5, 0.5))
    state = model.encode(noise_pictures)
    weights = torch.tensor([[0.7, 0.3]])
    ours = model.answer(state, [0], PROMPTS[:1], weights)
    assert ours.texts == tiny_llava.answer(state, [0], PROMPTS[:1], weights).texts
    with pytest.raises(ValueError, match="sum to 1"):
        model.answer(state, [0], PROMPTS[:1])
    assert model.length(PROMPTS[0]) == tiny_llava.length(PROMPTS[0])
    assert model.state_key == tiny_llava.state_key


def test_the_rule_as_a_mixture_has_the_rules_mean_point(
    tiny_llava: LlavaModel, noise_pictures: list[Any]
) -> None:
    rule = RuleScheduler(20.0, 5.0)
    biased = ask(ScheduledModel(tiny_llava, rule, answer_space=SPACE), noise_pictures)
    mixed = ask(MixedModel(tiny_llava, RuleMixture(rule), answer_space=SPACE), noise_pictures)
    assert biased.weights is not None and mixed.weights is not None
    np.testing.assert_allclose(mixed.weights, biased.weights, atol=1e-3)
    assert RuleMixture(rule).settings() == {"scheduler": "rule_mixture", "alpha": 20.0, "beta": 5.0}


def test_opinions_are_joined_at_the_first_token(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    rival = TrustedFusion()
    model = MixedModel(tiny_llava, rival, answer_space=SPACE, mixing="join")
    answers = ask(model, noise_pictures)
    both = [i for i in range(len(ROWS)) if i not in SINGLE]
    state = model.encode(noise_pictures)
    evidence = model.evidence(state, [WHERE[i] for i in both], [PROMPTS[i] for i in both])
    fused = rival.fuse(evidence)
    begins = {tiny_llava.first_tokens([word])[0]: word for word in SPACE}
    assert model.reader.outcomes is not None
    for i, best in zip(both, fused.argmax(dim=1).tolist(), strict=True):
        token = model.reader.outcomes[best]
        ended = token in tiny_llava.stops
        assert answers.texts[i] == "" if ended else answers.texts[i].startswith(begins[token])
    assert (answers.confidence[both] <= fused.max(dim=1).values.numpy() + 1e-6).all()
    static = ask(tiny_llava, noise_pictures)
    assert all(answers.texts[i] == static.texts[i] for i in SINGLE)
    everything = MixedModel(tiny_llava, rival, mixing="join")
    assert ask(everything, noise_pictures).texts
    with pytest.raises(ValueError, match="no fusion of its own"):
        MixedModel(tiny_llava, always(0, 0, 1), mixing="join")


def test_logits_are_pooled_by_the_shares(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    settings, texts = set(), []
    for mixing in ("mixture", "log_pool"):
        model = MixedModel(tiny_llava, Told(by_confidence), answer_space=SPACE, mixing=mixing)
        answers = ask(model, noise_pictures)
        settings.add(json.dumps(model.settings(), sort_keys=True))
        texts.append(tuple(np.round(answers.confidence, 4)))
    assert len(settings) == 2 and texts[0] != texts[1]


@pytest.mark.parametrize("kind", KINDS)
def test_blip2_is_mixed_by_the_same_seam(
    tiny_blip2: Callable[..., Blip2Model], noise_pictures: list[Any], kind: str
) -> None:
    adapter = tiny_blip2(kind)
    static = ask(adapter, noise_pictures)
    uniform = ask(MixedModel(adapter, always(0, 0, 1), answer_space=SPACE), noise_pictures)
    assert uniform.texts == static.texts
    np.testing.assert_allclose(uniform.confidence, static.confidence, atol=1e-6, rtol=1e-3)
    width = adapter.encode(noise_pictures).tower.shape[1]
    clean = torch.randn(20, width, generator=torch.Generator().manual_seed(0))
    told = Told(by_confidence, typicality=True)
    text = adapter.prefill(adapter.encode(noise_pictures), [0], PROMPTS[:1], pool=True).text
    assert text is not None
    fitted = (Typicality.fit(clean, 5), Typicality.fit(torch.randn(20, text.shape[1]), 5))
    mixed = ask(MixedModel(adapter, told, answer_space=SPACE, typicality=fitted), noise_pictures)
    (evidence,) = told.seen
    assert evidence.typicality is not None and torch.isfinite(evidence.typicality).all()
    assert mixed.weights is not None and np.ptp(mixed.weights[:3, 0]) > 0
