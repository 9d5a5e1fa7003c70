"""Models of one name in several runs: the same one is one entry, others are told apart by their folders."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from dmsbench.places import Place

if TYPE_CHECKING:
    from dmsbench.runner.find import Entrant

_KEYS = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]
_TEXTS = ("group", "image_corruption", "text_corruption", "prediction", "status")
_COMPARED = [*_KEYS, "group", "prediction", "score", "status", "changed", "rank"]
"""What scores rest on. Confidences may differ in their last bits between machines."""


def clashing(models: Sequence[Entrant]) -> set[str]:
    """Names that several models have."""
    return {name for name, count in Counter(model.model for model in models).items() if count > 1}


def digest_of(records: pd.DataFrame) -> str:
    """Equal for records of the same answers and scores, in whatever order."""
    ordered = records[_COMPARED].sort_values(_KEYS, kind="stable")
    # Categories hash by their codes, which differ between equal texts.
    plain = {name: ordered[name].astype(object) for name in ("sample_id", *_TEXTS)}
    plain |= {name: ordered[name] for name in _COMPARED if name not in plain}
    hashed = pd.util.hash_pandas_object(pd.DataFrame(plain), index=False)
    return hashlib.blake2b(hashed.to_numpy().tobytes(), digest_size=16).hexdigest()


def labels(models: Sequence[Entrant]) -> list[str]:
    """A label for each model, no two alike: its name, where several have it with the folder behind it.

    The folder is the end of its path that tells the models of that name apart, without what all have in
    common at the end: of ``/a/S1/smoke/01`` and ``/a/S2/smoke/01`` it is ``S1`` and ``S2``.
    """
    twice = clashing(models)
    found = {i: model.model for i, model in enumerate(models) if model.model not in twice}
    for name in sorted(twice):
        members = {i: model.folder.path for i, model in enumerate(models) if model.model == name}
        for i, tail in _tails(members).items():
            found[i] = f"{name} ({tail})"
    taken: set[str] = set()
    for i in sorted(found, key=lambda i: (models[i].model in twice, i)):
        plain, number = found[i], 2
        while found[i] in taken:  # a model may be named just like that
            found[i], number = f"{plain} #{number}", number + 1
        taken.add(found[i])
    return [found[i] for i in range(len(models))]


def _tails(paths: Mapping[int, Place]) -> dict[int, str]:
    parts = {i: path.resolve().parts for i, path in paths.items()}
    while all(len(own) > 1 for own in parts.values()) and len({own[-1] for own in parts.values()}) == 1:
        parts = {i: own[:-1] for i, own in parts.items()}
    length = 1
    while len({own[-length:] for own in parts.values()}) < len(parts):
        length += 1
    return {i: "/".join(own[-length:]) for i, own in parts.items()}
