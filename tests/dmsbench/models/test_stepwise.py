"""Shares of each token: every token is the best one of the mixture that the evidence at it asks for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_blip2 import KINDS

from dmsbench.data import load_dataset
from dmsbench.errors import ModelError
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points, mix, modality_weights
from dmsbench.fusion.signals import confidence
from dmsbench.models.base import Prompt
from dmsbench.models.blip2 import Blip2Model
from dmsbench.models.decoding import log_likelihood, prefill_points, told
from dmsbench.models.evidence import OutcomeHead, PointReader
from dmsbench.models.llava import LlavaModel
from dmsbench.models.mixed import MixedModel
from dmsbench.models.spec import FITTED, OWN_SCHEDULERS, checkpoint_folder, parse
from dmsbench.models.zoo import Zoo
from dmsbench.suite import load_suite
from dmsbench.training import each_token
from dmsbench.training.each_token import at_tokens, ended, outcome_tokens, picked_tokens
from dmsbench.training.fit import FitPlan, fit
from dmsbench.training.simulated import FAMILIES

pytestmark = pytest.mark.usefixtures("one_thread")
POINTS = CORNERS_AND_UNIFORM.tensor
ROWS = [
    (0, Prompt("What color is the circle?")),
    (1, Prompt("What color is the circle?")),
    (2, Prompt("Is there a red shape in the image?", has_image=False)),
    (2, Prompt("What color is the triangle?")),
    (0, Prompt("What color is it?", context="a circle")),
]
BOTH = (0, 1, 3, 4)
WHERE, PROMPTS = [row for row, _ in ROWS], [prompt for _, prompt in ROWS]
Adapter = LlavaModel | Blip2Model


@pytest.fixture(params=["llava", *KINDS])
def adapter(request: pytest.FixtureRequest, tiny_blip2: Callable[..., Blip2Model]) -> Adapter:
    if request.param == "llava":
        llava: LlavaModel = request.getfixturevalue("tiny_llava")
        return llava
    return tiny_blip2(request.param)


class Sure:
    """Shares by confidence, and so sharply that they jump from token to token."""

    points: Points = CORNERS_AND_UNIFORM
    needs_typicality = False

    def __init__(self, sharpness: float) -> None:
        self.sharpness = sharpness

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        return (self.sharpness * confidence(evidence.probabilities)).softmax(dim=1)

    def settings(self) -> dict[str, float | str]:
        return {"scheduler": "sure", "sharpness": self.sharpness}


def test_each_token_is_the_best_of_its_own_mixture(adapter: Adapter, noise_pictures: list[Any]) -> None:
    scheduler = Sure(300.0)
    model = MixedModel(adapter, scheduler, steps="each")
    state = model.encode(noise_pictures)
    answers = model.answer(state, WHERE, PROMPTS)
    head = OutcomeHead(adapter, None, model.reader.head.monte_carlo)
    shares_seen = []
    for b in BOTH:
        streams = prefill_points(adapter, state, [WHERE[b]], [PROMPTS[b]], POINTS)
        tokens: list[int] = []
        total, weights, start = 0.0, [], streams
        while len(tokens) < adapter.max_new_tokens:
            # Told what was said so far; the token that follows is looked at and then thrown away.
            start = prefill_points(adapter, state, [WHERE[b]], [PROMPTS[b]], POINTS)
            *_, last = told(adapter, start.start, start.at, [(*tokens, 0)])
            found = head(last.hidden)
            probabilities = found.probabilities[last.at]
            shares = scheduler.mixture(Evidence(probabilities, found.uncertainty[last.at], torch.zeros(1)))
            mixed = mix(shares, probabilities)[0]
            weights.append(modality_weights(shares, scheduler.points)[0])
            shares_seen.append(shares[0])
            best = int(mixed.argmax())
            total += float(mixed[best].log())
            if best in adapter.stops:
                break
            tokens.append(best)
        assert answers.texts[b] == adapter.read([tokens])[0]
        assert answers.confidence[b] == pytest.approx(np.exp(total), rel=1e-3)
        assert answers.weights is not None
        np.testing.assert_allclose(answers.weights[b], torch.stack(weights).mean(dim=0), atol=1e-3)
    assert len({int(shares.argmax()) for shares in shares_seen}) > 1, "the shares never changed"
    assert answers.weights is not None and answers.weights[2].tolist() == [0.0, 1.0]


def test_shares_that_stay_are_the_whole_answers(adapter: Adapter, noise_pictures: list[Any]) -> None:
    class Constant(Sure):
        def mixture(self, evidence: Evidence) -> torch.Tensor:
            return torch.tensor([0.2, 0.5, 0.3]).expand(len(evidence), -1)

    state = adapter.encode(noise_pictures)
    first, each = (
        MixedModel(adapter, Constant(0), steps=steps).answer(state, WHERE, PROMPTS)
        for steps in ("first", "each")
    )
    assert first.texts == each.texts
    np.testing.assert_allclose(first.confidence, each.confidence, rtol=1e-4)
    assert first.weights is not None and each.weights is not None
    np.testing.assert_allclose(first.weights, each.weights, atol=1e-6)


def test_rows_alone_and_together_are_the_same(tiny_llava: LlavaModel, noise_pictures: list[Any]) -> None:
    model = MixedModel(tiny_llava, Sure(300.0), steps="each")
    state = model.encode(noise_pictures)
    together = model.answer(state, WHERE, PROMPTS)
    for b, (row, prompt) in enumerate(ROWS):
        alone = model.answer(state, [row], [prompt])
        assert alone.texts[0] == together.texts[b]
        assert alone.confidence[0] == pytest.approx(float(together.confidence[b]), rel=1e-3)


def test_what_cannot_change_from_token_to_token_is_refused(tiny_llava: LlavaModel) -> None:
    for mixing in ("bias", "choice"):
        with pytest.raises(ValueError, match="shares of each token"):
            MixedModel(tiny_llava, Sure(1.0), mixing=mixing, steps="each")
    with pytest.raises(ValueError, match="steps must be one of"):
        MixedModel(tiny_llava, Sure(1.0), steps="all")
    plain, each = (MixedModel(tiny_llava, Sure(1.0), steps=steps).settings() for steps in ("first", "each"))
    assert "steps" not in plain["fusion"] and each["fusion"]["steps"] == "each"


def test_evidence_at_tokens_adds_up_to_the_answers(
    adapter: Adapter, noise_pictures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(each_token, "TOKENS_AN_ANSWER", 99)
    state = adapter.encode(noise_pictures)
    where, prompts = [WHERE[b] for b in BOTH], [PROMPTS[b] for b in BOTH]
    answers = [
        ended(adapter.answer_tokens(text), adapter.ending)
        for text in ("red", "yes no", "a circle in gray", "no")
    ]
    outcomes = outcome_tokens(answers, None)
    reader = PointReader(adapter, CORNERS_AND_UNIFORM, outcomes)
    reading = reader.read(state, where, prompts, pool=True)
    found = at_tokens(reader, reading, answers, ["a", "b", "c", "d"])
    assert len(found.owners) == sum(map(len, answers))
    streams = prefill_points(adapter, state, where, prompts, POINTS)
    expected = log_likelihood(adapter, streams.start, streams.at, answers)
    total = torch.zeros_like(expected).index_add(0, found.owners, found.log_likelihood)
    torch.testing.assert_close(total, expected, atol=1e-3, rtol=1e-4)
    # At the first token it is what a reading of first tokens sees.
    first = reader.read(state, where, prompts, pool=False).evidence
    torch.testing.assert_close(found.probabilities[: len(BOTH)], first.probabilities, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.uncertainty[: len(BOTH)], first.uncertainty, atol=1e-5, rtol=1e-4)
    assert found.right.sum(dim=1).tolist() == [1] * len(found.owners)
    assert [outcomes[k] for k in found.right[: len(BOTH)].argmax(dim=1).tolist()] == [a[0] for a in answers]


def test_picked_tokens_are_of_the_answer_and_the_same_every_time() -> None:
    assert picked_tokens("x", 3) == {0, 1, 2}
    assert len(picked_tokens("x", 40)) == each_token.TOKENS_AN_ANSWER
    assert picked_tokens("x", 40) == picked_tokens("x", 40) != picked_tokens("y", 40)
    assert max(max(picked_tokens(str(i), 40)) for i in range(200)) == 39
    assert outcome_tokens([(5, 3), (3,)], 7) == (3, 5, 7)


def test_of_several_stops_the_tokenizers_own_ends_an_answer(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LlavaModel(tiny_folder)
    own = model.processor.tokenizer.eos_token_id
    for stops, expected in (({own, own - 1}, own), ({9, 12}, 9), (set(), None)):
        monkeypatch.setattr(model, "stops", frozenset(stops))
        assert model.ending == expected
    assert ended((5, 6), None) == (5, 6) and ended((5, 6), 0) == (5, 6, 0)


def test_a_fit_of_each_token_is_used_as_one(
    tiny_llava: LlavaModel, tiny_folder: Path, noise_pictures: list[Any], tmp_path: Path
) -> None:
    train, suite = load_dataset("easy_vqa", "train"), load_suite("caption-corrupt")
    plan = FitPlan(FAMILIES, limit=300, each_token=True)
    fitted, _ = fit(tiny_llava, train, suite, tmp_path, plan)
    zoo = Zoo(task="captioning")
    card = json.loads((tmp_path / "fit.json").read_text())
    assert card["steps"] == fitted.steps == "each" and card["task"] == fitted.task == "captioning"
    # A word and the end of the answer.
    assert card["data"]["rows"] > 1.5 * 300
    assert set(tiny_llava.stops) & set(card["outcomes"])
    for fusion in ("dms", "rule", "late", "pdf", "constant", "permuted"):
        model = zoo.load(parse(f"x={tiny_folder},fusion={fusion},scheduler={tmp_path}"))
        if isinstance(model, MixedModel):
            assert model.steps == "each"
        answers = model.answer(model.encode(noise_pictures), WHERE, PROMPTS)
        assert answers.weights is not None and np.isfinite(answers.weights).all()
    with pytest.raises(ModelError, match="use mixing=mixture"):
        zoo.load(parse(f"x={tiny_folder},fusion=dms,scheduler={tmp_path},mixing=bias"))
    with pytest.raises(ModelError, match="was fitted for captioning, not for vqa"):
        Zoo().load(parse(f"x={tiny_folder},fusion=dms,scheduler={tmp_path}"))
    with pytest.raises(ValueError, match="use corners"):
        FitPlan(FAMILIES, each_token=True, source="probe")


def test_without_a_fit_captions_are_weighed_token_by_token_too(tiny_folder: Path) -> None:
    zoo = Zoo(task="captioning")
    for options in ("late", "mla", "qmf", "late,pooling=logit", "dms,alpha=5,beta=1"):
        model = zoo.load(parse(f"x={tiny_folder},fusion={options}"))
        assert isinstance(model, MixedModel) and model.steps == "each"
        same = Zoo().load(parse(f"x={tiny_folder},fusion={options}"))
        assert not isinstance(same, MixedModel) or same.steps == "first"
    for options, words in (
        ("tmc", "joins opinions about one token"),
        ("dms,mixing=bias", "use mixing=mixture"),
        ("dms,mixing=choice", "use mixing=mixture"),
    ):
        with pytest.raises(ModelError, match=words) as caught:
            zoo.load(parse(f"x={tiny_folder},fusion={options}"))
        assert "model 'x'" in str(caught.value) and "\n" not in str(caught.value)


def test_a_scheduler_of_another_task_is_not_taken_for_one(tmp_path: Path) -> None:
    only_vqa = tmp_path / "checkpoint"
    shutil.copytree(checkpoint_folder("tiny-llava-scenes"), only_vqa)
    shutil.rmtree(only_vqa / OWN_SCHEDULERS["captioning"])
    zoo = Zoo(task="captioning")
    for fusion in ("dms", *FITTED):
        with pytest.raises(ModelError, match="brings a scheduler for vqa, none for captioning: fit one"):
            zoo.load(parse(f"x={only_vqa},fusion={fusion}"))
    with pytest.raises(ModelError, match="was fitted for vqa, not for captioning"):
        zoo.load(parse(f"x={only_vqa},fusion=dms,scheduler={only_vqa / OWN_SCHEDULERS['vqa']}"))
    assert isinstance(zoo.load(parse(f"x={only_vqa},fusion=dms,alpha=1,beta=1")), MixedModel)


def test_a_scheduler_of_another_config_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(checkpoint_folder("tiny-llava-scenes"), checkpoint)
    card = checkpoint / OWN_SCHEDULERS["vqa"] / "fit.json"
    known = LlavaModel(checkpoint).config_hash
    for digest, refused in ((known, False), ("0" * 32, True)):
        card.write_text(json.dumps({**json.loads(card.read_text()), "config_hash": digest}))
        if refused:
            with pytest.raises(ModelError, match="under another config"):
                Zoo().load(parse(f"x={checkpoint},fusion=dms"))
        else:
            assert Zoo().load(parse(f"x={checkpoint},fusion=dms"))
