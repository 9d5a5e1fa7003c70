"""All that is computed of a run, from its records alone; printing, drawing and writing are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from dmsbench.errors import NotComparableError
from dmsbench.report.groups import Groups, grouped
from dmsbench.report.leaderboard import Leaderboard, ReportInfo, build
from dmsbench.report.roles import fitted_on
from dmsbench.report.scheduling import MEASURES as SCHEDULING
from dmsbench.report.scheduling import Scheduling, scheduling
from dmsbench.scores import Comparison, Scorecard, ScoreTable, scorecard_of_table
from dmsbench.scores.answer_types import answer_type_scores, sample_types
from dmsbench.scores.calibration import MEASURES as CALIBRATION
from dmsbench.scores.calibration import Calibration, calibration
from dmsbench.scores.paired import compare_pairs
from dmsbench.scores.pairing import pair_rows
from dmsbench.scores.retrieval import retrieval_scores, sample_directions
from dmsbench.scores.rows import Rows, read_rows
from dmsbench.truth import told

if TYPE_CHECKING:
    from dmsbench.runner.store import RunFolder

COMPARED = 8
"""Up to so many models are compared each with each; of more, the first with the others."""


@dataclass(frozen=True, slots=True)
class PairScores:
    """Model ``b`` against model ``a`` of one run: what ``dmsbench compare a b`` says."""

    a: str
    b: str
    comparison: Comparison
    groups: Groups


@dataclass(frozen=True, slots=True)
class RunScores:
    """The finished models of a run, in the manifest's order, and what was computed of them."""

    folder: RunFolder
    manifest: Mapping[str, Any]
    info: ReportInfo
    subtitle: str
    """The data, their size and the seed in one line."""
    score_name: str
    """``accuracy`` of questions, else the score's name."""
    chance: float | None
    rows: Mapping[str, Rows]
    cards: Mapping[str, Scorecard]
    board: Leaderboard
    scheduled: tuple[Scheduling, ...] = ()
    pairs: tuple[PairScores, ...] = ()
    """In the order of the models, ``a`` before ``b``."""
    calibration: Mapping[str, tuple[Calibration, ...]] = field(default_factory=dict)
    """Of questions alone: only there is confidence the probability that the answer is right."""
    unfinished: tuple[str, ...] = ()
    """Models whose records are not complete; they are left out."""


def read_run(folder: RunFolder, manifest: Mapping[str, Any], *, full: bool = True) -> RunScores:
    """Reads and scores a run; ``full=False`` leaves out pairs and calibration.

    Raises NotComparableError where no model is finished, DmsbenchError where a part is damaged.
    """
    unfinished = tuple(name for name in manifest["models"] if folder.missing(name))
    finished = [name for name in manifest["models"] if name not in unfinished]
    if not finished:
        raise NotComparableError(
            f"{folder.path}: no model is finished yet; run the suite again to complete it"
        )
    chance = (manifest["chance"] or {}).get("value")
    identity, data = manifest["identity"], manifest["dataset"]
    searching = identity["task"] == "retrieval"
    rows, types, searches = {}, {}, {}
    for name in finished:
        records = folder.records(name)
        rows[name] = read_rows(records, (*SCHEDULING, *CALIBRATION, *(("rank",) if searching else ())))
        if searching:
            searches[name] = retrieval_scores(rows[name], sample_directions(records))
        else:
            types[name] = answer_type_scores(rows[name], sample_types(records))
    cards = {name: scorecard_of_table(ScoreTable.from_rows(own), chance=chance) for name, own in rows.items()}
    info = ReportInfo(
        suite=identity["suite"],
        dataset=f"{data['name']}/{data['split']}",
        n_samples=data["samples"],
        seed=identity["seed"],
        score=identity["score"],
        fingerprint=manifest["fingerprint"],
        profile=identity["profile"],
        truth=tuple(told(manifest)),
    )
    calibrated = full and identity["task"] == "vqa"
    return RunScores(
        folder=folder,
        manifest=manifest,
        info=info,
        subtitle=f"{info.dataset}, {info.n_samples} samples of {data['images']} images, seed {info.seed}",
        score_name="accuracy" if identity["task"] == "vqa" else manifest["suite"]["score"],
        chance=chance,
        rows=rows,
        cards=cards,
        board=build(cards, info, types, searches),
        scheduled=scheduling(rows, manifest),
        pairs=_pairs(rows, manifest) if full else (),
        calibration={name: calibration(own) for name, own in rows.items()} if calibrated else {},
        unfinished=unfinished,
    )


def _pairs(rows: Mapping[str, Rows], manifest: Mapping[str, Any]) -> tuple[PairScores, ...]:
    found = []
    for a, b in _compared(list(rows)):
        pairs = pair_rows(rows[a], rows[b], (a, b))
        fitted = {name for model in (a, b) for name in fitted_on(manifest["models"][model])}
        found.append(PairScores(a, b, compare_pairs(pairs), grouped(pairs, fitted)))
    return tuple(found)


def _compared(names: list[str]) -> list[tuple[str, str]]:
    if len(names) <= COMPARED:
        return list(combinations(names, 2))
    return [(names[0], name) for name in names[1:]]
