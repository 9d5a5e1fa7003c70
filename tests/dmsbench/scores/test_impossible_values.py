"""Values that no record can hold: never a number that somebody might believe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench import gate
from dmsbench.grid import CLEAN, Condition, View
from dmsbench.scores import scorecard
from dmsbench.scores.calibration import calibration
from dmsbench.scores.paired import compare
from dmsbench.scores.retrieval import retrieval_scores
from dmsbench.scores.rows import read_rows
from dmsbench.scores.weights import MEASURES, weight_response
from dmsbench.tasks.retrieval import ranks
from dmsbench.tasks.scorers import scorers

FOG = Condition(View("fog", 1), CLEAN)
no_share = st.floats().filter(lambda value: not 0.0 <= value <= 1.0)
no_rank = st.floats(allow_infinity=False).filter(
    lambda value: not (value >= 1 and value == math.floor(value))
)


def frame(scores: Sequence[float], **columns: Sequence[Any]) -> pd.DataFrame:
    """Records of as many samples, clean and in fog, that are all ok."""
    rows = [
        {
            "sample_id": f"q{number}",
            "group": f"g{number}",
            "image_corruption": condition.image.corruption,
            "image_severity": condition.image.severity,
            "text_corruption": "clean",
            "text_severity": 0,
            "score": score,
            "status": "ok",
            "changed": not condition.is_clean,
            **{name: values[number] for name, values in columns.items()},
        }
        for number, score in enumerate(scores)
        for condition in (Condition(), FOG)
    ]
    return pd.DataFrame(rows)


@given(bad=no_share, at=st.integers(0, 5))
def test_a_score_that_is_no_share(bad: float, at: int) -> None:
    sound = [0.0, 1.0, 0.5, 1.0, 0.0, 1.0]
    spoilt = [*sound[:at], bad, *sound[at + 1 :]]
    for use in (
        lambda: scorecard(frame(spoilt)),
        lambda: compare(frame(sound), frame(spoilt)),
        lambda: compare(frame(spoilt), frame(sound)),
        lambda: gate.evaluate(frame(sound), frame(spoilt), tolerance=0.02),
    ):
        with pytest.raises(ValueError, match=rf"sample 'q{at}' under .* expected one in \[0, 1\]"):
            use()


@given(bad=no_rank)
def test_a_rank_that_is_none(bad: float) -> None:
    rows = read_rows(frame([1.0, 0.0], rank=[1, bad]), ["rank"])
    with pytest.raises(ValueError, match="rank"):
        retrieval_scores(rows, {"q0": "image_to_text", "q1": "image_to_text"}, replicates=10)


@given(bad=no_share.filter(lambda value: not math.isnan(value)))
def test_a_confidence_that_is_no_probability(bad: float) -> None:
    rows = read_rows(frame([1.0, 0.0], confidence=[0.5, bad]), ["confidence"])
    with pytest.raises(ValueError, match=r"a confidence lies outside \[0, 1\]"):
        calibration(rows, replicates=10)


@given(bad=st.floats(allow_nan=False).filter(lambda value: not -0.001 <= value <= 1.001))
def test_a_weight_that_is_no_share(bad: float) -> None:
    columns: dict[str, list[float]] = {name: [0.5, 0.5] for name in MEASURES}
    assert weight_response(read_rows(frame([1.0, 0.0], **columns), MEASURES), replicates=10)
    for name in ("weight_image", "weight_text"):
        spoilt = read_rows(frame([1.0, 0.0], **(columns | {name: [0.5, bad]})), MEASURES)
        with pytest.raises(ValueError, match=r"weight lies outside \[0, 1\]"):
            weight_response(spoilt, replicates=10)


@given(rank=st.integers(max_value=0))
def test_ranks_count_from_one(rank: int) -> None:
    for entry in scorers("retrieval"):
        assert entry.of_rank is not None
        with pytest.raises(ValueError, match="ranks count from 1"):
            entry.of_rank(rank)


@given(st.integers(1, 6), st.integers(0, 5))
def test_similarities_that_are_none(size: int, at: int) -> None:
    table = np.zeros((1, size))
    table[0, at % size] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        ranks(table, [[0]])
    with pytest.raises(ValueError, match="not among"):
        ranks(np.zeros((1, size)), [[size]])
    with pytest.raises(ValueError, match="no right candidate"):
        ranks(np.zeros((1, size)), [[]])
