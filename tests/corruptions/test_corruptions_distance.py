"""Severity is real: distances from clean on photographs and questions, and what is flagged."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from corruptions import (
    SEVERITIES,
    Corruption,
    InvalidInputError,
    catalogue,
    distances,
    flags,
    get,
    growth_measure,
    names,
)
from corruptions.distance import EPSILON
from corruptions.measure import (
    box_average,
    edit_distance,
    mean_absolute_difference,
    measure,
    photographs,
    pictures_for,
    ssim,
    to_text,
)

HERE = Path(__file__).parent
MEASURED = HERE.parents[1] / "corruptions" / "measured.json"
TABLES = [(entry, profile) for entry in catalogue() for profile in entry.parameters]
IDS = [f"{entry.name}-{profile}" for entry, profile in TABLES]

# What the figures are expected to say; a table mended or spoilt has to change this list too.
NOT_GROWING = {
    ("glass_blur", "imagenet224"): ("not growing 3-4",),
    ("glass_blur", "tiny64"): ("not growing 1-2",),
    ("zoom_blur", "imagenet224"): ("not growing 2-3",),
    ("snow", "imagenet224"): ("not growing 2-3",),
    ("spatter", "imagenet224"): ("not growing 3-4",),
    ("spatter", "tiny64"): ("not growing 3-4",),
    ("saturate", "imagenet224"): ("not growing 2-3",),
    ("saturate", "tiny64"): ("not growing 2-3",),
    ("elastic_transform", "tiny64"): ("not growing 1-5",),
    ("flip_h", "default"): ("not growing 1-5",),
    ("flip_v", "default"): ("not growing 1-5",),
    ("punctuation_delete", "default"): ("not growing 2-5",),
    ("synonym", "default"): ("not growing 2-5", "no-op 1-5: 43 %"),
    ("paraphrase", "default"): ("not growing 2-5", "no-op 1-5: 20 %"),
}


@pytest.fixture(scope="module")
def large() -> dict[str, NDArray[np.uint8]]:
    return photographs(HERE / "photographs")


@pytest.fixture(scope="module")
def questions() -> dict[str, str]:
    lines = (HERE / "questions.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 40
    assert all(4 <= len(line.split()) <= 20 for line in lines)
    return {f"question-{i}": line for i, line in enumerate(lines)}


@pytest.mark.parametrize(("entry", "profile"), TABLES, ids=IDS)
def test_distance_grows_or_is_flagged(entry: Corruption, profile: str) -> None:
    found = [getattr(distance, growth_measure(entry)) for distance in distances(entry.name, profile)]
    assert found[0] > 0
    expected = NOT_GROWING.get((entry.name, profile), ())
    assert flags(entry.name, profile) == expected
    if not any(flag.startswith("not growing") for flag in expected):
        assert all(high - low > EPSILON for low, high in pairwise(found)), found
    if expected:
        assert entry.notes


def test_everything_is_measured_and_nothing_else() -> None:
    content = json.loads(MEASURED.read_text(encoding="utf-8"))
    assert to_text(content) == MEASURED.read_text(encoding="utf-8")
    assert content["photographs"] == sorted(p.stem for p in (HERE / "photographs").glob("*.jpg"))
    assert list(content["corruptions"]) == sorted(names())
    for name, profiles in content["corruptions"].items():
        assert set(profiles) == set(get(name).parameters)
        for profile in profiles:
            assert tuple(d.severity for d in distances(name, profile)) == SEVERITIES
    assert distances("fog") == distances("fog", "imagenet224")
    with pytest.raises(InvalidInputError, match="no profile 'cifar'"):
        distances("fog", "cifar")


@pytest.mark.parametrize(("entry", "profile"), TABLES, ids=IDS)
def test_figures_are_those_of_today(
    entry: Corruption, profile: str, large: dict[str, NDArray[np.uint8]], questions: dict[str, str]
) -> None:
    # One severity a table, another for its neighbour: all five would take minutes.
    severity = 1 + TABLES.index((entry, profile)) % 5
    inputs = pictures_for(profile, large) if entry.kind == "image" else questions
    (now,) = measure(entry, inputs, profile=profile, severities=(severity,))
    then = distances(entry.name, profile)[severity - 1]
    assert now.to_dict() == pytest.approx(then.to_dict(), abs=0.002)


def test_ssim_is_scikit_images(large: dict[str, NDArray[np.uint8]]) -> None:
    # structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
    # of scikit-image 0.26 on the same brightness.
    cat, coffee = large["cat"], large["coffee"]
    assert ssim(cat, cat) == 1
    assert ssim(cat, cat // 2) == pytest.approx(0.691592468, abs=1e-5)
    assert ssim(cat, coffee) == pytest.approx(0.167535294, abs=1e-5)
    assert ssim(coffee, cat) == pytest.approx(ssim(cat, coffee))
    with pytest.raises(InvalidInputError, match="SSIM needs sides of 11"):
        ssim(cat[:10], cat[:10])
    with pytest.raises(InvalidInputError, match="differ in size"):
        ssim(cat, cat[:100])


def test_mean_absolute_difference_by_hand() -> None:
    black = np.zeros((2, 2, 3), np.uint8)
    other = black.copy()
    other[0, 0] = (255, 255, 51)
    assert mean_absolute_difference(black, other) == pytest.approx((255 + 255 + 51) / 255 / 12)


def test_edit_distance_by_hand() -> None:
    assert edit_distance("kitten", "sitting") == pytest.approx(3 / 7)
    assert edit_distance("", "") == edit_distance("same", "same") == 0
    assert edit_distance("", "abc") == edit_distance("abc", "") == edit_distance("ab", "cd") == 1


@settings(max_examples=100, deadline=None)
@given(st.text("ab c", max_size=12), st.text("ab c", max_size=12))
def test_edit_distance_against_the_textbook(a: str, b: str) -> None:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    assert edit_distance(a, b) == pytest.approx(row[-1] / max(len(a), len(b), 1))


def test_box_average_by_hand() -> None:
    image = np.zeros((3, 3, 3), np.uint8)
    image[0, 0] = 90
    # Two by two boxes of 1.5 pixels a side: the corner is 1 of 2.25.
    assert box_average(image, 2)[..., 0].tolist() == [[40, 0], [0, 0]]
    assert np.array_equal(box_average(image, 3), image)


def test_a_no_op_counts(large: dict[str, NDArray[np.uint8]]) -> None:
    grey = np.full((16, 16, 3), 90, np.uint8)
    (found,) = measure(get("grayscale"), {"grey": grey, "cat": large["cat"]}, severities=(3,))
    assert found.unchanged == 0.5
    with pytest.raises(InvalidInputError, match="nothing to measure on"):
        measure(get("fog"), {})
