"""Shares that look at nothing of the sample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from dmsbench.fusion.blind import BANK, ShareBank, best_constant
from dmsbench.fusion.objective import condition_weights, mean_log_likelihood
from dmsbench.fusion.points import CORNERS_AND_UNIFORM

if TYPE_CHECKING:
    from conftest import MakeCase


def test_the_best_constant_has_no_better_one_around(make_case: MakeCase) -> None:
    case = make_case(600)
    weights = condition_weights(case.conditions)
    best = best_constant(case.log_likelihood, weights)

    def worth(shares: torch.Tensor) -> float:
        return mean_log_likelihood(shares.expand(600, -1), case.log_likelihood, case.conditions)

    reached = worth(torch.tensor(best).double())
    steps = torch.arange(0, 21).double() / 20
    grid = [torch.stack([a, b, 1 - a - b]) for a in steps for b in steps if a + b <= 1 + 1e-9]
    assert sum(best) == pytest.approx(1.0)
    assert reached >= max(worth(shares.clamp_min(0.0)) for shares in grid) - 1e-9


def test_a_hopeless_row_does_not_break_the_constant() -> None:
    likelihood = torch.tensor([[math.log(0.9), math.log(0.1), -800.0], [-900.0, -900.0, -900.0]])
    best = best_constant(likelihood, torch.ones(2))
    assert best[0] == pytest.approx(1.0, abs=0.35) and best[0] > best[1] > best[2] - 1e-9


def test_a_name_has_its_entry_whatever_stands_beside() -> None:
    shares = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
    bank = ShareBank.drawn(shares / shares.sum(dim=1, keepdim=True), ["clean"] * 40, CORNERS_AND_UNIFORM, 0)
    names = [f"row{i}" for i in range(300)]
    together = bank.of(names)
    assert torch.equal(together.flip(0), bank.of(names[::-1]))
    assert torch.equal(together[7:8], bank.of(names[7:8]))
    assert len({tuple(row) for row in together.tolist()}) > 30, "entries are spread over the names"
    assert set(map(tuple, together.tolist())) <= set(map(tuple, torch.tensor(bank.shares).tolist()))


def test_a_bank_is_a_part_of_the_rows() -> None:
    shares = torch.eye(3)[torch.arange(BANK + 300) % 3]
    conditions = [("image", "text", "uniform")[row % 3] for row in range(BANK + 300)]
    bank = ShareBank.drawn(shares, conditions, CORNERS_AND_UNIFORM, 0)
    assert len(bank) == BANK
    names = CORNERS_AND_UNIFORM.names
    pairs = zip(bank.shares, bank.conditions, strict=True)
    assert all(names[row.index(1.0)] == condition for row, condition in pairs)
    assert bank != ShareBank.drawn(shares, conditions, CORNERS_AND_UNIFORM, 1)
    assert bank.settings() == ShareBank(bank.shares).settings() != ShareBank(bank.shares[1:]).settings()
    assert bank.settings()["scheduler"] == "permuted"
    assert ShareBank(((0.2, 0.3, 0.5),)).settings()["scheduler"] == "constant"


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": ()},
        {"shares": ((0.5, 0.5),)},
        {"shares": ((0.5, 0.6, 0.5),)},
        {"shares": ((1.5, -0.5, 0.0),)},
        {"shares": ((math.nan, 0.5, 0.5),)},
        {"shares": ((0.2, 0.3, 0.5),), "conditions": ("a", "b")},
    ],
)
def test_what_is_no_bank_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"shares"):
        ShareBank(**wrong)
