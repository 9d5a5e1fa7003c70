"""Signals against corruption, by counting pairs of rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dmsbench.grid import Condition, View
from dmsbench.scores.rows import read_rows
from dmsbench.scores.signals import MEASURES, SIGNALS, signal_scores

CONDITIONS = [
    Condition(),
    Condition(View("fog", 1)),
    Condition(View("shot_noise", 2)),
    Condition(View("gaussian_noise", 2)),
    Condition(View(), View("ocr", 2)),
    Condition(View("fog", 1), View("ocr", 1)),
    Condition(View("blur_of_old", 1)),  # a name that the catalogue does not hold
]


@pytest.fixture
def records(make_frame: Any) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    scores = rng.random((12, len(CONDITIONS)))
    scores[3, 1] = np.nan
    frame: pd.DataFrame = make_frame(scores, CONDITIONS)
    for name in MEASURES:
        frame[name] = rng.integers(0, 6, len(frame)) / 5.0  # ties
    frame.loc[rng.random(len(frame)) < 0.1, "consistency"] = np.nan
    frame["changed"] &= rng.random(len(frame)) < 0.8
    return frame


def test_against_all_pairs_of_rows(records: pd.DataFrame) -> None:
    families = {
        "image": {
            "image:noise": ["shot_noise", "gaussian_noise"],
            "image:weather": ["fog"],
            None: ["fog", "shot_noise", "gaussian_noise", "blur_of_old"],
        },
        "text": {"text:character": ["ocr"], None: ["ocr"]},
    }
    found = {
        (score.modality, score.signal, score.family): score
        for score in signal_scores(read_rows(records, MEASURES))
    }
    assert len(found) == sum(len(SIGNALS[modality]) * len(own) for modality, own in families.items())
    for (modality, signal, family), score in found.items():
        ok = records[records["status"] == "ok"].dropna(subset=[signal])
        damaged = ok[f"{modality}_corruption"].isin(families[modality][family])
        positive = ok.loc[damaged & ok["changed"], signal]
        negative = ok.loc[ok[f"{modality}_corruption"] == "clean", signal]
        wins = [(a > b) + (a == b) / 2 for a, b in itertools.product(positive, negative)]
        assert score.auroc == pytest.approx(np.mean(wins)), (modality, signal, family)
        assert (score.n_corrupted, score.n_clean) == (len(positive), len(negative))


def test_what_was_not_measured_is_undefined(records: pd.DataFrame) -> None:
    blank = records.assign(**dict.fromkeys(MEASURES, np.nan))
    scores = signal_scores(read_rows(blank, MEASURES))
    assert scores and all(np.isnan(score.auroc) and score.n_clean == 0 for score in scores)
    clean = signal_scores(read_rows(records[records["image_corruption"] == "clean"], MEASURES))
    assert [score.auroc for score in clean if score.modality == "image"] == pytest.approx(
        [np.nan] * 3, nan_ok=True
    )
