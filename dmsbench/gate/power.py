"""How small a drop a gate can see, and how much data it needs to see one of a given size.

Under the rule ``regression`` a check fails where the drop is larger than the tolerance T and significant.
With a standard error s of the change, a true drop d fails it with probability 1 − β where

    d ≥ max(T, z(1 − α′/2)·s) + z(1 − β)·s

α′ being the level that the check has in the first step of Holm's procedure, α times its share of the weights:
the later steps are kinder. The z before s is Student's t with images − 1 degrees of freedom, since the error
is estimated from as many; plans count z²/2 images more for that (Guenther, "Sample size formulas for normal
theory t tests", Am. Stat. 35 (1981)). Under ``non-inferiority`` a model that lost nothing passes with
probability 1 − β where T ≥ (z(1 − α) + z(1 − β))·s.

The variance follows from the churn: c is the share of answers that change sides between two runs of models of
which none is worse, and a drop d adds d to it, so that a paired difference of right-or-wrong answers has
variance c + d − d². n pairs see a drop with n ≥ (z(1 − α′/2)·√(c + d) + z(1 − β)·√(c + d − d²))² / d²:
Miettinen, "The matched pairs design in the case of all-or-none responses", Biometrics 24 (1968); Connor,
"Sample size for testing differences in proportions for the paired-sample design", Biometrics 43 (1987), where
c + d is one number, the discordance. Pairs of one image are not independent: n is multiplied by the design
effect of Kish, "Survey Sampling" (1965), the variance of a clustered mean over that of as many independent
answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from dmsbench.gate.config import Rule
from dmsbench.scores.permutation import smallest_p
from dmsbench.scores.student import t_quantile

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Demand:
    """What a check demands of a change before it fails."""

    rule: Rule
    tolerance: float
    alpha: float
    """Of all checks together."""
    weight: float
    """The check's share of ``alpha``, in (0, 1]; of no matter under ``non-inferiority``."""

    @property
    def level(self) -> float:
        """Of the one-sided quantile that the change has to pass."""
        if self.rule is Rule.NON_INFERIORITY:
            return 1.0 - self.alpha
        return 1.0 - self.alpha * self.weight / 2.0

    @property
    def z(self) -> float:
        return _NORMAL.inv_cdf(self.level)


def detectable(
    demand: Demand, se: float, churn: float, groups: int, power: float, sign_patterns: int
) -> float:
    """The smallest drop that fails the check with probability ``power``; infinite where none can.

    Under ``non-inferiority``, where too little data fail by themselves: the smallest tolerance at which a
    model that lost nothing would have passed with that probability.

    ``se`` and ``churn`` as observed between two runs; a drop d adds to the churn, so that the variance grows
    by (churn + d) / churn. Where not one answer differs they show nothing, and the rule of three stands in
    (Hanley & Lippman-Hand, JAMA 249 (1983)): up to 3 in ``groups`` may differ.
    """
    if math.isnan(se) or groups < 2:
        return math.inf
    z, z_power = t_quantile(demand.level, groups - 1), _NORMAL.inv_cdf(power)
    if se <= 0.0 or churn <= 0.0:
        se, churn = math.sqrt(3.0) / groups, 3.0 / groups
    if demand.rule is Rule.NON_INFERIORITY:
        return (z + z_power) * se
    if smallest_p(groups, sign_patterns) >= demand.alpha * demand.weight:
        return math.inf

    def needed(drop: float) -> float:
        s = se * math.sqrt(1.0 + drop / churn)
        return max(demand.tolerance, z * s) + z_power * s

    # needed() grows slower than the drop, so its fixed point is the one root; scores end at 1.
    low, high = 0.0, 1.0
    if needed(high) > high:
        return math.inf
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (low, middle) if needed(middle) <= middle else (middle, high)
    return high


def pairs_needed(demand: Demand, drop: float, churn: float, effect: float, power: float) -> float:
    """How many pairs see ``drop`` with probability ``power`` at this churn and design effect.

    Infinite where the drop is not larger than the tolerance. Under ``non-inferiority``: how many show, of a
    model that lost nothing, that it lost less than ``drop``.
    """
    z_power = _NORMAL.inv_cdf(power)
    if demand.rule is Rule.NON_INFERIORITY:
        return effect * churn * ((demand.z + z_power) / drop) ** 2
    if drop <= demand.tolerance:
        return math.inf
    discordance = churn + drop
    spread = math.sqrt(max(0.0, discordance - drop * drop))
    seen = ((demand.z * math.sqrt(discordance) + z_power * spread) / drop) ** 2
    beyond = (z_power * spread / (drop - demand.tolerance)) ** 2
    return effect * max(seen, beyond)


def groups_more(demand: Demand) -> float:
    """Images besides those of ``pairs_needed``, since their error is estimated (Guenther)."""
    return demand.z**2 / 2.0


def groups_at_least(demand: Demand) -> int:
    """The number of images below which the sign-flip test cannot be significant."""
    if demand.rule is Rule.NON_INFERIORITY:
        return 2
    return 2 + math.floor(-math.log2(demand.alpha * demand.weight))
