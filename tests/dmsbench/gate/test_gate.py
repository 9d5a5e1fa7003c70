"""The gate: what passes, what fails, and what cannot be judged."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from dmsbench.errors import DmsbenchError, NotComparableError
from dmsbench.gate import CheckKind, GateResult, evaluate

GRID = [("clean", 0), ("blur", 1), ("blur", 3), ("fog", 1), ("fog", 3)]
BASE = np.random.default_rng(0).random((240, 5)) < 0.8


def frame(scores: npt.ArrayLike, per_image: int = 2) -> pd.DataFrame:
    """(S, 5) scores on ``GRID``; NaN becomes a parse error."""
    table = np.asarray(scores, dtype=np.float64)
    rows = [
        {
            "sample_id": f"q{i:03d}",
            "group": f"i{i // per_image:03d}",
            "image_corruption": name,
            "image_severity": severity,
            "text_corruption": "clean",
            "text_severity": 0,
            "score": score,
            "status": "parse_error" if np.isnan(score) else "ok",
            "changed": severity > 0,
            "prediction": "red",
        }
        for i, own in enumerate(table)
        for (name, severity), score in zip(GRID, own, strict=True)
    ]
    return pd.DataFrame(rows)


def dropped(share: float, columns: list[int], seed: int = 1) -> np.ndarray:
    """``BASE`` with this share of the right answers of these conditions made wrong."""
    worse = BASE.copy()
    spoilt = np.random.default_rng(seed).random(BASE.shape) < share
    worse[:, columns] &= ~spoilt[:, columns]
    return worse


def gate(reference: pd.DataFrame, candidate: pd.DataFrame, tolerance: float = 0.02) -> GateResult:
    return evaluate(reference, candidate, tolerance=tolerance, replicates=1000)


def test_the_same_model_passes() -> None:
    result = gate(frame(BASE), frame(BASE), 0.0)
    assert result.passed
    assert result.failures == result.missing == result.notes == ()
    assert [check.name for check in result.checks] == [
        "clean",
        "overall",
        "blur",
        "fog",
        "error rate",
        "conditions",
    ]
    assert all(c.change == 0.0 and c.p_adjusted == 1.0 for c in result.checks if c.kind is CheckKind.SCORE)


def test_a_real_drop_fails_where_it_is() -> None:
    result = gate(frame(BASE), frame(dropped(0.15, [3, 4])))
    assert {check.name for check in result.failures} == {"overall", "fog"}
    fog = next(check for check in result.checks if check.name == "fog")
    assert fog.candidate - fog.reference == pytest.approx(fog.change)
    assert fog.change < -0.02
    assert fog.ci_low < fog.change < fog.ci_high < 0
    assert fog.p_adjusted >= fog.p_value
    assert "more than the tolerance of 0.02" in fog.message


def test_a_drop_within_the_tolerance_and_a_gain_pass() -> None:
    candidate = frame(dropped(0.15, [3, 4]))
    assert gate(frame(BASE), candidate, tolerance=0.25).passed
    assert gate(candidate, frame(BASE), tolerance=0.0).passed


def test_a_drop_of_exactly_the_tolerance_passes() -> None:
    scores = np.full((100, 5), 0.9)
    assert gate(frame(scores), frame(scores - 0.02), tolerance=0.02).passed
    assert not gate(frame(scores), frame(scores - 0.021), tolerance=0.02).passed


def test_noise_does_not_fail() -> None:
    rng = np.random.default_rng(3)
    ease = rng.uniform(0.5, 1.0, size=(80, 1))
    failed = beyond = 0
    for seed in range(60):
        a, b = (rng.random((80, 5)) < ease for _ in range(2))
        result = evaluate(frame(a), frame(b), tolerance=0.0, seed=seed, replicates=300)
        failed += not result.passed
        beyond += any(c.change < 0 for c in result.checks)
    assert beyond > 40  # nearly always something looks lower
    assert failed <= 7  # 5 % of 60, with room for chance


def test_a_large_drop_on_little_data_passes_with_a_word() -> None:
    reference = frame(np.ones((4, 5)), per_image=1)
    result = gate(reference, frame(np.zeros((4, 5)), per_image=1))
    assert result.passed
    assert any("no score could have failed" in note for note in result.notes)
    assert "noise may explain it" in result.checks[0].message


def test_missing_conditions_fail_and_extra_ones_are_noted() -> None:
    whole = frame(BASE)
    part = whole[whole["image_severity"] != 3]
    result = gate(whole, part)
    assert [str(c) for c in result.missing] == ["blur@3", "fog@3"]
    (failure,) = result.failures
    assert (failure.kind, failure.reference, failure.candidate) == (CheckKind.CONDITIONS, 5.0, 3.0)
    assert failure.message == "the candidate has no scores for 2 of 5 conditions: blur@3, fog@3"
    back = gate(part, whole)
    assert back.passed
    assert back.notes == ("ignored 2 conditions that the reference lacks: blur@3, fog@3",)


def test_a_condition_of_errors_alone_counts_as_missing() -> None:
    scores = BASE.astype(float)
    scores[:, 4] = np.nan
    result = gate(frame(BASE), frame(scores))
    assert [str(c) for c in result.missing] == ["fog@3"]
    assert {check.name for check in result.failures} == {"error rate", "conditions"}
    own = gate(frame(scores), frame(BASE))  # the reference's own errors are not the candidate's fault
    assert own.passed
    assert any("reference itself has only errors for: fog@3" in note for note in own.notes)


def test_a_rise_of_the_error_rate_fails() -> None:
    scores = BASE.astype(float)
    scores.flat[:12] = np.nan  # 12 of 1200: one point, just allowed
    result = gate(frame(BASE), frame(scores))
    assert result.passed
    assert result.notes == ("left out 12 of 1200 pairs in which either side is an error",)
    scores.flat[12] = np.nan
    (failure,) = gate(frame(BASE), frame(scores)).failures
    assert failure.kind is CheckKind.ERROR_RATE
    assert failure.candidate == pytest.approx(13 / 1200)
    assert gate(frame(scores), frame(scores)).passed


def test_errors_do_not_hide_a_drop() -> None:
    """A candidate that errs where it would be wrong keeps its scores, and fails."""
    worse = dropped(0.2, [1, 2, 3, 4]).astype(float)
    hidden = np.where(worse < BASE, np.nan, worse)
    result = gate(frame(BASE), frame(hidden))
    assert [check.name for check in result.failures] == ["error rate"]


def test_not_comparable() -> None:
    whole = frame(BASE)
    clean, rest = whole[whole["image_severity"] == 0], whole[whole["image_severity"] > 0]
    with pytest.raises(NotComparableError, match=r"share no condition: the candidate lacks 1 of 1 .*: clean"):
        gate(clean, rest)
    with pytest.raises(NotComparableError, match="the candidate lacks 1 of 240 samples: q005"):
        gate(whole, whole[whole["sample_id"] != "q005"])
    with pytest.raises(NotComparableError, match="the reference lacks 1 of 240 samples: q005"):
        gate(whole[whole["sample_id"] != "q005"], whole)
    with pytest.raises(NotComparableError, match="the candidate is incomplete: it lacks 1 of 1200 records"):
        gate(whole, whole.drop(index=7))


@pytest.mark.parametrize("tolerance", [-0.01, 1.01, float("nan")])
def test_bad_tolerance(tolerance: float) -> None:
    with pytest.raises(DmsbenchError, match="tolerance must lie between 0 and 1"):
        gate(frame(BASE[:4]), frame(BASE[:4]), tolerance)


def test_nothing_but_left_out_conditions_is_nothing_to_gate() -> None:
    reference = frame(BASE)
    reference["left"] = reference["image_severity"] > 0
    reference.loc[reference["left"], "status"] = "left_out"
    reference.loc[reference["left"], "score"] = np.nan
    reference = reference.drop(columns="left")
    with pytest.raises(NotComparableError, match="nothing to gate"):
        gate(reference, reference.copy())
