"""Rows left out in scores: in no mean, no error, and compared with clean on the samples that are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dmsbench.errors import NotComparableError
from dmsbench.gate import evaluate
from dmsbench.grid import Condition, View
from dmsbench.scores import Scorecard, compare, scorecard

GRID = [
    Condition(),
    Condition(View("hue_shift", 1)),
    Condition(View("hue_shift", 2)),
    Condition(View("noise", 1)),
]
SCORES = [
    # clean, hue_shift at 1 and 2, noise; the first two samples are about colour
    [0.0, 1.0, 1.0, 0.0],
    [0.0, 1.0, 1.0, 0.0],
    [1.0, 1.0, 0.5, 1.0],
    [1.0, 0.5, 0.0, 0.5],
]


def without(frame: pd.DataFrame, samples: tuple[str, ...], corruption: str = "hue_shift") -> pd.DataFrame:
    """Leaves out the samples under the corruption."""
    lost = frame["sample_id"].isin(samples) & (frame["image_corruption"] == corruption)
    frame = frame.copy()
    frame.loc[lost, ["status", "score"]] = ["left_out", np.nan]
    return frame


@pytest.fixture
def card(make_frame: Any) -> Scorecard:
    return scorecard(without(make_frame(SCORES, GRID), ("q0", "q1")), chance=0.25, replicates=200)


def test_hue_shift_is_compared_with_clean_on_what_it_keeps(card: Scorecard) -> None:
    assert card.clean.value == 0.5
    hue, noise = card.corruptions
    assert (hue.name, hue.mean.value, hue.retention.value, hue.n_left_out) == ("hue_shift", 0.5, 0.5, 4)
    assert [(p.severity, p.score.value) for p in hue.curve] == [(0, 1.0), (1, 0.75), (2, 0.25)]
    assert hue.auc.value == pytest.approx((0.875 + 0.5) / 2)
    assert not hue.above_chance_retention.defined
    assert (noise.retention.value, noise.n_left_out) == (0.375 / 0.5, 0)
    assert [(p.severity, p.score.value) for p in noise.curve] == [(0, 0.5), (1, 0.375)]
    # Cell by cell: 0.75, 0.25 and 0.375 against 1, 1 and 0.5.
    assert card.retention.value == pytest.approx(1.375 / 2.5)
    assert card.above_chance_retention.value == pytest.approx((0.375 - 0.25) / 0.25)
    assert card.above_chance_retention.value == noise.above_chance_retention.value
    assert (card.n_left_out, card.n_errors, card.n_missing, card.error_rate) == (4, 0, 0, 0.0)
    assert (card.unscored, card.left_out) == ((), ())
    cell = next(c for c in card.conditions if str(c.condition) == "hue_shift@1")
    assert (cell.n_rows, cell.n_ok, cell.n_left_out, cell.error_rate) == (4, 2, 2, 0.0)


def test_what_one_corruption_leaves_out_moves_no_number_of_another(make_frame: Any) -> None:
    whole = scorecard(make_frame(SCORES, GRID), chance=0.25, replicates=200)
    part = scorecard(without(make_frame(SCORES, GRID), ("q0",)), chance=0.25, replicates=200)
    # As text: intervals of what is seldom defined are NaN, which is not equal to itself.
    assert repr(part.corruptions[1]) == repr(whole.corruptions[1])
    assert part.clean == whole.clean
    alone = scorecard(
        make_frame(np.array(SCORES)[:, [0, 3]], [GRID[0], GRID[3]]), chance=0.25, replicates=200
    )
    assert repr(alone.corruptions[0]) == repr(whole.corruptions[1])
    assert repr(alone.retention) == repr(part.corruptions[1].retention)


def test_errors_among_what_is_left_out_keep_their_names(make_frame: Any) -> None:
    frame = without(make_frame(SCORES, GRID), ("q0", "q1", "q2", "q3"))
    card = scorecard(frame, chance=0.25, replicates=50)
    assert [str(c) for c in card.left_out] == ["hue_shift@1", "hue_shift@2"]
    assert card.unscored == ()
    hue = card.corruptions[0]
    assert hue.curve == ()
    assert not (hue.mean.defined or hue.auc.defined or hue.retention.defined)
    assert (card.mean.value, card.ausc.value) == (0.375, (0.5 + 0.375) / 2)
    assert card.retention.value == 0.75
    assert np.isnan(next(c for c in card.conditions if c.n_left_out).error_rate)
    frame.loc[(frame["sample_id"] == "q3") & (frame["image_severity"] == 2), "status"] = "data_error"
    card = scorecard(frame, replicates=50)
    assert [str(c) for c in card.left_out] == ["hue_shift@1"]
    assert [str(c) for c in card.unscored] == ["hue_shift@2"]
    assert card.error_rate == 1 / (16 - 7)


def test_pairs_are_those_asked_of_both(make_frame: Any) -> None:
    a, b = make_frame(SCORES, GRID), make_frame(np.array(SCORES) * 0.5, GRID)
    found = compare(without(a, ("q0", "q1")), without(b, ("q0", "q1")), replicates=50)
    assert (found.n_pairs, found.n_left_out, found.n_error_pairs) == (12, 4, 0)
    assert (found.error_rate_a, found.error_rate_b) == (0.0, 0.0)
    hue = found.corruptions[0]
    assert (hue.a, hue.b, hue.n_pairs, hue.n_left_out) == (0.5, 0.25, 4, 4)
    for left, right, who in ((("q0",), ("q0", "q1"), "B"), (("q0",), (), "A")):
        with pytest.raises(NotComparableError, match=f"^{who} leaves out 2 records that .* include_false$"):
            compare(without(a, left), without(b, right), replicates=50)


def test_a_gate_takes_what_is_left_out_of_both_for_no_loss(make_frame: Any) -> None:
    everyone = ("q0", "q1", "q2", "q3")
    frame = without(make_frame(SCORES, GRID), everyone)
    result = evaluate(frame, frame, tolerance=0.0, replicates=50)
    assert result.passed
    assert result.missing == ()
    assert any("8 pairs were not asked" in note for note in result.notes)
    assert not any("only errors" in note for note in result.notes)
    with pytest.raises(NotComparableError, match="the candidate leaves out 8 records"):
        evaluate(make_frame(SCORES, GRID), frame, tolerance=0.0, replicates=50)
