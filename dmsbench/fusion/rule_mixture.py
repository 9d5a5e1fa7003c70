"""The rule as a scheduler of points."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Points
from dmsbench.fusion.schedulers import RuleScheduler
from dmsbench.fusion.signals import Signals, confidence


@dataclass(frozen=True, slots=True)
class RuleMixture:
    """The mixture whose mean point is the rule's weights w, from uniform and the nearer corner alone.

    The corner of modality m has the share max(0, 2·w_m − 1), the uniform point the rest: equal weights are
    static fusion, and a weight of 1 is that modality alone.
    """

    rule: RuleScheduler
    points: Points = CORNERS_AND_UNIFORM

    @property
    def needs_typicality(self) -> bool:
        """Never."""
        return False

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P)."""
        corners = list(self.points.corners)
        weights = self.rule.weights(
            Signals(
                confidence(evidence.probabilities[:, corners]),
                evidence.uncertainty[:, corners],
                evidence.consistency,
            )
        )
        shares = torch.zeros(len(evidence), len(self.points))
        shares[:, corners] = (2.0 * weights - 1.0).clamp_min(0.0)
        shares[:, self.points.uniform] = 1.0 - shares.sum(dim=1)
        return shares

    def settings(self) -> dict[str, float | str]:
        """The rule's, under a name of its own."""
        return {**self.rule.settings(), "scheduler": "rule_mixture"}
