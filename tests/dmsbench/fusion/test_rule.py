"""The rule over points by hand; temperatures; the choice on validation rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.optimize import minimize_scalar

from dmsbench.fusion.objective import (
    answer_log_likelihood,
    choose,
    condition_weights,
    mean_accuracy,
    mean_log_likelihood,
    mixture_log_likelihood,
)
from dmsbench.fusion.points import Evidence, mix
from dmsbench.fusion.rule import PointRule, fit_temperatures, grid, temper

if TYPE_CHECKING:
    from conftest import MakeCase


def row(image: list[float], text: list[float], middle: list[float], consistency: float = 0.5) -> Evidence:
    return Evidence(
        torch.tensor([[image, text, middle]]), torch.tensor([[0.2, 0.1, 0.0]]), torch.tensor([consistency])
    )


def test_shares_by_hand() -> None:
    evidence = row([1.0, 0.0], [0.5, 0.5], [0.5, 0.5])
    rule = PointRule(2.0, 1.0, sharpness=1.0, uniform_bonus=0.3)
    raw = [0.5 * (2.0 - 0.2), 0.5 * (0.0 - 0.1), 0.3]
    expected = [math.exp(one) / sum(map(math.exp, raw)) for one in raw]
    assert rule.mixture(evidence)[0].tolist() == pytest.approx(expected)
    blunt = PointRule(2.0, 0.0, sharpness=0.0).mixture(evidence)[0]
    assert (blunt[0] / blunt[1]).item() == pytest.approx(math.exp(2.0))


def test_a_temperature_per_point_changes_the_shares_alone() -> None:
    evidence = row([0.8, 0.2], [0.8, 0.2], [0.8, 0.2])
    rule = PointRule(5.0, 0.0, temperatures=(1.0, 4.0, 1.0))
    share = rule.mixture(evidence)[0]
    assert share[0].item() == pytest.approx(share[2].item())
    assert share[1] < share[0]
    flat = 0.8**0.25 / (0.8**0.25 + 0.2**0.25)
    assert temper(evidence.probabilities, torch.tensor([1.0, 4.0, 1.0]))[0, 1, 0].item() == pytest.approx(
        flat
    )


@pytest.mark.parametrize("consistency", [0.0, 0.5, 1.0])
def test_a_large_bonus_is_static_and_agreement_stills_the_rule(consistency: float) -> None:
    evidence = row([1.0, 0.0], [0.5, 0.5], [0.6, 0.4], consistency)
    assert PointRule(0.0, 0.0, uniform_bonus=50.0).mixture(evidence)[0].tolist() == pytest.approx([0, 0, 1])
    if consistency == 1.0:
        assert PointRule(20.0, 5.0).mixture(evidence)[0].tolist() == pytest.approx([1 / 3] * 3)


simplex = arrays.arrays(np.float32, (4, 3, 5), elements=st.floats(0.0, 1.0, width=32)).map(
    lambda raw: torch.from_numpy((raw + 1e-6) / (raw + 1e-6).sum(axis=-1, keepdims=True))
)
unit = st.floats(0.0, 1.0, width=32)


@settings(deadline=None)
@given(simplex, st.lists(unit, min_size=4, max_size=4), st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_shares_lie_on_the_simplex(
    said: torch.Tensor, consistency: list[float], alpha: float, beta: float
) -> None:
    evidence = Evidence(said, torch.zeros(4, 3), torch.tensor(consistency))
    for sharpness in (0.0, 0.5, 1.0):
        share = PointRule(alpha, beta, sharpness, (0.3, 1.0, 9.0)).mixture(evidence)
        assert (share >= 0).all()
        torch.testing.assert_close(share.sum(dim=1), torch.ones(4))
        # Points in another order: shares in that order.
    turned = Evidence(said[:, [1, 0, 2]], torch.zeros(4, 3), torch.tensor(consistency))
    plain = PointRule(alpha, beta)
    torch.testing.assert_close(plain.mixture(turned), plain.mixture(evidence)[:, [1, 0, 2]])


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": -1.0},
        {"beta": math.nan},
        {"sharpness": math.inf},
        {"uniform_bonus": math.inf},
        {"temperatures": (1.0, 1.0)},
        {"temperatures": (1.0, 0.0, 1.0)},
    ],
)
def test_settings_without_meaning_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be finite|temperatures"):
        PointRule(**{"alpha": 1.0, "beta": 1.0, **wrong})


def test_settings_tell_rules_apart() -> None:
    rules = [*grid(), *grid(temperatures=(1.0, 2.0, 3.0))]
    assert len({str(sorted(rule.settings().items())) for rule in rules}) == len(rules)
    assert len(rules) == len(set(rules))


# Temperatures


def test_temperatures_are_those_of_a_general_optimiser() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(400, 3, 4, generator=draw).double()
    answer = logits[:, 0].argmax(dim=-1)
    flip = torch.rand(400, generator=draw) < 0.3
    answer = torch.where(flip, torch.randint(4, (400,), generator=draw), answer)
    said = (logits * torch.tensor([1.0, 3.0, 0.5])[:, None]).softmax(dim=-1)
    found = fit_temperatures(said, answer)

    def loss(cold: float, point: int) -> float:
        scaled = (said[:, point].log() * cold).log_softmax(dim=-1)
        return -float(scaled[torch.arange(400), answer].mean())

    for point in range(3):
        best = minimize_scalar(
            loss, args=(point,), bounds=(0.05, 20.0), method="bounded", options={"xatol": 1e-6}
        )
        assert 1.0 / found[point] == pytest.approx(best.x, rel=1e-2)


def test_a_useless_point_is_cooled_to_nothing_and_weights_count() -> None:
    said = torch.tensor([[[0.9, 0.1]]]).expand(10, 1, 2)
    wrong = torch.ones(10, dtype=torch.long)
    assert fit_temperatures(said, wrong)[0] == pytest.approx(20.0, rel=0.01)
    mixed = torch.tensor([0] * 5 + [1] * 5)
    weights = torch.tensor([0.18] * 5 + [0.02] * 5)
    assert fit_temperatures(said, mixed, weights)[0] == pytest.approx(1.0, rel=0.01)


# The choice


def test_the_choice_on_validation_rows(make_case: MakeCase) -> None:
    case = make_case(300)

    def value(rule: PointRule) -> float:
        return mean_log_likelihood(rule.mixture(case.evidence), case.log_likelihood, case.conditions)

    rule, worth = choose(grid(alphas=(0.0, 5.0), betas=(0.0,)), value)
    assert worth == max(value(other) for other in grid(alphas=(0.0, 5.0), betas=(0.0,)))
    assert worth == value(rule)
    assert choose([1, 2, 3], lambda _: 0.5) == (1, 0.5)
    assert choose([1, 2], lambda n: math.nan if n == 1 else -1.0) == (2, -1.0)
    with pytest.raises(ValueError, match="no candidate"):
        choose([1], lambda _: math.nan)


def test_objectives_by_hand() -> None:
    said = torch.tensor([[[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]]] * 3)
    answer = torch.tensor([0, 1, 1])
    conditions = ["clean", "noise", "noise"]
    likely = answer_log_likelihood(said, answer)
    assert likely.exp()[:, 0].tolist() == pytest.approx([0.8, 0.2, 0.2])
    share = torch.tensor([[0.5, 0.5, 0.0]] * 3)
    assert mixture_log_likelihood(share, likely).exp().tolist() == pytest.approx([0.6, 0.4, 0.4])
    assert condition_weights(conditions).tolist() == [0.5, 0.25, 0.25]
    expected = 0.5 * math.log(0.6) + 0.5 * math.log(0.4)
    assert mean_log_likelihood(share, likely, conditions) == pytest.approx(expected)
    assert mean_accuracy(mix(share, said), answer, conditions) == 0.5
    none = mixture_log_likelihood(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.0, 0.0, -20.0]]))
    assert none.item() == pytest.approx(-20.0, abs=1e-4)
