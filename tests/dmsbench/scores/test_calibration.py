"""Calibration against plain loops, and what must hold of it whatever the records."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.scores.bootstrap import group_weights
from dmsbench.scores.calibration import BINS, Calibration, calibration
from dmsbench.scores.rows import read_rows

Record = tuple[str, int, float, float | None]
"""Group, severity of fog, confidence, score; None is an error."""


def frame(records: list[Record]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "sample_id": f"{group}-{i}",
                "group": group,
                "image_corruption": "fog" if severity else "clean",
                "image_severity": severity,
                "text_corruption": "clean",
                "text_severity": 0,
                "score": score,
                "status": "ok" if score is not None else "model_error",
                "changed": severity > 0,
                "confidence": confidence,
            }
            for i, (group, severity, confidence, score) in enumerate(records)
        ]
    )


def found(records: list[Record], **options: Any) -> dict[str, Calibration]:
    return {one.name: one for one in calibration(read_rows(frame(records), ("confidence",)), **options)}


def by_hand(records: list[tuple[float, float]]) -> tuple[float, float]:
    """Expected calibration error and overconfidence of confidences and scores."""
    bins: dict[int, list[tuple[float, float]]] = {}
    for sure, score in records:
        bins.setdefault(min(int(sure * BINS), BINS - 1), []).append((sure, score))
    error = 0.0
    for members in bins.values():
        gap = sum(score for _, score in members) / len(members) - sum(c for c, _ in members) / len(members)
        error += len(members) / len(records) * abs(gap)
    over = sum(c for c, _ in records) / len(records) - sum(s for _, s in records) / len(records)
    return error, over


records = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([0, 1, 5]),
        st.floats(0, 1),
        st.sampled_from([0.0, 0.3, 1.0, None]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(records)
def test_it_is_what_plain_loops_make_of_it(rows: list[Record]) -> None:
    own = found(rows, replicates=20)
    for name, severity in (("clean", 0), ("severity 1", 1), ("severity 5", 5)):
        kept = [(sure, score) for _, s, sure, score in rows if s == severity and score is not None]
        if not kept:
            assert name not in own
            continue
        error, over = by_hand(kept)
        one = own[name]
        assert one.ece.value == pytest.approx(error, abs=1e-9)
        assert one.overconfidence.value == pytest.approx(over, abs=1e-9)
        assert one.ece.value >= abs(one.overconfidence.value) - 1e-9
        assert one.n_rows == len(kept) == sum(b.n_rows for b in one.bins)
        filled = [b for b in one.bins if b.n_rows]
        assert all(b.low - 1e-9 <= b.confidence <= b.high + 1e-9 for b in filled)
        assert all(math.isnan(b.score) for b in one.bins if not b.n_rows)


@settings(max_examples=30, deadline=None)
@given(records, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant(rows: list[Record], random: Any) -> None:
    whole = frame(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    one, other = (
        calibration(read_rows(one, ("confidence",)), replicates=50) for one in (whole, whole.iloc[order])
    )
    assert repr(one) == repr(other)


def test_families_pool_their_conditions() -> None:
    own = found([("a", 1, 0.9, 1.0), ("b", 3, 0.5, 0.0), ("b", 0, 0.2, 0.0)])
    family = next(one for name, one in own.items() if name.startswith("image:"))
    assert family.n_rows == 2 and family.confidence.value == pytest.approx(0.7)


def test_certainty_is_in_the_last_bin_and_one_image_shows_no_spread() -> None:
    one = found([("a", 0, 1.0, 1.0), ("a", 0, 1.0, 0.0)])["clean"]
    assert one.bins[-1].n_rows == 2 and one.ece.value == pytest.approx(0.5)
    assert math.isnan(one.ece.low) and math.isnan(one.overconfidence.high)


def test_records_without_a_confidence_do_not_count() -> None:
    rows = frame([("a", 0, 0.5, 1.0), ("b", 0, 0.5, 0.0)])
    rows.loc[0, "confidence"] = np.nan
    (one,) = calibration(read_rows(rows, ("confidence",)))
    assert one.n_rows == 1


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_a_confidence_that_is_no_probability_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        found([("a", 0, bad, 1.0)])


def test_a_model_that_is_as_sure_as_it_is_right_is_not_overconfident() -> None:
    rng = np.random.default_rng(4)
    sure = rng.uniform(0, 1, 4000)
    rows: list[Record] = [(f"g{i // 8}", 0, float(c), float(rng.random() < c)) for i, c in enumerate(sure)]
    one = found(rows)["clean"]
    assert one.overconfidence.low < 0.0 < one.overconfidence.high
    # Of finite data the error is never 0: about sqrt(2 / pi) of a bin's standard error, here 2.4 points.
    assert 0.01 < one.ece.value < 0.05


def test_intervals_are_those_of_a_slow_bootstrap() -> None:
    rng = np.random.default_rng(8)
    rows: list[Record] = [(f"g{i % 9}", 0, float(rng.random()), float(rng.integers(2))) for i in range(60)]
    replicates, names = 200, sorted({group for group, *_ in rows})
    drawn = np.concatenate([weights for _, weights in group_weights(len(names), replicates, 0)])
    values = []
    for weights in drawn:
        sample = [
            (sure, float(score or 0.0))
            for group, _, sure, score in rows
            for _ in range(int(weights[names.index(group)]))
        ]
        values.append(by_hand(sample))
    one = found(rows, replicates=replicates)["clean"]
    for estimate, own in ((one.ece, [v[0] for v in values]), (one.overconfidence, [v[1] for v in values])):
        low, high = np.quantile(own, [0.025, 0.975])
        assert (estimate.low, estimate.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
