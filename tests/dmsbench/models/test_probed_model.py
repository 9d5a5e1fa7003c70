"""Choices on probes' signals: asked once, exact where nothing is chosen, every row for itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_paligemma import save_tiny_paligemma

from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points
from dmsbench.fusion.probe import REACH, Head, Probes
from dmsbench.fusion.typicality import Typicality
from dmsbench.models.base import Answers, Prompt
from dmsbench.models.fixed import FixedModel
from dmsbench.models.llava import LlavaModel
from dmsbench.models.mixed import MixedModel
from dmsbench.models.paligemma import PaliGemmaModel
from dmsbench.models.probed import ProbedModel

ROWS = [
    (0, Prompt("What color is the circle?")),
    (1, Prompt("What color is the circle?")),
    (0, Prompt("no")),
    (2, Prompt("Is there a red shape in the image?", has_image=False)),
    (0, Prompt("What color is it?", context="a circle, or a red triangle")),
    (1, Prompt("Is there a red shape in the image?", has_text=False)),
    (3, Prompt("What color is the triangle?")),
    (2, Prompt("What color is the circle?", context="")),
]
BOTH, SINGLE = [0, 1, 2, 4, 6], [3, 5, 7]
KINDS = ("llava", "opt", "t5", "paligemma")

pytestmark = pytest.mark.usefixtures("one_thread")


class Told:
    """A scheduler that does as it is told."""

    points: Points = CORNERS_AND_UNIFORM

    def __init__(self, shares: Callable[[Evidence], torch.Tensor], *, typicality: bool = False) -> None:
        self.shares, self.needs_typicality = shares, typicality

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        return self.shares(evidence)

    def settings(self) -> dict[str, float | str]:
        return {"scheduler": "told"}


def always(*shares: float) -> Told:
    return Told(lambda evidence: torch.tensor([shares]).expand(len(evidence), -1))


def by_signals(evidence: Evidence) -> torch.Tensor:
    """Another point wherever a probe says something else."""
    point = evidence.probabilities.argmax(dim=2).sum(dim=1) % 3
    return 0.1 + 0.7 * torch.nn.functional.one_hot(point, 3)


def probes_for(adapter: Any) -> Probes:
    width = adapter.embedding.weight.shape[1]
    heads = []
    for modality in range(2):
        generator = torch.Generator().manual_seed(modality)
        made = Head.initial(width, 6, reach=REACH[modality], width=8, hidden=16, generator=generator)
        heads.append(replace(made, output=torch.randn(16, 6, generator=generator)))
    return Probes(*heads)


def ask(model: Any, pictures: list[Any], rows: list[tuple[int, Prompt]] = ROWS) -> Answers:
    answers: Answers = model.answer(model.encode(pictures), [r for r, _ in rows], [p for _, p in rows])
    return answers


@pytest.fixture(scope="session")
def paligemma(tmp_path_factory: pytest.TempPathFactory) -> PaliGemmaModel:
    return PaliGemmaModel(save_tiny_paligemma(tmp_path_factory.mktemp("paligemma") / "gemma"))


@pytest.fixture
def adapter(
    request: pytest.FixtureRequest,
    tiny_llava: LlavaModel,
    tiny_blip2: Callable[..., Any],
    paligemma: PaliGemmaModel,
) -> Any:
    if request.param == "paligemma":
        return paligemma
    return tiny_llava if request.param == "llava" else tiny_blip2(request.param)


each_adapter = pytest.mark.parametrize("adapter", KINDS, indirect=True)


@each_adapter
def test_choosing_the_uniform_point_is_the_static_answer_to_the_last_bit(
    adapter: Any, noise_pictures: list[Any]
) -> None:
    static = ask(adapter, noise_pictures)
    found = ask(ProbedModel(adapter, always(0.3, 0.3, 0.4), probes_for(adapter)), noise_pictures)
    assert found.texts == static.texts
    assert np.array_equal(found.confidence, static.confidence)
    assert np.array_equal(found.margin, static.margin)
    assert found.weights is not None and found.weights[BOTH].tolist() == [[0.5, 0.5]] * len(BOTH)


@each_adapter
def test_a_choice_is_the_answer_at_its_point(adapter: Any, noise_pictures: list[Any]) -> None:
    for shares, point in (((0.5, 0.2, 0.3), (1.0, 0.0)), ((0.1, 0.6, 0.3), (0.0, 1.0))):
        found = ask(ProbedModel(adapter, always(*shares), probes_for(adapter)), noise_pictures)
        fixed = ask(FixedModel(adapter, point), noise_pictures)
        assert found.texts == fixed.texts and np.array_equal(found.confidence, fixed.confidence)
        assert found.weights is not None and found.weights[BOTH].tolist() == [list(point)] * len(BOTH)


def test_one_rows_choice_changes_no_other_row(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    static = ask(tiny_llava, noise_pictures)

    def second(evidence: Evidence) -> torch.Tensor:
        shares = torch.tensor([[0.0, 0.0, 1.0]]).repeat(len(evidence), 1)
        shares[1] = torch.tensor([0.0, 1.0, 0.0])
        return shares

    found = ask(ProbedModel(tiny_llava, Told(second), probes_for(tiny_llava)), noise_pictures)
    others = [row for row in range(len(ROWS)) if row != BOTH[1]]
    assert [found.texts[row] for row in others] == [static.texts[row] for row in others]
    # An answer of another length leaves the batch at another step: its shape moves the last bits.
    apart = np.abs(found.confidence - static.confidence) / static.confidence
    assert apart[others].max() < 1e-5 < 1e-3 < apart[BOTH[1]]


@each_adapter
def test_rows_alone_together_and_in_another_order(adapter: Any, noise_pictures: list[Any]) -> None:
    model = ProbedModel(adapter, Told(by_signals), probes_for(adapter))
    together = ask(model, noise_pictures)
    turned = ask(model, noise_pictures, ROWS[::-1])
    alone = [ask(model, noise_pictures, [row]) for row in ROWS]
    assert together.texts == turned.texts[::-1] == tuple(each.texts[0] for each in alone)
    assert together.weights is not None and turned.weights is not None and together.signals is not None
    assert len(np.unique(together.weights[BOTH, 0])) > 1, "rows differ"
    assert np.array_equal(together.weights, turned.weights[::-1])
    for row, one in enumerate(alone):
        assert one.weights is not None and one.signals is not None
        assert np.array_equal(one.weights[0], together.weights[row])
        for name in ("confidence", "uncertainty", "consistency"):
            mine, theirs = getattr(one.signals, name)[0], getattr(together.signals, name)[row]
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3, equal_nan=True)


def test_one_modality_is_static_and_not_measured(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    static = ask(tiny_llava, noise_pictures)
    found = ask(ProbedModel(tiny_llava, always(1, 0, 0), probes_for(tiny_llava)), noise_pictures)
    assert found.weights is not None and found.signals is not None
    assert [found.texts[row] for row in SINGLE] == [static.texts[row] for row in SINGLE]
    assert found.weights[SINGLE].tolist() == [[0, 1], [1, 0], [1, 0]]
    assert torch.isnan(found.signals.consistency[SINGLE]).all()
    assert torch.isfinite(found.signals.confidence[BOTH]).all()
    only = [ROWS[row] for row in SINGLE]
    assert ask(ProbedModel(tiny_llava, always(1, 0, 0), probes_for(tiny_llava)), noise_pictures, only).texts


def test_other_mixings(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    shares, probes = (0.5, 0.2, 0.3), probes_for(tiny_llava)
    biased = ask(ProbedModel(tiny_llava, always(*shares), probes, mixing="bias"), noise_pictures)
    assert biased.weights is not None
    np.testing.assert_allclose(biased.weights[0], [0.65, 0.35], atol=1e-6)
    mixed = ask(ProbedModel(tiny_llava, always(*shares), probes, mixing="mixture"), noise_pictures)
    corners = ask(MixedModel(tiny_llava, always(*shares)), noise_pictures)
    assert mixed.texts == corners.texts
    np.testing.assert_allclose(mixed.confidence, corners.confidence, atol=1e-6, rtol=1e-3)
    state = tiny_llava.encode(noise_pictures)
    weights = torch.tensor([[0.7, 0.3]])
    given = ProbedModel(tiny_llava, always(*shares), probes).answer(state, [0], [ROWS[0][1]], weights)
    assert given.texts == tiny_llava.answer(state, [0], [ROWS[0][1]], weights).texts


def test_corner_signals_choose_too(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    """The pass at the chosen point has run already: the answer goes on from there."""
    for shares, point in (((0.4, 0.3, 0.3), (1.0, 0.0)), ((0.3, 0.3, 0.4), (0.5, 0.5))):
        found = ask(MixedModel(tiny_llava, always(*shares), mixing="choice"), noise_pictures)
        fixed = ask(FixedModel(tiny_llava, point), noise_pictures)
        assert found.texts == fixed.texts
        np.testing.assert_allclose(found.confidence, fixed.confidence, atol=1e-6, rtol=1e-3)
        assert found.weights is not None and found.weights[BOTH].tolist() == [list(point)] * len(BOTH)


@each_adapter
def test_tokens_are_what_the_language_model_reads(adapter: Any, noise_pictures: list[Any]) -> None:
    state = adapter.encode(noise_pictures)
    rows, prompts = [4, 1], [Prompt("What color is it?", context="a red circle"), Prompt("no")]
    found = adapter.evidence_tokens(state, rows, prompts)
    assert found.image.shape[0] == len(noise_pictures) and found.picks.tolist() == rows
    image, text = adapter.embeddings(state, rows, prompts)
    torch.testing.assert_close(found.image.mean(dim=1)[rows], image, atol=1e-5, rtol=1e-4)
    for row in range(2):
        mean = found.text[row, found.exists[row]].mean(dim=0)
        torch.testing.assert_close(mean, text[row], atol=1e-5, rtol=1e-4)
    assert (found.question[0] - text[0]).abs().max() > 1e-3, "beside a context the question is no evidence"
    torch.testing.assert_close(found.question[1], text[1], atol=1e-5, rtol=1e-4)
    evidence, question = adapter.evidence_ids(prompts)
    said = [
        adapter.read([[i for i in ids if i >= 0]])[0] for ids in (evidence[0].tolist(), question[0].tolist())
    ]
    assert said == ["a red circle", "What color is it?"]


def test_typicality_and_settings(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    told = Told(by_signals, typicality=True)
    with pytest.raises(ValueError, match="looks at typicality"):
        ProbedModel(tiny_llava, told, probes_for(tiny_llava))
    with pytest.raises(ValueError, match="mixing"):
        ProbedModel(tiny_llava, told, probes_for(tiny_llava), mixing="stirred")
    with pytest.raises(ValueError, match="mixing"):
        ProbedModel(tiny_llava, told, probes_for(tiny_llava), mixing="log_pool")
    state = tiny_llava.encode(noise_pictures)
    width, deep = state.tower.shape[1], state.tokens.shape[2]
    generator = torch.Generator().manual_seed(0)
    fitted = tuple(Typicality.fit(torch.randn(20, w, generator=generator), 5) for w in (width, 2 * deep))
    model = ProbedModel(tiny_llava, told, probes_for(tiny_llava), typicality=fitted)  # type: ignore[arg-type]
    evidence = model.evidence(state, [0, 1], [ROWS[0][1], ROWS[2][1]])
    assert evidence.typicality is not None and torch.isfinite(evidence.typicality).all()
    other = replace(probes_for(tiny_llava), seed=1)
    several = [
        model,
        ProbedModel(tiny_llava, always(0, 0, 1), probes_for(tiny_llava)),
        ProbedModel(tiny_llava, always(0, 0, 1), probes_for(tiny_llava), mixing="bias"),
        ProbedModel(tiny_llava, always(0, 0, 1), other),
    ]
    assert len({json.dumps(each.settings(), sort_keys=True) for each in several}) == len(several)
    assert model.state_key == tiny_llava.state_key and model.length(ROWS[0][1]) == tiny_llava.length(
        ROWS[0][1]
    )
    with pytest.raises(ValueError, match="sum to 1"):
        ask(ProbedModel(tiny_llava, always(0.5, 0.5, 0.5), probes_for(tiny_llava)), noise_pictures)
