"""The rule and the fixed points: always on the simplex, static where they should be."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dmsbench.fusion.schedulers import FixedScheduler, RuleScheduler
from dmsbench.fusion.signals import Signals


def signals(confidence: Any, uncertainty: Any, consistency: Any) -> Signals:
    return Signals(
        *(torch.as_tensor(np.asarray(x, np.float32)) for x in (confidence, uncertainty, consistency))
    )


unit = st.floats(0, 1, width=32)
drawn = st.builds(
    signals,
    arrays.arrays(np.float32, (4, 2), elements=unit),
    arrays.arrays(np.float32, (4, 2), elements=unit),
    arrays.arrays(np.float32, 4, elements=unit),
)


@settings(deadline=None)
@given(drawn, st.floats(0, 1e4), st.floats(0, 1e4))
def test_rows_lie_on_the_simplex(found: Signals, alpha: float, beta: float) -> None:
    weights = RuleScheduler(alpha, beta).weights(found)
    assert weights.shape == (4, 2)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4), atol=1e-6, rtol=0)


@settings(deadline=None)
@given(drawn)
def test_without_alpha_and_beta_it_is_static_fusion(found: Signals) -> None:
    assert torch.equal(RuleScheduler(0.0, 0.0).weights(found), torch.full((4, 2), 0.5))


@settings(deadline=None)
@given(drawn, st.floats(0.1, 50))
def test_confidence_raises_and_uncertainty_lowers_the_weight(found: Signals, strength: float) -> None:
    for rule, better in (
        (RuleScheduler(strength, 0.0), found.confidence),
        (RuleScheduler(0.0, strength), -found.uncertainty),
    ):
        weights = rule.weights(found)
        apart = (better[:, 0] - better[:, 1]) * (1 - found.consistency)
        assert (weights[apart >= 1e-3, 0] > 0.5).all()
        assert (weights[apart <= -1e-3, 0] < 0.5).all()


def test_the_rule_by_hand() -> None:
    found = signals([[0.9, 0.4], [0.9, 0.4]], [[0.1, 0.2], [0.1, 0.2]], [0.25, 1.0])
    merit = 0.75 * (4 * (0.9 - 0.4) - 2 * (0.1 - 0.2))
    expected = 1 / (1 + math.exp(-merit))
    weights = RuleScheduler(4.0, 2.0).weights(found)
    assert weights[0].tolist() == pytest.approx([expected, 1 - expected], abs=1e-6)
    assert weights[1].tolist() == [0.5, 0.5], "modalities that agree need no choice"


def test_fixed_points() -> None:
    found = signals(np.ones((3, 2)), np.zeros((3, 2)), np.zeros(3))
    assert FixedScheduler((1.0, 0.0)).weights(found).tolist() == [[1.0, 0.0]] * 3
    assert FixedScheduler((0.25, 0.75)).weights(found).tolist() == [[0.25, 0.75]] * 3


@pytest.mark.parametrize("point", [(), (0.5, 0.6), (-0.5, 1.5), (math.nan, 1.0), (math.inf, 0.0), (0.0, 0.0)])
def test_a_point_off_the_simplex_is_refused(point: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no point of the simplex"):
        FixedScheduler(point)


@pytest.mark.parametrize(
    "pair", [(-1.0, 0.0), (0.0, -1e-9), (math.nan, 1.0), (1.0, math.nan), (math.inf, 0.0)]
)
def test_invalid_strengths_are_refused(pair: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="alpha and beta"):
        RuleScheduler(*pair)


def test_settings_tell_schedulers_apart() -> None:
    several = [
        RuleScheduler(1.0, 2.0),
        RuleScheduler(2.0, 1.0),
        RuleScheduler(1.0, 2.0 + 1e-9),
        FixedScheduler((0.5, 0.5)),
        FixedScheduler((0.5 + 1e-8, 0.5 - 1e-8)),
        FixedScheduler((1.0, 0.0)),
    ]
    assert len({json.dumps(scheduler.settings(), sort_keys=True) for scheduler in several}) == len(several)
