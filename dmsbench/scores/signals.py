"""What the recorded signals know of corruption: the AUROC of each against "this modality is corrupted"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from dmsbench.families import family_of
from dmsbench.grid import Condition, View
from dmsbench.scores.rows import BoolArray, FloatArray, Rows

SIGNALS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "image": ("confidence_image", "uncertainty_image", "consistency"),
        "text": ("confidence_text", "uncertainty_text", "consistency"),
    }
)
"""Modality → the signals that may tell whether it is corrupted, in the order of ``KINDS``."""
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
KINDS = ("confidence", "uncertainty", "consistency")
MEASURES = tuple(dict.fromkeys(name for names in SIGNALS.values() for name in names))
"""The columns of the records that ``signal_scores`` reads."""


@dataclass(frozen=True, slots=True)
class SignalScore:
    """One signal against one kind of damage."""

    signal: str
    modality: str
    """``image`` or ``text``: the one whose corruption is to be told."""
    family: str | None
    """The damage, as ``image:noise``; None for all damage of the modality together."""
    auroc: float
    """Probability that a corrupted row's signal exceeds a clean one's, ties half; ½ knows nothing, below ½
    the signal falls with corruption. NaN where either side has no measured row."""
    n_corrupted: int
    n_clean: int


def signal_scores(rows: Rows) -> tuple[SignalScore, ...]:
    """Every signal over all damage of its modality, then family by family in the order of their names.

    Of one model's rows, read with ``MEASURES``. A row is corrupted where its condition corrupts the modality
    and the row was changed, clean where the condition leaves the modality alone, whatever the other one
    shows; rows that a corruption left as they were are neither. Rows without the signal do not count.
    """
    found = []
    for modality, signals in SIGNALS.items():
        views = [_view(condition, modality) for condition in rows.conditions]
        clean = np.array([view.is_clean for view in views], dtype=np.bool_)[rows.condition]
        families = [family_of(view.corruption) for view in views]
        names = [None, *sorted({name for name in families if name is not None})]
        family = np.array([names.index(name) for name in families], dtype=np.int64)[rows.condition]
        for signal in signals:
            values = rows.measures[signal]
            measured = rows.ok & ~np.isnan(values)
            negative = measured & clean
            damaged = measured & ~clean & rows.changed
            beaten = _beaten(values, damaged, negative)
            for place, name in enumerate(names):
                positive = damaged if name is None else damaged & (family == place)
                pairs = float(positive.sum()) * float(negative.sum())
                found.append(
                    SignalScore(
                        signal,
                        modality,
                        name,
                        float(beaten[positive].sum()) / pairs if pairs else float("nan"),
                        int(positive.sum()),
                        int(negative.sum()),
                    )
                )
    return tuple(found)


def _beaten(values: FloatArray, damaged: BoolArray, negative: BoolArray) -> FloatArray:
    """(N,) how many negative rows lie below each damaged one, ties counting half; 0 elsewhere.

    Once for all families: sums of it over n⁺·n⁻ are ``headroom.auroc``.
    """
    against, rows = np.sort(values[negative]), np.flatnonzero(damaged)
    rows = rows[np.argsort(values[rows])]  # in order, so that the search stays in the cache
    found = np.zeros(len(values))
    below, up_to = (np.searchsorted(against, values[rows], side=side) for side in _SIDES)
    found[rows] = (below + up_to) / 2.0
    return found


def _view(condition: Condition, modality: str) -> View:
    return condition.image if modality == "image" else condition.text
