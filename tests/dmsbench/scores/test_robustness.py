"""The scorecard: golden values by hand, undefined ones, and how intervals behave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.grid import Condition, View
from dmsbench.scores import Estimate, scorecard, scorecard_of_table
from dmsbench.scores.table import ScoreTable


def approx(value: float) -> Any:
    return pytest.approx(value, abs=1e-12)


def test_golden_values(golden: pd.DataFrame) -> None:
    card = scorecard(golden, chance=0.25, replicates=200)
    assert card.clean.value == 0.75
    assert card.mean.value == approx(1.25 / 3)
    assert card.retention.value == approx(1.25 / 3 / 0.75)
    assert card.above_chance_retention.value == approx((1.25 / 3 - 0.25) / 0.5)
    fog, ocr = card.corruptions
    assert (fog.name, ocr.name) == ("fog", "ocr")
    assert fog.mean.value == 0.375
    assert fog.retention.value == 0.5
    assert fog.above_chance_retention.value == approx(0.25)
    assert [(p.severity, p.score.value) for p in fog.curve] == [(0, 0.75), (1, 0.5), (3, 0.25)]
    assert fog.auc.value == approx((0.625 * 1 + 0.375 * 2) / 3)
    assert fog.worst_severity == 3
    assert ocr.auc.value == approx(0.625)
    assert card.ausc.value == approx((1.375 / 3 + 0.625) / 2)
    assert card.worst is not None
    assert (str(card.worst.condition), card.worst.score.value) == ("fog@3", 0.25)
    assert (card.n_samples, card.n_groups, card.n_rows, card.n_errors, card.n_missing) == (4, 3, 16, 0, 0)
    assert card.error_rate == 0.0
    assert [c.unchanged_rate for c in card.conditions] == [1.0, 0.0, 0.0, 0.0]


def test_perfect_and_flat_models(make_frame: Any, golden_conditions: list[Condition]) -> None:
    card = scorecard(make_frame(np.ones((6, 4)), golden_conditions), chance=0.5, replicates=100)
    for value in (card.clean, card.mean, card.retention, card.above_chance_retention, card.ausc):
        assert (value.value, value.low, value.high) == (1.0, 1.0, 1.0)
    assert card.corruptions[0].worst_severity == 1  # the smallest, on ties


def test_errors_are_left_out_and_counted(golden: pd.DataFrame) -> None:
    worst = golden["image_severity"] == 3
    golden.loc[worst & golden["sample_id"].isin(["q0", "q1"]), "status"] = "model_error"
    card = scorecard(golden, replicates=100)
    cell = next(c for c in card.conditions if str(c.condition) == "fog@3")
    assert cell.score.value == 0.5  # of q2 and q3, not 0.25 of four
    assert (cell.n_ok, cell.n_errors, cell.error_rate) == (2, 2, 0.5)
    assert card.error_rate == 2 / 16
    assert card.n_missing == 0


def test_a_condition_of_errors_alone_is_listed(golden: pd.DataFrame) -> None:
    golden.loc[golden["image_severity"] == 3, "status"] = "corruption_error"
    card = scorecard(golden, replicates=100)
    assert [str(c) for c in card.unscored] == ["fog@3"]
    assert card.mean.value == 0.5
    assert [p.severity for p in card.corruptions[0].curve] == [0, 1]
    cell = next(c for c in card.conditions if str(c.condition) == "fog@3")
    assert not cell.score.defined
    assert np.isnan(cell.unchanged_rate)
    assert card.worst is not None
    assert str(card.worst.condition) != "fog@3"


def test_all_errors_and_no_clean_and_clean_only(golden: pd.DataFrame) -> None:
    nothing = scorecard(golden.assign(status="data_error"), chance=0.1, replicates=50)
    assert not any(e.defined for e in (nothing.clean, nothing.mean, nothing.retention, nothing.ausc))
    assert nothing.worst is None
    assert nothing.error_rate == 1.0
    assert nothing.corruptions[0].worst_severity is None

    clean = (golden["image_severity"] == 0) & (golden["text_severity"] == 0)
    unclean = scorecard(golden[~clean], chance=0.1, replicates=50)
    assert unclean.mean.defined
    assert not any(
        e.defined for e in (unclean.clean, unclean.retention, unclean.above_chance_retention, unclean.ausc)
    )
    assert [p.severity for p in unclean.corruptions[0].curve] == [1, 3]

    only = scorecard(golden[clean], replicates=50)
    assert only.clean.value == 0.75
    assert not only.mean.defined
    assert only.corruptions == ()


def test_retention_above_chance_is_undefined_at_chance(golden: pd.DataFrame) -> None:
    assert not scorecard(golden, chance=0.75, replicates=50).above_chance_retention.defined
    assert not scorecard(golden, replicates=50).above_chance_retention.defined
    near = scorecard(golden, chance=0.7, replicates=500).above_chance_retention
    assert near.value < 0
    assert np.isnan(near.low)  # many replicates have a clean score at or below chance


def test_joint_corruptions_are_their_own(make_frame: Any) -> None:
    joint = [Condition(View("fog", s), View("ocr", t)) for s, t in ((1, 4), (4, 4), (2, 1))]
    card = scorecard(make_frame([[1.0, 0.8, 0.4, 0.5]], [Condition(), *joint]), replicates=10)
    (part,) = card.corruptions
    assert part.name == "fog+ocr"
    assert part.mean.value == approx(1.7 / 3)
    assert [(p.severity, p.score.value) for p in part.curve] == [(0, 1.0), (2, 0.5), (4, approx(0.6))]
    assert np.isnan(card.mean.low)  # one group shows no spread


def test_missing_rows_are_counted(golden: pd.DataFrame) -> None:
    assert scorecard(golden.iloc[:-3], replicates=10).n_missing == 3


@pytest.mark.parametrize(
    "bad", [{"chance": 1.0}, {"chance": -0.1}, {"chance": float("nan")}, {"replicates": 0}, {"level": 1.0}]
)
def test_bad_settings(golden: pd.DataFrame, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        scorecard(golden, **bad)


@given(st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_order_of_rows_does_not_matter(rnd: Any) -> None:
    rng = np.random.default_rng(rnd.randrange(2**32))
    frame = pd.DataFrame(
        {
            "sample_id": np.repeat([f"q{i}" for i in range(9)], 3),
            "group": np.repeat([f"i{i // 2}" for i in range(9)], 3),
            "image_corruption": ["clean", "fog", "fog"] * 9,
            "image_severity": [0, 1, 2] * 9,
            "text_corruption": "clean",
            "text_severity": 0,
            "score": rng.random(27),
            "status": rng.choice(["ok", "ok", "ok", "parse_error"], size=27),
            "changed": [False, True, True] * 9,
        }
    )
    shuffled = frame.iloc[rng.permutation(27)]
    assert repr(scorecard(frame, chance=0.1, replicates=60)) == repr(
        scorecard(shuffled, chance=0.1, replicates=60)
    )


def test_intervals_of_ratios_and_areas_cover() -> None:
    """200 simulated models of 80 images × 4 questions, correlated within an image and across conditions."""
    rng = np.random.default_rng(12)
    conditions = (Condition(), *(Condition(View("fog", s)) for s in (1, 2, 3)))
    level = np.array([0.9, 0.8, 0.65, 0.4])
    truth = {
        "mean": level[1:].mean(),
        "retention": level[1:].mean() / 0.9,
        "above_chance_retention": (level[1:].mean() - 0.2) / 0.7,
        "ausc": (0.85 + 0.725 + 0.525) / 3,
    }
    covered = dict.fromkeys(truth, 0)

    def difficulties(n_images: int) -> np.ndarray:
        """(n, 4, 4): an image's, a question's and a condition's own share."""
        return rng.random((n_images, 1, 1)) + rng.random((n_images, 4, 1)) + rng.random((n_images, 4, 4))

    thresholds = np.quantile(difficulties(100_000), level)  # so that the mean score of each is its level
    for sim in range(200):
        right = (difficulties(80) < thresholds).sum(axis=1).astype(float)
        table = ScoreTable(
            groups=tuple(f"{i:02d}" for i in range(80)),
            conditions=conditions,
            sums=right,
            counts=np.full((80, 4), 4.0),
            n_rows=np.full(4, 320),
            n_errors=np.zeros(4, dtype=np.int64),
            n_left_out=np.zeros(4, dtype=np.int64),
            n_unchanged=np.zeros(4, dtype=np.int64),
            n_samples=320,
        )
        card = scorecard_of_table(table, chance=0.2, replicates=300, seed=sim)
        for name, value in truth.items():
            found: Estimate = getattr(card, name)
            covered[name] += found.low <= value <= found.high
    for name, hits in covered.items():
        assert 0.90 <= hits / 200 <= 0.99, (name, hits)
