"""The two rules, the shares of the error, floors and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gate_made_up import MACHINE, answers, make_run, worse
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.errors import DmsbenchError
from dmsbench.gate import CheckKind, GateConfig, Gated, Timing, gate_sides
from dmsbench.gate.config import Part, Planned, Rule
from dmsbench.gate.rules import not_shown_as_good, weights
from dmsbench.runner.find import entrant
from dmsbench.scores import holm
from dmsbench.scores.paired import compare_pairs, standard_error
from dmsbench.scores.pairing import pair_rows
from dmsbench.scores.rows import COLUMNS, read_rows


def gated(tmp_path: Path, before: Any, after: Any, config: dict[str, Any], **times: Any) -> Gated:
    first = make_run(tmp_path / "a", {"old": before})
    second = make_run(tmp_path / "b", {"new": after}, **times)
    return gate_sides(entrant(first.path), entrant(second.path), config=GateConfig.model_validate(config))


def failed(found: Gated) -> list[str]:
    return [found.result.title(check) for check in found.result.failures]


def test_weighted_holm_by_hand() -> None:
    # p/w: 0.02, 0.016, 0.12. The second: 0.008·1/0.5; the first 0.005·0.5/0.25; the third 0.03.
    assert holm([0.005, 0.008, 0.03], [0.25, 0.5, 0.25]) == pytest.approx([0.016, 0.016, 0.03])
    assert holm([0.01, np.nan, 0.2], [1.0, 5.0, 1.0]) == pytest.approx([0.02, np.nan, 0.2], nan_ok=True)
    with pytest.raises(ValueError, match="weight above 0"):
        holm([0.1, 0.2], [1.0, 0.0])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=8))
def test_weighted_holm_is_holm_at_equal_weights_and_never_below_p(pairs: list[tuple[float, float]]) -> None:
    p, w = map(list, zip(*pairs, strict=True))
    assert (holm(p, w) >= np.array(p) * (1 - 1e-12)).all()
    assert holm(p, [0.3] * len(p)) == pytest.approx(holm(p))


def test_kinds_share_the_error_equally_and_parts_divide_it() -> None:
    def one(score: str, part: Part, name: str, rule: Rule = Rule.REGRESSION) -> Planned:
        return Planned(score, part, name, 0.02, rule, None)

    checks = [one("a", Part.CLEAN, "clean"), one("a", Part.OVERALL, "overall")]
    checks += [one("a", Part.CORRUPTION, str(i)) for i in range(4)]
    assert weights(checks) == pytest.approx([1 / 3, 1 / 3, *[1 / 12] * 4])
    checks += [one("b", Part.OVERALL, "overall"), one("b", Part.CLEAN, "clean", Rule.NON_INFERIORITY)]
    found = weights(checks)
    assert found == pytest.approx([1 / 6, 1 / 6, *[1 / 24] * 4, 1 / 2, 1.0])
    assert sum(found[:-1]) == pytest.approx(1.0)


def test_non_inferiority_fails_what_is_not_shown(tmp_path: Path) -> None:
    before = answers()
    rule = {"rule": "non-inferiority", "checks": ["overall", "clean"]}
    same = gated(tmp_path / "1", before, before, {**rule, "tolerance": 0.0})
    assert same.result.passed  # the very same answers lost nothing
    noisy = answers(7)
    assert failed(gated(tmp_path / "2", before, noisy, {**rule, "tolerance": 0.0})) == ["clean", "overall"]
    wide = gated(tmp_path / "3", before, noisy, {**rule, "tolerance": 0.4})
    assert wide.result.passed
    (check, _) = wide.result.checks[:2]
    assert check.ci_low < check.bound < check.change
    assert np.isnan(check.p_adjusted)
    assert "95 % sure" in check.message
    assert 0 < check.detectable_80 < check.detectable_90 < 0.4


def test_no_data_show_nothing() -> None:
    assert not_shown_as_good([np.nan, 0.0, -0.02, -0.01, -0.0], [0.02, 0.0, 0.02, 0.02, 0.0]).tolist() == [
        True, False, True, False, False,
    ]  # fmt: skip


def test_rules_may_differ_by_check(tmp_path: Path) -> None:
    config = {"overall": {"rule": "non-inferiority", "tolerance": 0.5}}
    found = gated(tmp_path, answers(), answers(3), config)
    rules = {check.name: check.rule for check in found.result.checks if check.kind is CheckKind.SCORE}
    assert rules.pop("overall") is Rule.NON_INFERIORITY
    assert set(rules.values()) == {Rule.REGRESSION}


def test_floors_fail_whatever_the_reference_was(tmp_path: Path) -> None:
    before = answers()
    level = float(before[:, 3:5].mean())
    found = gated(tmp_path, before, before, {"corruption": {"fog": {"floor": level + 0.01}}, "floor": 0.1})
    assert failed(found) == ["fog floor"]
    (check,) = found.result.failures
    assert (check.kind, check.tolerance) == (CheckKind.FLOOR, level + 0.01)
    assert f"{level:.4f} lies below the floor" in check.message
    exact = gated(tmp_path / "x", before, before, {"corruption": {"fog": {"floor": level}}})
    assert exact.result.passed  # a score of exactly the floor


def test_families_are_checked_and_tested(tmp_path: Path) -> None:
    before = answers()
    found = gated(tmp_path, before, worse(before, [1, 2], 0.4), {"checks": ["families"]})
    assert failed(found) == ["image:blur"]
    by_name = {check.name: check for check in found.result.checks}
    assert by_name["image:blur"].p_adjusted < 0.05 < by_name["text:character"].p_adjusted


def test_every_score_is_checked_that_has_a_block(tmp_path: Path) -> None:
    before = answers()
    found = gated(tmp_path, before, worse(before, [3, 4], 0.4), {"score": {"vqa_v2_official": {}}})
    assert failed(found) == [
        "overall", "fog", "overall (vqa_v2_official)", "fog (vqa_v2_official)",
    ]  # fmt: skip
    with pytest.raises(DmsbenchError, match=r"configuration: score\.chrf: unknown score 'chrf'"):
        gated(tmp_path / "x", before, before, {"score": {"chrf": {}}})


def frame(errors: int) -> pd.DataFrame:
    rows = [
        {"sample_id": f"q{i}", "group": f"i{i}", "image_corruption": name, "image_severity": severity,
         "text_corruption": "clean", "text_severity": 0, "score": 1.0, "changed": False,
         "status": "parse_error" if severity and i < errors else "ok"}
        for i in range(40) for name, severity in (("clean", 0), ("fog", 3))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_limits_on_errors() -> None:
    from dmsbench.gate import evaluate

    limits = {"error_rate": 0.05, "error_rate_rise": 1.0}
    config = GateConfig.model_validate({"limits": limits})
    at = evaluate(frame(0), frame(4), config=config)  # 4 of 80: exactly
    assert at.passed
    (failure,) = evaluate(frame(0), frame(5), config=config).failures
    assert failure.name == "error rate limit"
    assert "6.25%, more than 5.00%" in failure.message


def test_limits_on_missing_conditions() -> None:
    from dmsbench.gate import evaluate

    whole = frame(0)
    clean = whole[whole["image_severity"] == 0]
    assert not evaluate(whole, clean).passed
    allowed = evaluate(whole, clean, config=GateConfig.model_validate({"limits": {"missing_conditions": 1}}))
    assert allowed.passed
    assert any("no scores for fog@3, which the limits allow" in note for note in allowed.notes)


def test_a_gate_without_a_check_of_a_score_says_so(tmp_path: Path) -> None:
    found = gated(tmp_path, answers(), answers(), {"checks": []}).result
    assert found.passed
    assert any("no check of a score was made" in note for note in found.notes)


def test_limits_on_time_hold_on_machines_of_one_kind_alone(tmp_path: Path) -> None:
    before, limits = answers(), {"limits": {"time_ratio": 1.5}}

    def timed(folder: str, **timing: Any) -> Gated:
        slow = {"answered": 100, "model_seconds": 2.0, "batch_size": 8, "machine": MACHINE} | timing
        return gated(tmp_path / folder, before, before, limits, timing=slow)

    assert failed(timed("slow")) == ["time"]
    assert "2.00 times as long" in timed("again").result.failures[0].message
    assert timed("quick", model_seconds=1.5).result.passed
    for folder, timing, note in (
        ("other", {"machine": MACHINE | {"processor": "another"}}, "different machines"),
        ("old", {"machine": None}, "does not say what machine"),
        ("batch", {"batch_size": 9}, "batches of 8 and 9"),
        ("cached", {"answered": 0}, "the candidate's run took no times"),
    ):
        found = timed(folder, **timing).result
        assert found.passed
        assert "time" not in [check.name for check in found.checks]
        assert any(note in one for one in found.notes)
    assert Timing.of({}, {}).unlike is not None


def test_the_standard_error_is_that_of_the_bootstrap(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"a": answers(0, 600), "b": answers(1, 600)})
    first, second = (read_rows(entrant(run.path, name).records(COLUMNS)) for name in "ab")
    pairs = pair_rows(first, second)
    found = compare_pairs(pairs)
    for contrast in (found.overall, found.clean, *found.corruptions):
        assert contrast is not None
        width = (contrast.ci_high - contrast.ci_low) / (2 * 1.96)
        assert contrast.se == pytest.approx(width, rel=0.1)
        assert contrast.ci_low < contrast.bound < contrast.difference
    clean = found.clean
    assert clean is not None
    differs = (answers(0, 600)[:, 0] != answers(1, 600)[:, 0]).mean()
    assert clean.churn == pytest.approx(differs)
    alone = np.ones((1, 3))
    assert np.isnan(standard_error(alone, alone))
