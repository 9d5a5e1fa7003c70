"""What each model of a run is to the others, from the manifest: static fusion, a fixed point, scheduled."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

UNIFORM = (0.5, 0.5)
"""The fixed point that is static fusion."""


@dataclass(frozen=True, slots=True)
class Lineup:
    """The models of one checkpoint, loaded alike (weights, dtype, prompt, generation, device)."""

    static: str | None
    """The model with static fusion; a model at the uniform point where there is no other."""
    points: Mapping[str, tuple[float, float]]
    """Models at fixed points: the weights of image and text."""
    scheduled: Mapping[str, tuple[str, ...]]
    """Models that choose weights by sample: the corruptions that each was fitted on, empty where none."""


def lineups(manifest: Mapping[str, Any], names: Iterable[str]) -> tuple[Lineup, ...]:
    """The named models by checkpoint, in the order of the names; only checkpoints with a scheduled model."""
    members: dict[str, list[tuple[str, Mapping[str, Any] | None]]] = {}
    for name in names:
        settings = dict(manifest["models"][name].get("settings") or {})
        fusion = settings.pop("fusion", None)
        members.setdefault(json.dumps(settings, sort_keys=True), []).append((name, fusion))
    found = (_lineup(models) for models in members.values())
    return tuple(lineup for lineup in found if lineup.scheduled)


def fitted_on(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The corruptions that a model of a manifest was fitted on; none for one without a fit."""
    fusion = (entry.get("settings") or {}).get("fusion") or {}
    return tuple(sorted(fusion.get("fitted_on", ())))


def _lineup(models: Iterable[tuple[str, Mapping[str, Any] | None]]) -> Lineup:
    plain: list[str] = []
    points: dict[str, tuple[float, float]] = {}
    scheduled: dict[str, tuple[str, ...]] = {}
    for name, fusion in models:
        if fusion is None:
            plain.append(name)
        elif fusion.get("scheduler") == "fixed":
            image, text = (float(share) for share in str(fusion["point"]).split(","))
            points[name] = (image, text)
        else:
            scheduled[name] = tuple(sorted(fusion.get("fitted_on", ())))
    uniform = [name for name, point in points.items() if point == UNIFORM]
    static = next(iter((*plain, *uniform)), None)
    return Lineup(static, {name: at for name, at in points.items() if name != static}, scheduled)
