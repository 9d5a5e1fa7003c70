"""Which conditions left samples as they were: their scores are partly clean scores, so reports say so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmsbench.scores import Scorecard

NOTABLE = 0.01
"""Share of a condition's samples that may be unchanged without a word."""
SHOWN = 4
"""So many conditions are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A condition and the share of its samples, in (0, 1], that the corruption left as they were."""

    condition: str
    share: float


def unchanged_conditions(scorecards: Iterable[Scorecard]) -> tuple[Unchanged, ...]:
    """Corrupted conditions with more than `NOTABLE` unchanged, worst first, ties in the grid's order.

    Of several models the largest share counts. Modality corruptions hit a share of the samples by
    design, so conditions with one are not among them.
    """
    import corruptions

    by_design = set(corruptions.names("modality"))
    shares: dict[str, float] = {}
    for card in scorecards:
        for cell in card.conditions:
            condition, share = cell.condition, cell.unchanged_rate
            involved = {condition.image.corruption, condition.text.corruption}
            if condition.is_clean or involved & by_design or math.isnan(share):
                continue
            shares[str(condition)] = max(share, shares.get(str(condition), 0.0))
    found = [Unchanged(name, share) for name, share in shares.items() if share > NOTABLE]
    return tuple(sorted(found, key=lambda unchanged: -unchanged.share))


def unchanged_note(found: Sequence[Unchanged]) -> str | None:
    """One line that names the worst conditions and counts the others; None where there is none."""
    if not found:
        return None
    parts = [f"{unchanged.condition} {100 * unchanged.share:.0f} %" for unchanged in found[:SHOWN]]
    if len(found) > SHOWN:
        parts.append(f"and {len(found) - SHOWN} more conditions above {100 * NOTABLE:.0f} %")
    return f"unchanged samples, scored as clean ones: {', '.join(parts)}"
