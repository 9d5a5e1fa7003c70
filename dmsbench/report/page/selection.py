"""Which samples the page shows of each condition: those on which models part, then right and wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from dmsbench.data.base import shuffled
from dmsbench.grid import Condition
from dmsbench.scores.rows import BoolArray, FloatArray, IntArray, Rows

RIGHT = 0.5
"""A score from here on is shown as right."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A sample under a condition, by their positions in ``Selection``."""

    sample: int
    condition: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What is shown, and how much more there is."""

    models: tuple[str, ...]
    samples: tuple[str, ...]
    conditions: tuple[Condition, ...]
    picks: tuple[Pick, ...]
    """One of each condition, then the second of each, and so on."""
    counts: Mapping[str, Any]
    """Of all samples, by condition: ``better[c][x][y]``: x scores higher than y; ``right``, ``wrong``: all
    models do; ``errors``: one fails."""


def select(rows: Mapping[str, Rows], *, seed: int) -> Selection:
    """Up to some twenty samples of each condition, from the finished models of a run.

    Of each ordered pair of models those on which the first is ahead by most; then some that all have right,
    all have wrong, and on which one failed. Ties go by an order of the images drawn from ``seed``, the same
    for all conditions, so that one picture serves many. Models that were not asked the same as the first are
    left out.
    """
    first = next(iter(rows.values()))
    alike = {name: own for name, own in rows.items() if _same(own, first)}
    shape = (len(first.samples), len(first.conditions))
    scores, errors = np.full((len(alike), *shape), np.nan), np.zeros(shape, dtype=np.bool_)
    for i, own in enumerate(alike.values()):
        scores[i].flat[own.cell] = own.score
        errors.flat[own.cell[own.error]] = True
    rank = _rank(first, seed)
    chosen = [_of_condition(scores[:, :, c], errors[:, c], rank) for c in range(shape[1])]
    longest = max(map(len, chosen), default=0)
    return Selection(
        models=tuple(alike),
        samples=first.samples,
        conditions=first.conditions,
        picks=tuple(
            Pick(own[turn], condition)
            for turn in range(longest)
            for condition, own in enumerate(chosen)
            if turn < len(own)
        ),
        counts=_counts(scores, errors),
    )


def _same(own: Rows, first: Rows) -> bool:
    return own.samples == first.samples and own.conditions == first.conditions


def _rank(rows: Rows, seed: int) -> IntArray:
    """(S,) places of the samples, whole images together."""
    place = {group: i for i, group in enumerate(shuffled(rows.groups, seed))}
    order = sorted(range(len(rows.samples)), key=lambda i: (place[rows.sample_groups[i]], rows.samples[i]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _of_condition(scores: FloatArray, errors: BoolArray, rank: IntArray) -> list[int]:
    """The samples of one condition from (M, S) scores, most telling first."""
    models = len(scores)
    each = 4 if models <= 2 else 2 if models <= 6 else 1
    classes: list[IntArray] = []
    with np.errstate(invalid="ignore"):
        for x, y in permutations(range(models), 2):
            lead = scores[x] - scores[y]
            ahead = np.flatnonzero(lead > 0.0)
            # Leads of one size are ties, whatever their last bits.
            classes.append(ahead[np.lexsort((rank[ahead], -np.round(lead[ahead], 6)))][:each])
        right = (scores >= RIGHT).all(axis=0)
        wrong = (scores < RIGHT).all(axis=0)
    for mask in (right, wrong, errors):
        found = np.flatnonzero(mask)
        classes.append(found[np.argsort(rank[found], kind="stable")][: max(2, each)])
    # A member of each class in turn, so that what is cut off at the end costs all alike.
    turns = [own[turn] for turn in range(max(map(len, classes))) for own in classes if turn < len(own)]
    return list(dict.fromkeys(int(one) for one in turns))


def _counts(scores: FloatArray, errors: BoolArray) -> dict[str, Any]:
    models = range(len(scores))
    with np.errstate(invalid="ignore"):
        better = [[(scores[x] > scores[y]).sum(axis=0) for y in models] for x in models]
        right = (scores >= RIGHT).all(axis=0).sum(axis=0)
        wrong = (scores < RIGHT).all(axis=0).sum(axis=0)
    return {
        "better": np.array(better).transpose(2, 0, 1).tolist(),
        "right": right.tolist(),
        "wrong": wrong.tolist(),
        "errors": errors.sum(axis=0).tolist(),
        "all": (~np.isnan(scores)).any(axis=0).sum(axis=0).tolist(),
    }
