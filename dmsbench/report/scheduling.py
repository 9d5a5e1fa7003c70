"""What scheduling did in a run: headroom, weights, signals, and gains by kind of damage. Computed only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmsbench.report.groups import Groups, grouped
from dmsbench.report.roles import Lineup, lineups
from dmsbench.scores.headroom import Headroom, headroom
from dmsbench.scores.pairing import check_same_rows, pair_rows
from dmsbench.scores.rows import Rows
from dmsbench.scores.signals import MEASURES as SIGNAL_MEASURES
from dmsbench.scores.signals import SignalScore, signal_scores
from dmsbench.scores.weights import MEASURES as WEIGHT_MEASURES
from dmsbench.scores.weights import WeightResponse, weight_response

MEASURES = tuple(dict.fromkeys((*WEIGHT_MEASURES, *SIGNAL_MEASURES)))
"""The columns of the records that ``scheduling`` reads beside those of ``scores.rows``."""


@dataclass(frozen=True, slots=True)
class Scheduling:
    """One scheduled model beside the other models of its checkpoint."""

    model: str
    static: str | None
    """The model with static fusion that it is compared with."""
    points: Mapping[str, tuple[float, float]]
    """The models at fixed points, static aside: their weights of image and text."""
    fitted_on: tuple[str, ...]
    headroom: Headroom | None
    """Over all corrupted conditions; None without static fusion, without models at fixed points, and where
    no corrupted row has a score from them all."""
    groups: Groups
    """Against static fusion, empty without one."""
    weights: WeightResponse | None
    """None where no row was scheduled."""
    signals: tuple[SignalScore, ...]


def scheduling(rows: Mapping[str, Rows], manifest: Mapping[str, Any]) -> tuple[Scheduling, ...]:
    """Every scheduled model among ``rows``: models by name, read with ``MEASURES``.

    Raises NotComparableError where models of one checkpoint were not asked the same.
    """
    found = []
    for lineup in lineups(manifest, rows):
        for model, fitted in lineup.scheduled.items():
            groups = Groups()
            if lineup.static is not None:
                pairs = pair_rows(rows[lineup.static], rows[model], (lineup.static, model))
                groups = grouped(pairs, fitted)
            found.append(
                Scheduling(
                    model=model,
                    static=lineup.static,
                    points=lineup.points,
                    fitted_on=fitted,
                    headroom=_headroom(rows, lineup, model),
                    groups=groups,
                    weights=weight_response(rows[model]),
                    signals=signal_scores(rows[model]),
                )
            )
    return tuple(found)


def _headroom(rows: Mapping[str, Rows], lineup: Lineup, model: str) -> Headroom | None:
    """Over the corrupted conditions; rows without a score (errors, left out) count for nobody."""
    if lineup.static is None or not lineup.points:
        return None
    own, candidates = rows[model], (lineup.static, *lineup.points)
    for name in candidates:
        check_same_rows(rows[name], own, (name, model))
    corrupted = np.array([not condition.is_clean for condition in own.conditions], dtype=np.bool_)
    scores = np.column_stack([rows[name].score for name in candidates])
    kept = corrupted[own.condition] & ~np.isnan(scores).any(axis=1) & ~np.isnan(own.score)
    if not kept.any():
        return None
    return headroom(
        scores[kept],
        own.score[kept],
        candidates=candidates,
        conditions=np.array([str(one) for one in own.conditions])[own.condition[kept]].tolist(),
        groups=np.array(own.groups)[own.row_groups()[kept]].tolist(),
        static=lineup.static,
    )
