"""How far a corruption takes its inputs from clean, severity by severity, as measured on real inputs.

The figures lie beside this module in `measured.json`, which `python -m corruptions.measure` writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from itertools import pairwise

from corruptions.catalogue import get
from corruptions.entry import Corruption
from corruptions.errors import InvalidInputError

__all__ = ["EPSILON", "Distance", "distances", "flags", "growth_measure", "stalls"]

EPSILON = 1e-4
"""A distance grows from one severity to the next if it gains more than this, the figures' last decimal."""

_BY_DIFFERENCE = ("colour", "geometry")


@dataclass(frozen=True, slots=True)
class Distance:
    """Mean distance from clean at one severity; None where it does not apply to the kind.

    Attributes:
        severity: 1 to 5.
        dissimilarity: pictures: 1 - SSIM, in 0-2; 0 is the clean picture (Wang et al., IEEE TIP 2004).
        difference: pictures: mean absolute difference of the channel values, share of full scale, in 0-1.
        edits: texts: Levenshtein distance over the longer text's characters, in 0-1.
        hit: modalities: share of the samples hit, in 0-1.
        unchanged: share of the inputs that came back as they were, in 0-1.
    """

    severity: int
    dissimilarity: float | None = None
    difference: float | None = None
    edits: float | None = None
    hit: float | None = None
    unchanged: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """Plain data without what does not apply."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def growth_measure(entry: Corruption) -> str:
    """The field of Distance that decides whether an entry's severity grows.

    `edits` for texts, `hit` for modalities, and for pictures `dissimilarity`, but `difference` for two
    families: SSIM compares the structure of brightness, so it hardly sees colour, and for geometry it
    soon says that the moved picture is another one and then no more.
    """
    if entry.kind == "text":
        return "edits"
    if entry.kind == "modality":
        return "hit"
    return "difference" if entry.family in _BY_DIFFERENCE else "dissimilarity"


def distances(name: str, profile: str | None = None) -> tuple[Distance, ...]:
    """The measured distances of a corruption, severities 1 to 5.

    `profile` is one of the entry's tables, by default its first. Pictures were 224 x 224, for tables of
    small pictures 64 x 64. Raises UnknownCorruptionError, or InvalidInputError for a table that it lacks.
    """
    entry = get(name)
    table = next(iter(entry.parameters)) if profile is None else profile
    entry.value(1, table)
    try:
        return _measured()[name][table]
    except KeyError:
        raise InvalidInputError(
            f"{name}: nothing measured for profile {table!r}; run python -m corruptions.measure"
        ) from None


def stalls(entry: Corruption, found: Sequence[Distance]) -> tuple[int, ...]:
    """The severities after which the entry's growth measure does not grow."""
    measure = growth_measure(entry)
    return tuple(
        low.severity
        for low, high in pairwise(found)
        if getattr(high, measure) - getattr(low, measure) <= EPSILON
    )


def flags(name: str, profile: str | None = None) -> tuple[str, ...]:
    """What the measured distances of a table warn of: `not growing 3-4`, `no-op 1-5: 42 %`.

    From one severity to another it is `not growing` by `stalls`. A severity is a `no-op` for the share of
    the inputs that it left unchanged, rounded up; modality corruptions leave samples alone by design and
    have no such flag. Errors as those of `distances`.
    """
    entry = get(name)
    found = distances(name, profile)
    warnings = [f"not growing {first}-{last + 1}" for first, last in _runs(stalls(entry, found))]
    if entry.kind != "modality":
        shares = {d.severity: math.ceil(round(100 * d.unchanged, 2)) for d in found if d.unchanged > 0}
        for share in dict.fromkeys(shares.values()):
            for first, last in _runs([severity for severity, own in shares.items() if own == share]):
                warnings.append(f"no-op {first if first == last else f'{first}-{last}'}: {share} %")
    return tuple(warnings)


def _runs(severities: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of every run of severities without a gap."""
    firsts = [severity for severity in severities if severity - 1 not in severities]
    return [(first, next(s for s in range(first, 6) if s + 1 not in severities)) for first in firsts]


@cache
def _measured() -> Mapping[str, Mapping[str, tuple[Distance, ...]]]:
    text = resources.files("corruptions").joinpath("measured.json").read_text(encoding="utf-8")
    return {
        name: {
            profile: tuple(Distance(severity=int(row.pop("severity")), **row) for row in rows)
            for profile, rows in profiles.items()
        }
        for name, profiles in json.loads(text)["corruptions"].items()
    }
