"""Which runs may stand on one leaderboard, and which models of them are finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from dmsbench.errors import NotComparableError
from dmsbench.runner.find import Entrant, check_identities
from dmsbench.scores.pairing import missing

_OTHER = {
    "retrieval": "how they search",
    "settings": "settings of corruptions",
    "left_out": "what they leave out",
    "corruptions": "corruptions",
}
"""Words for what else an identity holds."""
_NEVER = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Group:
    """Models that answer the same questions under the same conditions."""

    finished: tuple[Entrant, ...]
    """At least one."""

    @property
    def manifest(self) -> dict[str, Any]:
        """The first run's: of all runs of the group data, grid, score and chance are those here."""
        return self.finished[0].manifest


@dataclass(frozen=True, slots=True)
class Merged:
    """What goes on the leaderboards, and what does not."""

    groups: tuple[Group, ...]
    """By suite; of one suite the newest first."""
    unfinished: tuple[Entrant, ...]


def merge(models: Sequence[Entrant], *, by_suite: bool) -> Merged:
    """The finished models as one group, or ``by_suite`` as one of each suite fingerprint.

    Raises NotComparableError, naming two runs and what differs, where those of a group do not ask the same,
    and where no model is finished.
    """
    families: dict[str, list[Entrant]] = {}
    for model in models:
        families.setdefault(str(model.manifest["fingerprint"]) if by_suite else "", []).append(model)
    for family in families.values():
        for other in family[1:]:
            _check(family[0], other, hint="" if by_suite else "; --by-suite makes one table per suite")
    unfinished = tuple(model for model in models if model.folder.lacks(model.model))
    left = {id(model) for model in unfinished}
    kept = [tuple(model for model in family if id(model) not in left) for family in families.values()]
    groups = [Group(family) for family in kept if family]
    if not groups:
        raise NotComparableError(
            f"no model is finished yet ({', '.join(model.label for model in unfinished)}); run the suite "
            "again to complete it"
        )
    newest_first = sorted(groups, key=lambda group: newest(group.finished) or _NEVER, reverse=True)
    return Merged(
        tuple(sorted(newest_first, key=lambda group: group.manifest["identity"]["suite"])), unfinished
    )


def newest(models: Sequence[Entrant]) -> datetime | None:
    """When the newest of the runs was made, as the manifests have it; None where none says."""
    found = [when for model in models if (when := _when(model.manifest)) is not None]
    return max(found, default=None)


def _when(manifest: Mapping[str, Any]) -> datetime | None:
    try:
        when = datetime.fromisoformat(manifest["created"])
    except (KeyError, TypeError, ValueError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


def _check(a: Entrant, b: Entrant, hint: str) -> None:
    """Raises NotComparableError where two runs do not ask the same, or not on the same terms."""
    if a.folder.path == b.folder.path:
        return
    names = (str(a.folder.path), str(b.folder.path))
    left, right = a.manifest["identity"], b.manifest["identity"]
    try:
        check_identities(left, right, names)
    except NotComparableError as error:
        raise NotComparableError(f"{error}{hint}") from None
    between = f"not comparable: {names[0]} and {names[1]} differ in"
    lacking = missing("conditions", left.get("conditions", ()), right.get("conditions", ()), names)
    if lacking:
        raise NotComparableError(f"not comparable: {'; '.join(lacking)}{hint}")
    for key in sorted({*left, *right}):
        if left.get(key) != right.get(key):
            raise NotComparableError(f"{between} {_OTHER.get(key, key)}{hint}")
    chances = [(manifest["chance"] or {}).get("value") for manifest in (a.manifest, b.manifest)]
    if chances[0] != chances[1]:
        raise NotComparableError(
            f"{between} chance ({chances[0]} and {chances[1]}): the same suite, by two versions of dmsbench; "
            "run both again with one"
        )
