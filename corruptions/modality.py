"""Corruptions of a modality as a whole: which samples are hit, and whose image a sample gets instead."""

from __future__ import annotations

from collections.abc import Sequence

from corruptions.catalogue import get
from corruptions.entry import number
from corruptions.errors import InvalidInputError
from corruptions.seeding import key, uniform
from corruptions.validation import check_kind, check_severity

__all__ = ["derangement", "is_hit"]


def is_hit(seed: int, unit: str, corruption: str, severity: int) -> bool:
    """Whether this unit is hit by a modality corruption at this severity (1-5).

    One uniform number of (seed, unit, corruption) is compared with the share of the severity (0.2 to
    1.0). So the choice does not depend on the other units, a higher severity hits every unit that a
    lower one hits, and severity 5 hits all.
    """
    entry = get(corruption)
    check_kind(entry, "modality")
    return uniform(seed, unit, corruption) < number(entry.value(check_severity(severity)))


def derangement(seed: int, units: Sequence[str]) -> dict[str, str]:
    """Another unit for every unit, never its own: a single random cycle through the distinct units.

    The cycle runs through the units in the order of a seeded hash, so the result depends on the set and
    not on its order, and a unit more or less changes the partner of one other unit only.
    InvalidInputError (a ValueError) for fewer than two distinct units.
    """
    if isinstance(units, str):
        raise InvalidInputError("units is one string; pass a sequence of unit names")
    cycle = sorted(set(units), key=lambda unit: (key(seed, unit, "mismatch", 0), unit))
    if len(cycle) < 2:
        raise InvalidInputError(
            f"a mismatch needs at least 2 distinct units, got {len(cycle)}; add samples with other images"
        )
    return dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
