"""Synthetic answers at the corners and in the middle, with a hidden flag that says which corner is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pytest
import torch

from dmsbench.fusion.objective import answer_log_likelihood
from dmsbench.fusion.points import Evidence

OUTCOMES = 5


@dataclass(frozen=True)
class Case:
    """``broken`` (B,): −1 nothing, 0 the image, 1 the text."""

    evidence: Evidence
    answer: torch.Tensor
    broken: torch.Tensor
    conditions: list[str]
    groups: list[str]

    @property
    def log_likelihood(self) -> torch.Tensor:
        return answer_log_likelihood(self.evidence.probabilities, self.answer)

    @property
    def right(self) -> torch.Tensor:
        """Whether the answer at each point is right, (B, P) bool."""
        return self.evidence.probabilities.argmax(dim=2) == self.answer[:, None]


class MakeCase(Protocol):
    def __call__(self, rows: int = ..., seed: int = ..., *, useful: bool = ...) -> Case: ...


def build(rows: int = 1500, seed: int = 0, *, useful: bool = True) -> Case:
    """A broken corner is sure of a random outcome, and atypical if ``useful``; confidence tells nothing."""
    draw = torch.Generator().manual_seed(seed)
    answer = torch.randint(OUTCOMES, (rows,), generator=draw)
    broken = torch.randint(-1, 2, (rows,), generator=draw)
    at = torch.arange(rows)
    logits = 0.5 * torch.randn(rows, 2, OUTCOMES, generator=draw)
    for corner in range(2):
        wrong = torch.randint(OUTCOMES, (rows,), generator=draw)
        believed = torch.where(broken == corner, wrong, answer)
        logits[at, corner, believed] += 2.5 + torch.rand(rows, generator=draw)
    logits = torch.cat([logits, logits.mean(dim=1, keepdim=True)], dim=1)
    typicality = 0.5 + 0.3 * torch.randn(rows, 2, 2, generator=draw)
    if useful:
        for corner in range(2):
            typicality[:, corner] += 2.0 * (broken == corner)[:, None]
    return Case(
        Evidence(
            probabilities=logits.softmax(dim=2),
            uncertainty=torch.rand(rows, 3, generator=draw),
            consistency=torch.rand(rows, generator=draw),
            typicality=typicality,
            energy=logits.logsumexp(dim=2),
            keys=tuple(f"row{i}" for i in range(rows)),
        ),
        answer,
        broken,
        [("clean", "image broken", "text broken")[int(flag) + 1] for flag in broken],
        [f"picture{i // 3}" for i in range(rows)],
    )


@pytest.fixture(scope="session")
def make_case() -> MakeCase:
    return build
