"""Profile calibrated: distances that grow evenly, tables that can be solved for again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from corruptions import (
    Corruption,
    catalogue,
    corrupt_image,
    distances,
    flags,
    get,
    profile_of,
    view_generator,
)
from corruptions.calibrate import WHOLE, solve
from corruptions.measure import photographs, pictures_for

PUBLISHED = [entry for entry in catalogue() if "imagenet224" in entry.parameters]
SOURCES = {"calibrated224": "imagenet224", "calibrated64": "tiny64"}


def mean_dissimilarity(name: str, profile: str) -> NDArray[np.float64]:
    return np.array([distance.dissimilarity for distance in distances(name, profile)])


def test_all_published_corruptions_have_calibrated_tables() -> None:
    assert len(PUBLISHED) == 19
    assert all(set(SOURCES) <= set(entry.parameters) for entry in PUBLISHED)


@pytest.mark.parametrize("profile", SOURCES)
@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_steps_are_even_and_ends_are_the_published_ones(entry: Corruption, profile: str) -> None:
    found, published = (mean_dissimilarity(entry.name, table) for table in (profile, SOURCES[profile]))
    even = (published.max() - published.min()) / 4
    # Whole numbers: JPEG qualities at the strong end lie further apart than that.
    tolerance = 0.25 if entry.name in WHOLE else 0.15
    np.testing.assert_allclose(np.diff(found), even, rtol=tolerance)
    np.testing.assert_allclose(found[[0, 4]], (published.min(), published.max()), atol=tolerance * even)
    assert flags(entry.name, profile) == ()


@pytest.mark.parametrize("name", ["contrast", "gaussian_blur", "jpeg_compression", "saturate", "glass_blur"])
def test_the_solver_gives_the_table(name: str) -> None:
    pictures = pictures_for("calibrated64", photographs(Path(__file__).parent / "photographs"))
    solved = np.array(solve(get(name), "calibrated64", pictures))
    # Other processors may round a grey level here and there.
    np.testing.assert_allclose(solved, np.array(get(name).parameters["calibrated64"]), rtol=0.01)


def test_size_decides_between_the_calibrated_tables(picture: NDArray[np.uint8]) -> None:
    assert profile_of("fog", 64, 300, profile="calibrated") == "calibrated64"
    assert profile_of("fog", 128, 128, profile="calibrated") == "calibrated224"
    assert profile_of("occlusion", 64, 64, profile="calibrated") == "default"
    large = np.tile(picture, (2, 2, 1))
    for image, table in ((picture, "calibrated64"), (large, "calibrated224")):
        views = [
            corrupt_image(image, "contrast", 2, view_generator(0, "u", "contrast", 2), profile=profile)
            for profile in ("calibrated", table)
        ]
        assert np.array_equal(*views)
