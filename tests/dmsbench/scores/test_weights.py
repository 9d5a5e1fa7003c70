"""Weights by severity: by hand, what counts as scheduled, trends and entropy."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dmsbench.grid import Condition, View
from dmsbench.scores import CurvePoint, Estimate
from dmsbench.scores.rows import read_rows
from dmsbench.scores.weights import MEASURES, Trend, entropy, trend, weight_response

CONDITIONS = [
    Condition(),
    Condition(View("fog", 1)),
    Condition(View("fog", 3)),
    Condition(View("drop_image", 1)),
    Condition(View(), View("ocr", 2)),
]
#: Four samples of three images; drop_image hits the first two.
WEIGHTS = np.array(
    [
        [0.5, 0.4, 0.3, 0.0, 0.8],
        [0.7, 0.6, 0.1, 0.0, 0.6],
        [0.4, 0.4, 0.2, 0.4, 0.4],
        [0.4, 0.2, 0.2, 0.4, 0.4],
    ]
)


def records(make_frame: object) -> pd.DataFrame:
    frame: pd.DataFrame = make_frame(  # type: ignore[operator]
        np.ones_like(WEIGHTS), CONDITIONS, ["i1", "i1", "i2", "i3"]
    )
    frame["weight_image"] = WEIGHTS.ravel()
    frame["weight_text"] = 1.0 - WEIGHTS.ravel()
    hit = (frame["image_corruption"] == "drop_image") & (frame["weight_image"] == 0.0)
    frame["consistency"] = np.where(hit, np.nan, 0.5)
    frame["changed"] &= (frame["image_corruption"] != "drop_image") | hit
    return frame


def test_by_hand(make_frame: object) -> None:
    frame = records(make_frame)
    found = weight_response(read_rows(frame, MEASURES), replicates=200)
    assert found is not None
    dropped, fog, ocr = found.corruptions
    assert (fog.name, fog.trend, ocr.name, ocr.trend) == ("fog", Trend.FALLS, "ocr", Trend.RISES)
    assert [point.severity for point in fog.curve] == [0, 1, 3]
    assert [point.score.value for point in fog.curve] == pytest.approx([0.5, 0.4, 0.2])
    assert [point.score.value for point in ocr.curve] == pytest.approx([0.5, 0.55])
    assert found.clean.value == pytest.approx(0.5)
    # An absent image has no weight; nothing is lost or gained where nothing was to be scheduled.
    assert [point.score.value for point in dropped.curve] == pytest.approx([0.5, 0.2])
    assert dropped.entropy[1].score.value < dropped.entropy[0].score.value
    assert found.mean.value == pytest.approx((0.4 + 0.2 + 0.2 + 0.55) / 4)
    bits = [-sum(p * math.log2(p) for p in (w, 1 - w)) for w in (0.3, 0.1, 0.2, 0.2)]
    assert fog.entropy[2].score.value == pytest.approx(sum(bits) / 4)
    assert found.n_rows == 20


def test_intervals_are_those_of_resampled_images(make_frame: object) -> None:
    frame = records(make_frame)
    found = weight_response(read_rows(frame, MEASURES), replicates=4000)
    assert found is not None
    rng = np.random.default_rng(0)
    at = WEIGHTS[:, 2]
    sums, counts = np.array([at[0] + at[1], at[2], at[3]]), np.array([2, 1, 1])
    drawn = rng.integers(0, 3, size=(4000, 3))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    point = found.corruptions[1].curve[2].score
    assert (point.low, point.high) == pytest.approx((low, high), abs=0.01)


def test_errors_and_rows_without_weights_do_not_count(make_frame: object) -> None:
    frame = records(make_frame)
    kept = weight_response(read_rows(frame[frame["sample_id"] != "q3"], MEASURES), replicates=50)
    lost = frame["sample_id"] == "q3"
    failed = frame.assign(status=frame["status"].where(~lost, "model_error"))
    blank = frame.assign(weight_image=frame["weight_image"].where(~lost))
    assert kept is not None
    expected = [point.score.value for point in kept.corruptions[0].curve]
    for changed in (failed, blank):
        found = weight_response(read_rows(changed, MEASURES), replicates=50)
        assert found is not None
        assert [point.score.value for point in found.corruptions[0].curve] == pytest.approx(expected)
    assert weight_response(read_rows(frame.assign(consistency=np.nan), MEASURES)) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.4, 0.3], Trend.FALLS),
        ([0.5, 0.5, 0.3], Trend.FALLS),
        ([0.3, 0.31], Trend.RISES),
        ([0.5, 0.3, 0.4], Trend.NEITHER),
        ([0.5, 0.5], Trend.CONSTANT),
        ([0.5], Trend.NEITHER),
    ],
)
def test_trend(values: list[float], expected: Trend) -> None:
    points = [CurvePoint(i, Estimate(value, value, value)) for i, value in enumerate(values)]
    assert trend(tuple(points)) is expected


def test_entropy() -> None:
    image = np.array([0.5, 1.0, 0.0, 0.25])
    expected = [1.0, 0.0, 0.0, 0.25 * 2 + 0.75 * math.log2(4 / 3)]
    np.testing.assert_allclose(entropy(image, 1.0 - image), expected)
