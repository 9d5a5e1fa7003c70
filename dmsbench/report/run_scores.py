"""All that is computed of a run, from its records alone; printing, drawing and writing are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dmsbench.errors import NotComparableError
from dmsbench.report.groups import Groups, grouped
from dmsbench.report.leaderboard import Leaderboard, ReportInfo, build
from dmsbench.report.roles import fitted_on
from dmsbench.report.scheduling import MEASURES as SCHEDULING
from dmsbench.report.scheduling import Scheduling, scheduling
from dmsbench.scores import Comparison, Scorecard, ScoreTable, scorecard_of_table
from dmsbench.scores.answer_types import AnswerTypeScore, answer_type_scores, sample_types
from dmsbench.scores.calibration import MEASURES as CALIBRATION
from dmsbench.scores.calibration import Calibration, calibration
from dmsbench.scores.paired import compare_pairs
from dmsbench.scores.pairing import pair_rows
from dmsbench.scores.retrieval import RetrievalScores, retrieval_scores, sample_directions
from dmsbench.scores.rows import COLUMNS, Rows, read_rows
from dmsbench.truth import told

if TYPE_CHECKING:
    import pandas as pd

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
class ModelScores:
    """One model of a run."""

    rows: Rows
    card: Scorecard
    types: tuple[AnswerTypeScore, ...] | None
    """By answer type; None of retrieval."""
    searches: RetrievalScores | None
    """By direction; None but of retrieval."""


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
    unfinished = tuple(name for name in manifest["models"] if folder.lacks(name))
    finished = [name for name in manifest["models"] if name not in unfinished]
    if not finished:
        raise NotComparableError(
            f"{folder.path}: no model is finished yet; run the suite again to complete it"
        )
    chance = (manifest["chance"] or {}).get("value")
    identity, data = manifest["identity"], manifest["dataset"]
    models = {
        name: score_model(folder, name, identity["task"], chance, (*SCHEDULING, *CALIBRATION))
        for name in finished
    }
    rows = {name: model.rows for name, model in models.items()}
    cards = {name: model.card for name, model in models.items()}
    types = {name: model.types for name, model in models.items() if model.types is not None}
    searches = {name: model.searches for name, model in models.items() if model.searches is not None}
    info = info_of(manifest)
    asks = "vqa" in (identity["task"], manifest.get("samples_as"))
    calibrated = full and asks
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


def info_of(manifest: Mapping[str, Any]) -> ReportInfo:
    """What a manifest says was run."""
    identity, data = manifest["identity"], manifest["dataset"]
    return ReportInfo(
        suite=identity["suite"],
        dataset=f"{data['name']}/{data['split']}",
        n_samples=data["samples"],
        seed=identity["seed"],
        score=identity["score"],
        fingerprint=manifest["fingerprint"],
        profile=identity["profile"],
        truth=tuple(told(manifest)),
    )


def score_model(
    folder: RunFolder, model: str, task: str, chance: float | None, measures: Sequence[str] = ()
) -> ModelScores:
    """One model's scores, from its records; ``measures`` are further columns that the rows are to hold.

    Raises NotComparableError where records are missing, ValueError on invalid ones (``rows.read_rows``).
    """
    searching = task == "retrieval"
    of_sample = "direction" if searching else "references"
    measures = (*measures, *(("rank",) if searching else ()))
    table = folder.table(model, tuple(dict.fromkeys((*COLUMNS, *measures, of_sample))))
    firsts = _first_of_samples(table.select(["sample_id", of_sample]))
    rows = read_rows(table.select([*COLUMNS, *measures]).to_pandas(), measures)
    del table
    return ModelScores(
        rows=rows,
        card=scorecard_of_table(ScoreTable.from_rows(rows), chance=chance),
        types=None if searching else answer_type_scores(rows, sample_types(firsts)),
        searches=retrieval_scores(rows, sample_directions(firsts)) if searching else None,
    )


def _first_of_samples(table: pa.Table) -> pd.DataFrame:
    """The first record of each sample: lists of a million records are gigabytes, of a sample few."""
    seen = table["sample_id"].to_pandas().duplicated().to_numpy()
    found: pd.DataFrame = table.filter(pa.array(~seen)).to_pandas()
    return found


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
