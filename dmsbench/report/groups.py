"""Two models over groups of conditions: by relation to what was fitted on, and by family of damage."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from dmsbench.families import by_family, by_relation
from dmsbench.report.formats import number_or_none
from dmsbench.scores.paired import PAIRED_REPLICATES, GroupContrast, group_contrasts
from dmsbench.scores.pairing import Pairs

RELATION_NOTE = (
    "fitted: conditions of a corruption that a scheduler was fitted on; same family: of another one of its "
    "family; unseen family: of neither"
)


_NUMBERS = ("a", "b", "difference", "ci_low", "ci_high")


@dataclass(frozen=True, slots=True)
class Groups:
    """B against A; see ``dmsbench.families`` for the groups. Groups without a condition are not there."""

    by_relation: tuple[GroupContrast, ...] = ()
    """Empty where no model was fitted."""
    by_family: tuple[GroupContrast, ...] = ()


def grouped(
    pairs: Pairs,
    fitted_on: Collection[str],
    *,
    seed: int = 0,
    replicates: int = PAIRED_REPLICATES,
    alpha: float = 0.05,
) -> Groups:
    """Both groupings, with (1 − alpha) intervals from one set of resamples."""
    relations, families = by_relation(pairs.conditions, fitted_on), by_family(pairs.conditions)
    found = group_contrasts(pairs, {**relations, **families}, seed=seed, replicates=replicates, alpha=alpha)
    return Groups(found[: len(relations)], found[len(relations) :])


def entries(contrasts: Iterable[GroupContrast]) -> list[dict[str, Any]]:
    """``[{name, a, b, difference, ci_low, ci_high, n_conditions}]``, undefined numbers None."""
    return [
        {
            "name": contrast.name,
            **{key: number_or_none(getattr(contrast, key)) for key in _NUMBERS},
            "n_conditions": contrast.n_conditions,
        }
        for contrast in contrasts
    ]
