"""Frames of records for the tests of scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from dmsbench.grid import CLEAN, Condition, View


class MakeFrame(Protocol):
    def __call__(
        self,
        scores: npt.ArrayLike,
        conditions: Sequence[Condition],
        groups: Sequence[str] | None = None,
    ) -> pd.DataFrame: ...


def image(name: str, severity: int) -> Condition:
    return Condition(View(name, severity), CLEAN)


def text(name: str, severity: int) -> Condition:
    return Condition(CLEAN, View(name, severity))


@pytest.fixture(scope="session")
def make_frame() -> MakeFrame:
    """(S, C) scores → records; NaN becomes a model error. Sample i is ``q{i}``, by default its own group."""

    def build(
        scores: npt.ArrayLike, conditions: Sequence[Condition], groups: Sequence[str] | None = None
    ) -> pd.DataFrame:
        table = np.asarray(scores, dtype=np.float64)
        names = [f"q{i}" for i in range(len(table))]
        rows = [
            {
                "sample_id": name,
                "group": group,
                "image_corruption": condition.image.corruption,
                "image_severity": condition.image.severity,
                "text_corruption": condition.text.corruption,
                "text_severity": condition.text.severity,
                "score": score,
                "status": "model_error" if np.isnan(score) else "ok",
                "changed": not condition.is_clean,
                "prediction": "red",
            }
            for name, group, own in zip(names, groups or names, table, strict=True)
            for condition, score in zip(conditions, own, strict=True)
        ]
        return pd.DataFrame(rows)

    return build


@pytest.fixture
def golden_conditions() -> list[Condition]:
    return [Condition(), image("fog", 1), image("fog", 3), text("ocr", 2)]


@pytest.fixture
def golden(make_frame: MakeFrame, golden_conditions: list[Condition]) -> pd.DataFrame:
    """Four samples of three images; see ``test_robustness`` for what follows by hand."""
    scores = [[1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 0], [0, 0, 0, 0]]
    return make_frame(scores, golden_conditions, ["i1", "i1", "i2", "i3"])
