"""Scorecards made by hand, for the tests of reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from made_up_run import make_run

from dmsbench.grid import CLEAN, Condition, View
from dmsbench.report import ReportInfo
from dmsbench.runner.store import RunFolder
from dmsbench.scores import CorruptionScore, CurvePoint, Estimate, Scorecard, WorstCondition

NAN = float("nan")
UNDEFINED = Estimate(NAN, NAN, NAN)


def around(value: float, width: float = 0.02) -> Estimate:
    return Estimate(value, max(0.0, value - width), min(1.0, value + width))


def corruption(name: str, clean: float, drop: float, severities: Sequence[int] = (1, 2, 3, 4, 5)) -> Any:
    """A score that falls by ``drop`` with each severity."""
    scores = [clean - drop * severity for severity in severities]
    points = [CurvePoint(s, around(v)) for s, v in zip((0, *severities), (clean, *scores), strict=True)]
    mean = sum(scores) / len(scores)
    return CorruptionScore(
        name=name,
        mean=around(mean),
        curve=tuple(points),
        auc=around(mean),
        retention=around(mean / clean),
        above_chance_retention=UNDEFINED,
        worst_severity=severities[-1],
    )


def card(names: Sequence[str] = ("jpeg_compression",), **changes: Any) -> Scorecard:
    """Clean 0.96; the first corruption loses 0.02 a severity, the next 0.03, and so on to 0.10."""
    parts = [corruption(name, 0.96, 0.02 + 0.01 * (i % 9)) for i, name in enumerate(names)]
    worst = Condition(View(names[-1].split("+")[0], 5), CLEAN)
    content: dict[str, Any] = {
        "clean": Estimate(0.96, 0.951, 0.9745),
        "mean": Estimate(0.8, 0.78, 0.82),
        "retention": Estimate(0.8 / 0.96, 0.81, 0.86),
        "above_chance_retention": Estimate(0.75, -0.01, 0.78),
        "ausc": Estimate(0.85, 0.83, 0.87),
        "worst": WorstCondition(worst, Estimate(0.5, 0.45, 0.55)),
        "corruptions": tuple(sorted(parts, key=lambda part: part.name)),
        "conditions": (),
        "unscored": (),
        "chance": 0.25,
        "level": 0.95,
        "replicates": 2000,
        "n_samples": 500,
        "n_groups": 52,
        "n_rows": 3000,
        "n_errors": 0,
        "n_missing": 0,
    }
    return Scorecard(**{**content, **changes})


@pytest.fixture(scope="session")
def make_card() -> Callable[..., Scorecard]:
    return card


@pytest.fixture(scope="session")
def info() -> ReportInfo:
    return ReportInfo("vqa-corrupt", "easy_vqa", 500, 0, "exact_match|v1", "0123456789abcdef")


@pytest.fixture(scope="session")
def golden_cards() -> dict[str, Scorecard]:
    """An ordinary model, a better one with a bar in its name, and one of which little is defined."""
    return {
        "baseline": card(("jpeg_compression", "ocr")),
        "dms|v2": card(("jpeg_compression", "ocr"), mean=Estimate(0.8125, 0.79, 0.83), n_errors=1),
        "broken": card(
            clean=Estimate(0.2, NAN, NAN),
            mean=UNDEFINED,
            retention=UNDEFINED,
            above_chance_retention=UNDEFINED,
            ausc=UNDEFINED,
            worst=None,
            corruptions=(),
            unscored=(Condition(View("ocr", 1)),) * 5,
            n_errors=2500,
            n_missing=12,
        ),
    }


@pytest.fixture(scope="session")
def run_of() -> Callable[..., RunFolder]:
    return make_run


@pytest.fixture(scope="session")
def paged(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return make_run(tmp_path_factory.mktemp("paged"))
