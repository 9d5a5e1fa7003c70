"""Families of damage, and how a condition relates to the corruptions that a scheduler was fitted on.

A family is a target and the catalogue's family, ``image:noise``: blanks of images and of texts are two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

import corruptions
from dmsbench.grid import Condition

FITTED, SAME_FAMILY, UNSEEN_FAMILY = "fitted", "same family", "unseen family"
RELATIONS = (FITTED, SAME_FAMILY, UNSEEN_FAMILY)
"""From the most familiar: this very corruption, another of a fitted one's family, neither."""
#: One corruption under two names.
_FULL_NAMES = {"mismatch_image": "mismatch"}
_FAMILY_OF: Mapping[str, str] = MappingProxyType(
    {entry.name: f"{entry.target}:{entry.family}" for entry in corruptions.catalogue()}
)


def family_of(corruption: str) -> str | None:
    """A corruption's family, None for a name that is not known here, or of a package that does not load."""
    if corruption in _FAMILY_OF:
        return _FAMILY_OF[corruption]
    try:
        entry = corruptions.get(corruption)
    except (corruptions.UnknownCorruptionError, corruptions.PluginError):
        return None
    return f"{entry.target}:{entry.family}"


def every_name(corruption: str) -> tuple[str, ...]:
    """The name, and the others that the same corruption has."""
    full = _FULL_NAMES.get(corruption, corruption)
    others = (full, *(name for name, of in _FULL_NAMES.items() if of == full))
    return tuple(dict.fromkeys((corruption, *others)))


def family_members() -> dict[str, tuple[str, ...]]:
    """Family → its corruptions, in the catalogue's order."""
    found: dict[str, list[str]] = {}
    for name, family in _FAMILY_OF.items():
        found.setdefault(family, []).append(name)
    return {family: tuple(names) for family, names in found.items()}


def condition_family(condition: Condition) -> str | None:
    """``image:noise``; ``image:noise+text:character`` where both sides are corrupted.

    None when clean, and where the catalogue does not hold a corruption.
    """
    parts = [family_of(name) for name in _corruptions_of(condition)]
    known = [part for part in parts if part is not None]
    return "+".join(known) if known and len(known) == len(parts) else None


def relation(condition: Condition, fitted_on: Collection[str]) -> str | None:
    """One of ``RELATIONS``; of a joint condition that of its less familiar side.

    None when clean, and where the catalogue does not hold a corruption that was not fitted on.
    """
    fitted = {_FULL_NAMES.get(name, name) for name in fitted_on}
    known = {family_of(name) for name in fitted}
    found = []
    for name in _corruptions_of(condition):
        if _FULL_NAMES.get(name, name) in fitted:
            found.append(FITTED)
        elif family_of(name) is None:
            return None
        else:
            found.append(SAME_FAMILY if family_of(name) in known else UNSEEN_FAMILY)
    return max(found, key=RELATIONS.index, default=None)


def by_family(conditions: Iterable[Condition]) -> dict[str, tuple[Condition, ...]]:
    """Corrupted conditions by family: images, texts and modalities as in the catalogue, joint ones last."""
    known = {family: rank for rank, family in enumerate(family_members())}
    found: dict[str, list[Condition]] = {}
    for condition in conditions:
        family = condition_family(condition)
        if family is not None:
            found.setdefault(family, []).append(condition)

    def key(family: str) -> tuple[int, list[int]]:
        # A family that another package brings comes after the catalogue's.
        parts = [known.get(part, len(known)) for part in family.split("+")]
        return len(parts), parts

    return {family: tuple(found[family]) for family in sorted(found, key=key)}


def by_relation(
    conditions: Iterable[Condition], fitted_on: Collection[str]
) -> dict[str, tuple[Condition, ...]]:
    """Corrupted conditions by ``relation``, in its order; empty where nothing was fitted on."""
    if not fitted_on:
        return {}
    related = [(condition, relation(condition, fitted_on)) for condition in conditions]
    groups = {name: tuple(one for one, found in related if found == name) for name in RELATIONS}
    return {name: members for name, members in groups.items() if members}


def _corruptions_of(condition: Condition) -> list[str]:
    return [view.corruption for view in (condition.image, condition.text) if not view.is_clean]
