"""Which samples were right and are wrong now: what a reviewer looks at first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dmsbench.gate.evaluate import RIGHT
from dmsbench.gate.saved import TEXTS, SavedReference
from dmsbench.gate.sides import Gated, Side
from dmsbench.grid import Condition, View

_CELL = ("image_corruption", "image_severity", "text_corruption", "text_severity")
_KEYS = ("sample_id", *_CELL)


@dataclass(frozen=True, slots=True)
class Flip:
    """An answer that was right (a score of at least 0.5) and is wrong now."""

    condition: Condition
    sample: str
    group: str
    question: str
    references: tuple[str, ...]
    before: str | None
    """The reference's answer, of a search the rank; None where the saved reference has no predictions."""
    after: str
    score_before: float
    score_after: float


@dataclass(frozen=True, slots=True)
class Flips:
    """All of them, the worst condition first, by sample id within one."""

    lost: tuple[Flip, ...]
    """Right → wrong."""
    gained: int
    """How many went from wrong to right."""
    note: str | None
    """What the list lacks, and how it is had."""


def flips(gated: Gated) -> Flips:
    """Right → wrong, sample by sample, by the run's own score, on the conditions that both sides have.

    The question is the one that was asked: as the corruption left it. Raises as reading does.
    """
    order = {count.condition: place for place, count in enumerate(gated.result.flips)}
    gained = sum(count.gained for count in gated.result.flips)
    before, after = _frame(gated.reference), _frame(gated.candidate)
    both = before.merge(after, on=list(_KEYS), suffixes=("_before", "_after"))
    lost = both[(both["score_before"] >= RIGHT) & (both["score_after"] < RIGHT)]
    wanted = lost[list(_KEYS)]
    texts = {
        "before": _texts(gated.reference, wanted),
        "after": _texts(gated.candidate, wanted),
    }
    found = []
    for row in lost.itertuples(index=False):
        key = tuple(getattr(row, name) for name in _KEYS)
        condition = Condition(
            View(str(row.image_corruption), int(row.image_severity)),
            View(str(row.text_corruption), int(row.text_severity)),
        )
        said, known = texts["before"].get(key), texts["after"].get(key)
        told = known or said
        found.append(
            Flip(
                condition=condition,
                sample=str(row.sample_id),
                group=str(row.group_after),
                question=told.question if told else "",
                references=told.references if told else (),
                before=None if said is None else said.answer,
                after="" if known is None else known.answer,
                score_before=float(row.score_before),
                score_after=float(row.score_after),
            )
        )
    found.sort(key=lambda flip: (order.get(flip.condition, len(order)), flip.sample))
    return Flips(tuple(found), gained, _note(gated))


def _note(gated: Gated) -> str | None:
    bare = [
        f"the saved {word}"
        for word, side in (("reference", gated.reference), ("candidate", gated.candidate))
        if isinstance(side, SavedReference) and not side.has_predictions
    ]
    if not bare:
        return None
    return (
        f"{' and '.join(bare)} holds no predictions, so what it answered is not shown; dmsbench reference "
        "save --with-predictions keeps them"
    )


@dataclass(frozen=True, slots=True)
class _Texts:
    question: str
    references: tuple[str, ...]
    answer: str


def _frame(side: Side) -> pd.DataFrame:
    frame = side.records([*_KEYS, "group", "score", "status"])
    for name in ("sample_id", "group", "image_corruption", "text_corruption"):
        # Categories of two runs differ, and do not merge.
        frame[name] = frame[name].astype(object)
    found: pd.DataFrame = frame[frame["status"] == "ok"].drop(columns="status")
    return found


def _texts(side: Side, wanted: pd.DataFrame) -> dict[tuple[object, ...], _Texts]:
    """By sample and condition, of the rows that are wanted alone; empty where the side keeps no texts."""
    if isinstance(side, SavedReference) and not side.has_predictions:
        return {}
    frame = side.records([*_KEYS, *TEXTS])
    for name in ("sample_id", "image_corruption", "text_corruption"):
        frame[name] = frame[name].astype(object)
    kept = frame.merge(wanted, on=list(_KEYS))
    columns: list[Sequence[object]] = [kept[name].tolist() for name in (*_KEYS, *TEXTS)]
    return {
        tuple(row[: len(_KEYS)]): _Texts(
            str(row[-4] or ""),
            tuple(map(str, row[-3] if row[-3] is not None else ())),
            _answer(row[-2], row[-1]),
        )
        for row in zip(*columns, strict=True)
    }


def _answer(prediction: object, rank: object) -> str:
    if isinstance(prediction, str):
        return prediction
    if isinstance(rank, int | float) and not math.isnan(rank):
        return f"rank {int(rank)}"
    return ""
