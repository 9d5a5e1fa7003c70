"""The models of a group scored, ranked and set beside the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dmsbench.report.board.merge import Group, newest
from dmsbench.report.board.names import clashing, digest_of, labels
from dmsbench.report.leaderboard import Leaderboard, LeaderboardRow, build
from dmsbench.report.run_scores import ModelScores, info_of, score_model
from dmsbench.scores.ranking import PairDifference, RankRange, differences, judged, ranges, resolvable

if TYPE_CHECKING:
    from dmsbench.runner.find import Entrant


@dataclass(frozen=True, slots=True)
class Behind:
    """A model's mean minus the best one's, paired by sample; shares in [−1, 1]."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A model on the board."""

    row: LeaderboardRow
    ranks: RankRange | None
    """The places that it may hold; None without a mean."""
    tied: bool
    """Whether another model has the same mean."""
    behind: Behind | None
    """None of the best, and without a mean."""
    spec: str
    version: str
    """Of dmsbench, that asked it."""


@dataclass(frozen=True, slots=True)
class Board:
    """The models of one suite fingerprint, best mean first."""

    leaderboard: Leaderboard
    entries: tuple[Entry, ...]
    pairs: tuple[PairDifference, ...]
    """Every two models by label, the alphabet's first as ``a``."""
    licence: str
    data_fingerprint: str
    date: str
    """Of the newest run, as its manifest has it; empty where none says."""
    resolvable: bool
    """Whether there are images enough for any difference to be found."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """By label, how many further runs hold the very same records."""


def build_board(group: Group) -> Board:
    """Reads, scores and ranks the models of a group; the same model with the same records is one entry.

    Raises NotComparableError where two models were not asked the same, DmsbenchError where a part is damaged.
    """
    manifest = group.manifest
    kept, same = _distinct(group.finished)
    # By name, so that it does not matter in which order the runs were given.
    named = dict(sorted(zip(labels(kept), kept, strict=True)))
    chance = (manifest["chance"] or {}).get("value")
    task = manifest["identity"]["task"]
    scores: dict[str, ModelScores] = {
        label: score_model(model.folder, model.model, task, chance) for label, model in named.items()
    }
    pairs = judged(differences({label: one.rows for label, one in scores.items()}))
    board = build(
        {label: one.card for label, one in scores.items()},
        info_of(manifest),
        {label: one.types for label, one in scores.items() if one.types is not None},
        {label: one.searches for label, one in scores.items() if one.searches is not None},
    )
    ranked = [row.model for row in board.rows if row.rank is not None]
    found = ranges(ranked, pairs)
    places = [row.rank for row in board.rows if row.rank is not None]
    best = ranked[0] if ranked else None
    when = newest(group.finished)
    return Board(
        leaderboard=board,
        entries=tuple(
            Entry(
                row=row,
                ranks=found.get(row.model),
                tied=row.rank is not None and places.count(row.rank) > 1,
                behind=None if best is None or row.rank is None else _behind(pairs, best, row.model),
                spec=str(named[row.model].manifest["models"][named[row.model].model].get("spec", "")),
                version=str(named[row.model].manifest.get("dmsbench", "")),
            )
            for row in board.rows
        ),
        pairs=pairs,
        licence=str(manifest["dataset"].get("licence", "")),
        data_fingerprint=str(manifest["identity"]["dataset"]["fingerprint"]),
        date="" if when is None else when.date().isoformat(),
        resolvable=resolvable(pairs),
        dropped={label: same[id(model)] for label, model in named.items() if same.get(id(model))},
    )


def _distinct(models: tuple[Entrant, ...]) -> tuple[list[Entrant], dict[int, int]]:
    """The models without those that repeat another's name, settings and records, and how often each did."""
    twice = clashing(models)
    kept: list[Entrant] = []
    seen: dict[tuple[str, str, str], Entrant] = {}
    same: dict[int, int] = {}
    for model in models:
        if model.model in twice:
            settings = str(model.manifest["models"][model.model].get("fingerprint"))
            key = (model.model, settings, digest_of(model.records()))
            if key in seen:
                same[id(seen[key])] = same.get(id(seen[key]), 0) + 1
                continue
            seen[key] = model
        kept.append(model)
    return kept, same


def _behind(pairs: tuple[PairDifference, ...], best: str, model: str) -> Behind | None:
    for pair in pairs:
        if (pair.a, pair.b) == (best, model):
            return Behind(pair.difference, pair.ci_low, pair.ci_high)
        if (pair.a, pair.b) == (model, best):
            return Behind(-pair.difference + 0.0, -pair.ci_high + 0.0, -pair.ci_low + 0.0)
    return None
