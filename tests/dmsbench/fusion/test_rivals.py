"""Rivals against their formulas, written out a second time."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from dmsbench.errors import ModelError
from dmsbench.fusion.correctness import (
    PredictedCorrectness,
    co_belief,
    point_signals,
    relative_calibration,
)
from dmsbench.fusion.points import Evidence, FusionRule, LogPool, Mixture, Points, PointScheduler
from dmsbench.fusion.rivals import LateFusion, MlaEntropy, QmfEnergy, TrustedFusion, dempster, proportional

if TYPE_CHECKING:
    from conftest import Case, MakeCase


def from_logits(logits: torch.Tensor) -> Evidence:
    rows = len(logits)
    return Evidence(
        logits.softmax(dim=-1),
        torch.zeros(rows, logits.shape[1]),
        torch.full((rows,), 0.5),
        energy=logits.logsumexp(dim=-1),
    )


LOGITS = torch.tensor([[[2.0, 1.0, -1.0], [0.5, 3.0, 0.0], [1.0, 1.0, 1.0]]])


@pytest.fixture(scope="module")
def case(make_case: MakeCase) -> Case:
    return make_case(1200)


def every(case: Case) -> list[PointScheduler]:
    return [
        LateFusion(),
        LateFusion("top"),
        LateFusion("entropy", temperature=0.1),
        MlaEntropy(),
        QmfEnergy(),
        TrustedFusion("exp"),
        PredictedCorrectness.fit(case.evidence, case.right.double()),
    ]


def test_every_rival_gives_shares_and_distributions(case: Case) -> None:
    settings = set()
    for rival in every(case):
        share = rival.mixture(case.evidence)
        assert share.shape == (len(case.evidence), 3)
        assert (share >= 0).all()
        assert not share[:, 2].any()
        torch.testing.assert_close(share.sum(dim=1), torch.ones(len(share)))
        rules: list[FusionRule] = [Mixture(rival), LogPool(rival)]
        if isinstance(rival, (QmfEnergy, TrustedFusion)):
            rules.append(rival)
        for rule in rules:
            fused = rule.fuse(case.evidence)
            assert (fused >= 0).all()
            torch.testing.assert_close(fused.sum(dim=1), torch.ones(len(share)))
            settings.add(str(sorted(rule.settings().items())))
    assert len(settings) == 2 * 7 + 2


def test_rivals_find_their_corners_in_any_order() -> None:
    points = Points(("uniform", "text", "image"), ((0.5, 0.5), (0.0, 1.0), (1.0, 0.0)))
    turned = from_logits(LOGITS[:, [2, 1, 0]])
    for kind in (LateFusion, MlaEntropy, QmfEnergy, TrustedFusion):
        expected = kind().mixture(from_logits(LOGITS))
        torch.testing.assert_close(kind(points=points).mixture(turned)[:, [2, 1, 0]], expected)


def test_the_uniform_point_may_be_an_expert_too() -> None:
    """Among themselves the corners stand as before."""
    evidence = from_logits(torch.cat([LOGITS[:, :2], torch.tensor([[[2.0, 0.0, 1.0]]])], dim=1))
    for kind in (LateFusion, MlaEntropy, QmfEnergy, TrustedFusion):
        every, corners = kind(experts="all").mixture(evidence), kind().mixture(evidence)
        assert (every > 0).all()
        torch.testing.assert_close(every.sum(dim=1), torch.ones(1))
        torch.testing.assert_close(every[:, :2] / every[:, :2].sum(), corners[:, :2])
        assert kind(experts="all").settings() == {**kind().settings(), "experts": "all"}
    opinion, unsure = TrustedFusion(experts="all").opinions(evidence)
    joined = dempster(
        *dempster(opinion[:, 0], unsure[:, 0], opinion[:, 1], unsure[:, 1]), opinion[:, 2], unsure[:, 2]
    )
    torch.testing.assert_close(
        TrustedFusion(experts="all").fuse(evidence), (joined[0] + joined[1][:, None] / 3.0).float()
    )
    with pytest.raises(ValueError, match="experts must be one of corners, all"):
        MlaEntropy(experts="some").mixture(evidence)


# Late fusion and MLA


def test_late_fusion_by_hand() -> None:
    said = torch.tensor([[[0.5, 0.25, 0.125, 0.125], [0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0]]])
    evidence = Evidence(said, torch.zeros(1, 3), torch.ones(1))
    assert LateFusion().mixture(evidence)[0].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
    assert LateFusion("top").mixture(evidence)[0].tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
    soft = LateFusion("top", temperature=0.5).mixture(evidence)[0]
    assert (soft[0] / soft[1]).item() == pytest.approx(math.exp(0.5))
    assert proportional(torch.tensor([[-1.0, 0.0], [-1.0, 2.0]])).tolist() == [[0.5, 0.5], [0.0, 1.0]]


def test_mla_by_hand() -> None:
    said = torch.tensor([[[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]]])
    share = MlaEntropy().mixture(Evidence(said, torch.zeros(1, 3), torch.ones(1)))[0]
    largest = math.log(2.0)
    raw = [math.exp(largest - largest), math.exp(largest - 0.0)]
    assert share.tolist() == pytest.approx([raw[0] / sum(raw), raw[1] / sum(raw), 0.0])


@pytest.mark.parametrize("wrong", [{"signal": "margin"}, {"temperature": 0.0}, {"temperature": math.nan}])
def test_late_fusion_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        LateFusion(**wrong)


# QMF


def test_qmf_by_hand() -> None:
    rival, evidence = QmfEnergy(), from_logits(LOGITS)
    raw = LOGITS[0].double().numpy()
    energy = np.log(np.exp(raw).sum(axis=1)) / 10.0
    assert rival.weights(evidence)[0].tolist() == pytest.approx(energy[:2].tolist())
    fused = np.exp(energy[0] * raw[0] + energy[1] * raw[1])
    np.testing.assert_allclose(rival.fuse(evidence)[0].numpy(), fused / fused.sum(), rtol=1e-5)
    share = energy[:2] / energy[:2].sum()
    np.testing.assert_allclose(rival.mixture(evidence)[0, :2].numpy(), share, rtol=1e-5)


def test_qmf_moves_with_a_constant_that_the_answer_does_not_know() -> None:
    shifted = LOGITS.clone()
    shifted[:, 0] += 10.0
    plain, moved = from_logits(LOGITS), from_logits(shifted)
    torch.testing.assert_close(plain.probabilities, moved.probabilities)
    assert QmfEnergy().mixture(moved)[0, 0] > QmfEnergy().mixture(plain)[0, 0] + 0.1


@pytest.mark.parametrize("rival", [QmfEnergy(), TrustedFusion()])
def test_without_energies_there_is_no_scale(rival: Any) -> None:
    bare = Evidence(LOGITS.softmax(dim=-1), torch.zeros(1, 3), torch.ones(1))
    with pytest.raises(ValueError, match="holds no energies"):
        rival.mixture(bare)


# TMC


def test_tmc_by_hand_through_the_mass_functions() -> None:
    """Dempster's rule over the focal sets {1}, …, {K}, Ω, set by set."""
    evidence = from_logits(LOGITS)
    masses = []
    for corner in range(2):
        found = np.log1p(np.exp(LOGITS[0, corner].double().numpy()))
        strength = (found + 1.0).sum()
        masses.append(
            {**{frozenset({k}): found[k] / strength for k in range(3)}, frozenset(range(3)): 3.0 / strength}
        )
    joint: dict[frozenset[int], float] = {}
    for (first, one), (second, two) in itertools.product(masses[0].items(), masses[1].items()):
        joint[first & second] = joint.get(first & second, 0.0) + one * two
    conflict = joint.pop(frozenset())
    belief = np.array([joint[frozenset({k})] for k in range(3)]) / (1.0 - conflict)
    unsure = joint[frozenset(range(3))] / (1.0 - conflict)
    fused = TrustedFusion().fuse(evidence)[0]
    np.testing.assert_allclose(fused.numpy(), belief + unsure / 3.0, rtol=1e-5)
    # The mean of the joint Dirichlet: S = K/u, e = b·S.
    strength = 3.0 / unsure
    np.testing.assert_allclose(fused.numpy(), (belief * strength + 1.0) / strength, rtol=1e-5)


def test_dempsters_rule_is_commutative_associative_and_knows_ignorance() -> None:
    draw = torch.Generator().manual_seed(0)
    raw = torch.rand(3, 5, 5, generator=draw).double()
    raw = raw / raw.sum(dim=-1, keepdim=True)
    one, two, three = ((part[:, :4], part[:, 4]) for part in raw)
    left = dempster(*dempster(*one, *two), *three)
    right = dempster(*one, *dempster(*three, *two))
    torch.testing.assert_close(left, right)
    torch.testing.assert_close(left[0].sum(dim=1) + left[1], torch.ones(5).double())
    nothing = (torch.zeros(5, 4).double(), torch.ones(5).double())
    torch.testing.assert_close(dempster(*one, *nothing), one)


def test_tmc_survives_large_logits_and_refuses_other_functions() -> None:
    for function in ("softplus", "relu", "exp"):
        fused = TrustedFusion(function).fuse(from_logits(60.0 * LOGITS))
        assert torch.isfinite(fused).all()
    relu = TrustedFusion("relu").opinions(from_logits(-5.0 - LOGITS.abs()))
    assert not relu[0].any()
    assert relu[1].unique().tolist() == [1.0]
    with pytest.raises(ValueError, match="evidence function"):
        TrustedFusion("tanh")


# PDF


def test_co_belief_and_calibration_by_hand() -> None:
    first, second = math.log(0.8), math.log(0.3)
    expected = [0.8 + second / (first + second), 0.3 + first / (first + second)]
    assert co_belief(torch.tensor([[0.8, 0.3]]))[0].tolist() == pytest.approx(expected)
    said = torch.tensor([[[0.9, 0.1], [0.6, 0.4]], [[0.5, 0.5], [0.5, 0.5]]])
    assert relative_calibration(said).flatten().tolist() == pytest.approx([1.0, 0.25, 1.0, 1.0])


def test_heads_are_the_penalised_logistic_optimum(case: Case) -> None:
    fitted = PredictedCorrectness.fit(case.evidence, case.right.double(), ridge=0.01)
    for head, corner in zip(fitted.heads, (0, 1), strict=True):
        inputs = head.standardiser(point_signals(case.evidence, corner)).double().numpy()
        target = case.right[:, corner].double().numpy()

        def loss(at: Any, inputs: Any = inputs, target: Any = target) -> float:
            logits = inputs @ at[:-1] + at[-1]
            cost = np.logaddexp(0.0, logits) - target * logits
            return float(cost.mean() + 0.005 * (at[:-1] ** 2).sum())

        best = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-8})
        np.testing.assert_allclose([*head.slopes, head.intercept], best.x, atol=1e-4)


def test_predictions_are_calibrated_and_weigh_the_likelier_corner(case: Case, make_case: MakeCase) -> None:
    fitted = PredictedCorrectness.fit(case.evidence, case.right.double())
    unseen = make_case(3000, seed=5)
    likely = fitted.predicted(unseen.evidence)
    assert ((likely > 0) & (likely < 1)).all()
    assert (likely.mean(dim=0) - unseen.right[:, :2].float().mean(dim=0)).abs().max() < 0.05


def test_a_head_of_certain_answers_stays_finite(case: Case) -> None:
    always = torch.ones(len(case.evidence), 3)
    fitted = PredictedCorrectness.fit(case.evidence, always)
    assert torch.isfinite(fitted.mixture(case.evidence)).all()
    assert fitted.predicted(case.evidence).min() > 0.9


def test_the_card_is_the_whole_of_it(case: Case) -> None:
    fitted = PredictedCorrectness.fit(case.evidence, case.right.double())
    card = json.loads(json.dumps(fitted.card()))
    assert PredictedCorrectness.from_card(card) == fitted
    for damaged in (
        {**card, "heads": card["heads"][:1]},
        {**card, "columns": ["confidence"]},
        {**card, "heads": [{**card["heads"][0], "slopes": [1.0]}] * 2},
        {key: value for key, value in card.items() if key != "points"},
        {**card, "heads": 3},
    ):
        with pytest.raises(ModelError, match="card"):
            PredictedCorrectness.from_card(damaged)


def test_a_head_for_every_point(case: Case) -> None:
    fitted = PredictedCorrectness.fit(case.evidence, case.right.double(), experts="all")
    corners = PredictedCorrectness.fit(case.evidence, case.right.double())
    assert fitted.heads[:2] == corners.heads and len(fitted.heads) == 3
    assert (fitted.mixture(case.evidence) > 0).all()
    assert PredictedCorrectness.from_card(json.loads(json.dumps(fitted.card()))) == fitted
    assert fitted.settings() != corners.settings()


def test_correctness_that_does_not_fit_is_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="correctness"):
        PredictedCorrectness.fit(case.evidence, case.right[:, :2].double())
    with pytest.raises(ValueError, match="must lie"):
        PredictedCorrectness.fit(case.evidence, 2.0 * case.right.double())
