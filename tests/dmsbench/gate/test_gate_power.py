"""Power: the formulas against references, and that gate and plan tell the same."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from gate_made_up import GRID, answers, make_run
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from dmsbench.gate.config import Rule
from dmsbench.gate.planning import from_assumption, from_pair, from_reference, plan_power
from dmsbench.gate.power import Demand, detectable, groups_at_least, groups_more, pairs_needed
from dmsbench.grid import Condition, View
from dmsbench.runner.find import entrant
from dmsbench.scores.permutation import sign_flip_tests, smallest_p
from dmsbench.scores.rows import COLUMNS, Rows, read_rows

CONDITIONS = [Condition(View(a, b), View(c, d)) for a, b, c, d in GRID]


def demand(tolerance: float = 0.0, weight: float = 1.0, rule: Rule = Rule.REGRESSION) -> Demand:
    return Demand(rule, tolerance, 0.05, weight)


def test_connor_s_sample_size_for_matched_pairs() -> None:
    """Discordance 0.25 + 0.10, difference 0.15, two-sided 5 %, power 80 %, by SciPy's quantiles."""
    discordance, drop = 0.35, 0.15
    z, power = norm.ppf(0.975), norm.ppf(0.8)
    wanted = (z * math.sqrt(discordance) + power * math.sqrt(discordance - drop**2)) ** 2 / drop**2
    assert pairs_needed(demand(), drop, discordance - drop, 1.0, 0.8) == pytest.approx(wanted)
    assert wanted == pytest.approx(120, abs=1)  # about as many as tables of McNemar's test have
    assert pairs_needed(demand(), drop, discordance - drop, 3.0, 0.8) == pytest.approx(3 * wanted)


@given(
    drop=st.floats(0.005, 0.3),
    churn=st.floats(0.0, 0.5),
    tolerance=st.floats(0.0, 0.1),
    weight=st.floats(0.01, 1.0),
)
def test_more_is_needed_for_less(drop: float, churn: float, tolerance: float, weight: float) -> None:
    def needed(**changes: float) -> float:
        given = {"drop": drop, "churn": churn, "tolerance": tolerance, "weight": weight} | changes
        asked = demand(given["tolerance"], given["weight"])
        return pairs_needed(asked, given["drop"], given["churn"], 1.0, 0.9)

    base = needed()
    assert needed(drop=drop * 1.5) <= base * (1 + 1e-9)
    assert needed(churn=churn + 0.1) >= base
    assert needed(tolerance=tolerance + 0.01) >= base
    assert needed(weight=weight / 2) >= base
    assert math.isinf(needed(tolerance=drop))


@given(churn=st.floats(0.01, 0.4), weight=st.floats(0.02, 1.0), tolerance=st.sampled_from([0.0, 0.02]))
def test_what_is_detectable_is_what_so_many_pairs_see(churn: float, weight: float, tolerance: float) -> None:
    """Connor's null variance is a little larger than ours: some more pairs, a little larger a drop."""
    n = 4000
    asked = demand(tolerance, weight)
    drop = detectable(asked, math.sqrt(churn / n), churn, n, 0.9, 200_000)
    assert pairs_needed(asked, drop, churn, 1.0, 0.9) == pytest.approx(n, rel=0.08)


def test_nothing_is_detectable_on_too_little() -> None:
    assert math.isinf(detectable(demand(), 0.01, 0.1, 4, 0.9, 10_000))
    assert math.isinf(detectable(demand(), math.nan, math.nan, 1, 0.9, 10_000))
    assert math.isinf(detectable(demand(), 0.5, 0.5, 100, 0.9, 10_000))  # more than all of a score
    # Equal answers of a hundred images: the rule of three.
    assert 0.05 < detectable(demand(), 0.0, 0.0, 100, 0.9, 10_000) < 0.2
    at_least = groups_at_least(demand(weight=0.1))
    assert smallest_p(at_least, 10**6) < 0.005 <= smallest_p(at_least - 1, 10**6)


def rows(tmp_path: Path, samples: int = 1200) -> tuple[Rows, Rows]:
    run = make_run(tmp_path, {"a": answers(0, samples), "b": answers(1, samples)})
    first, second = (read_rows(entrant(run.path, name).records(COLUMNS)) for name in "ab")
    return first, second


def test_a_plan_from_runs_knows_their_churn_and_how_alike_images_are(tmp_path: Path) -> None:
    first, second = rows(tmp_path)
    basis = from_pair(first, second)
    by_name = {kind.name: kind for kind in basis.kinds}
    assert list(by_name) == ["overall", "clean", "a corruption"]
    assert (basis.samples, basis.images) == (1200, 400)
    clean = by_name["clean"].churn
    assert clean is not None
    assert 0.2 < clean < 0.5
    # The runs' answers hang on different images: what they lose on one is alike.
    assert by_name["clean"].effect > 1.1
    assert by_name["overall"].effect > by_name["clean"].effect
    alone = {kind.name: kind for kind in from_reference(first).kinds}
    assert alone["clean"].churn is None
    assert alone["clean"].effect == pytest.approx(1.2, abs=0.2)


def test_a_plan_says_what_is_enough(tmp_path: Path) -> None:
    first, second = rows(tmp_path)
    plan = plan_power(from_pair(first, second), 0.05, power=0.9)
    for kind in plan.basis.kinds:
        needs = [need for need in plan.needs if need.check == kind.name and need.observed]
        assert [need.drop for need in needs] == [0.025, 0.05, 0.1]
        assert needs[0].samples > needs[1].samples > needs[2].samples
        assert all(need.enough == (need.samples <= 1200) for need in needs)
        assert all(need.images == math.ceil(need.samples / 3) for need in needs)
        assert kind.churn is not None
        least = plan.smallest[kind.name, kind.churn]
        again = plan_power(plan.basis, least, power=0.9)
        (need,) = (n for n in again.needs if n.check == kind.name and n.observed and n.drop == least)
        assert need.samples == pytest.approx(1200, abs=2)
    never = plan_power(from_reference(first), 0.02, tolerance=0.02)
    assert all(math.isinf(need.samples) for need in never.needs if need.drop <= 0.02)


def test_a_plan_without_runs_rests_on_its_assumption() -> None:
    basis = from_assumption(CONDITIONS, 300, 100, 0.1)
    effects = {kind.name: kind.effect for kind in basis.kinds}
    assert effects == pytest.approx({"overall": 1 + 17 * 0.1, "clean": 1.2, "a corruption": 1 + 5 * 0.1})
    assert "correlate by 0.1" in basis.says
    assert [kind.effect for kind in from_assumption(CONDITIONS, 300, 100, 0.0).kinds] == [1.0, 1.0, 1.0]
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="correlation"):
            from_assumption(CONDITIONS, 300, 100, wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"drop": 0.0}, "drop"), ({"drop": math.nan}, "drop"), ({"power": 1.0}, "power"),
     ({"power": 0.4}, "power"), ({"tolerance": -1.0}, "tolerance")],
)  # fmt: skip
def test_impossible_wishes_are_refused(changes: dict[str, float], message: str) -> None:
    basis = from_assumption(CONDITIONS, 300, 100)
    with pytest.raises(ValueError, match=f"the {message} must"):
        plan_power(basis, **{"drop": 0.1, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("groups", "weight"), [(16, 1 / 3), (20, 1 / 57), (50, 1 / 57)])
def test_what_is_said_to_be_seen_is_seen_with_few_images_too(groups: int, weight: float) -> None:
    """Changes drawn about so large a drop; by normal quantiles twenty images saw it in 69 of 100."""
    n, se = 1000, 0.01
    drop = detectable(demand(0.0, weight), se, 1e9, groups, 0.9, 20_000)
    noise = np.random.default_rng(0).standard_normal((groups, n))
    p = sign_flip_tests((noise * se * math.sqrt(groups) - drop) / groups, replicates=20_000, seed=1)
    assert 0.81 < (p / weight < 0.05).mean() < 0.95


def test_a_plan_counts_images_for_their_own_error() -> None:
    asked = demand(0.0, 1 / 57)
    basis = from_assumption(CONDITIONS, 60, 20, 0.0)
    drop = plan_power(basis, 0.1).smallest["clean", 0.1]
    assert pairs_needed(demand(0.0, 1 / 3), drop, 0.1, 1.0, 0.9) < 60 - 3 * 2.5
    assert groups_more(asked) == pytest.approx(norm.ppf(1 - 0.025 / 57) ** 2 / 2)
