"""Controls: fixed points, and shares that belong to another row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.fusion.controls import FixedPoint, Permuted, donors, permuted
from dmsbench.fusion.points import Evidence, Mixture, mix
from dmsbench.fusion.rule import PointRule

if TYPE_CHECKING:
    from conftest import MakeCase

names = st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=30, unique=True)


@given(names, st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_permutation_depends_on_keys_and_seed_not_on_order(
    keys: list[str], seed: int, dice: object
) -> None:
    found = donors(keys, seed)
    assert sorted(found) == list(range(len(keys)))
    assert len(keys) == 1 or all(row != donor for row, donor in enumerate(found))
    by_key = {keys[row]: keys[donor] for row, donor in enumerate(found)}
    turned = list(reversed(keys))
    assert {turned[row]: turned[donor] for row, donor in enumerate(donors(turned, seed))} == by_key


def test_seeds_differ_and_strata_are_kept() -> None:
    keys = [f"row{i}" for i in range(40)]
    strata = ["clean" if i % 3 else "noise" for i in range(40)]
    assert donors(keys, 0) != donors(keys, 1)
    found = donors(keys, 0, strata=strata)
    assert sorted(found) == list(range(40))
    assert all(strata[row] == strata[donor] for row, donor in enumerate(found))
    assert all(row != donor for row, donor in enumerate(found))
    # A row alone in its stratum has nobody to trade with.
    assert donors(["a", "b", "c"], strata=["x", "y", "y"]) == [0, 2, 1]


def test_the_mean_stays_and_the_match_is_lost(make_case: MakeCase) -> None:
    case = make_case(400)
    rule = PointRule(20.0, 0.0, 0.0)
    control = Permuted(rule, seed=3)
    own, others = rule.mixture(case.evidence), control.mixture(case.evidence)
    torch.testing.assert_close(own.mean(dim=0), others.mean(dim=0))
    assert torch.equal(others, permuted(own, case.evidence.keys, 3))
    assert not torch.equal(own, others)
    assert control.settings() == {**rule.settings(), "control": "permuted", "control_seed": 3}
    assert control.points == rule.points
    assert not control.needs_typicality


def test_rows_without_keys_of_their_own_are_refused(make_case: MakeCase) -> None:
    case = make_case(6)
    bare = Evidence(case.evidence.probabilities, case.evidence.uncertainty, case.evidence.consistency)
    with pytest.raises(ValueError, match="0 keys for 6 rows"):
        Permuted(PointRule(1.0, 0.0)).mixture(bare)
    with pytest.raises(ValueError, match="distinct"):
        donors(["a", "a"])
    with pytest.raises(ValueError, match="1 strata for 2 rows"):
        donors(["a", "b"], strata=["x"])


@pytest.mark.parametrize(("name", "at"), [("image", 0), ("text", 1), ("uniform", 2)])
def test_a_fixed_point_answers_as_that_point(make_case: MakeCase, name: str, at: int) -> None:
    case = make_case(20)
    fused = Mixture(FixedPoint(name))
    torch.testing.assert_close(fused.fuse(case.evidence), case.evidence.probabilities[:, at])
    torch.testing.assert_close(
        mix(fused.scheduler.mixture(case.evidence), case.evidence.probabilities),
        case.evidence.probabilities[:, at],
    )
    assert fused.settings() == {"fusion": "mixture", "scheduler": "fixed_point", "point": name}


def test_a_point_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no point 'middle' among image, text, uniform"):
        FixedPoint("middle")
