"""From a run's records to everything that a run leaves for people: leaderboard, curves, scheduling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmsbench.errors import NotComparableError
from dmsbench.report.curves import draw_curves
from dmsbench.report.groups import RELATION_NOTE
from dmsbench.report.leaderboard import Leaderboard, ReportInfo, build, write
from dmsbench.report.scheduling import MEASURES, Scheduling, scheduling
from dmsbench.report.scheduling_files import write as write_scheduling
from dmsbench.report.scheduling_tables import scheduling_tables
from dmsbench.report.tables import corruption_tables, scorecard_table
from dmsbench.report.unchanged import unchanged_note
from dmsbench.scores import Scorecard, ScoreTable, scorecard_of_table
from dmsbench.scores.answer_types import answer_type_scores, sample_types
from dmsbench.scores.retrieval import retrieval_scores, sample_directions
from dmsbench.scores.rows import read_rows
from dmsbench.truth import told

if TYPE_CHECKING:
    from rich.console import Console

    from dmsbench.runner.store import RunFolder


@dataclass(frozen=True, slots=True)
class Report:
    """What was computed, and the files that were written."""

    scorecards: Mapping[str, Scorecard]
    leaderboard: Leaderboard
    files: tuple[Path, ...]
    #: Models whose records are not complete; they are left out.
    unfinished: tuple[str, ...]
    scheduled: tuple[Scheduling, ...] = ()


def build_report(folder: RunFolder, manifest: dict[str, Any]) -> Report:
    """Scores every finished model of a run and writes leaderboard and curves into its folder.

    Where models are scheduled, scheduling.json, scheduling.md and the curves of the weights too. Raises
    NotComparableError where no model is finished.
    """
    unfinished = tuple(name for name in manifest["models"] if folder.missing(name))
    finished = [name for name in manifest["models"] if name not in unfinished]
    if not finished:
        raise NotComparableError(
            f"{folder.path}: no model is finished yet; run the suite again to complete it"
        )
    chance = (manifest["chance"] or {}).get("value")
    searching = manifest["identity"]["task"] == "retrieval"
    rows, types, searches = {}, {}, {}
    for name in finished:
        records = folder.records(name)
        rows[name] = read_rows(records, (*MEASURES, "rank") if searching else MEASURES)
        if searching:
            searches[name] = retrieval_scores(rows[name], sample_directions(records))
        else:
            types[name] = answer_type_scores(rows[name], sample_types(records))
    cards = {name: scorecard_of_table(ScoreTable.from_rows(own), chance=chance) for name, own in rows.items()}
    identity, data = manifest["identity"], manifest["dataset"]
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
    subtitle = f"{info.dataset}, {info.n_samples} samples of {data['images']} images, seed {info.seed}"
    board = build(cards, info, types, searches)
    files = write(board, folder.path)
    if any(card.corruptions for card in cards.values()):
        files += draw_curves(
            cards,
            title=f"{info.suite}: score against severity",
            subtitle=subtitle,
            chance=chance,
            folder=folder.path,
            score_name="accuracy" if identity["task"] == "vqa" else manifest["suite"]["score"],
        )
    scheduled = scheduling(rows, manifest)
    if scheduled:
        files += write_scheduling(scheduled, info, folder.path, subtitle)
    return Report(cards, board, tuple(files), unfinished, scheduled)


def print_report(report: Report, console: Console) -> None:
    """The leaderboard, the score of every corruption, and where the files are."""
    console.print(scorecard_table(report.leaderboard, console.width))
    for line in report.leaderboard.info.truth:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if any(card.corruptions for card in report.scorecards.values()):
        for table in corruption_tables(report.scorecards, console.width):
            console.print(table)
    for table in scheduling_tables(report.scheduled):
        console.print(table)
    if any(one.groups.by_relation for one in report.scheduled):
        console.print(RELATION_NOTE, highlight=False, markup=False, soft_wrap=True)
    if report.unfinished:
        console.print(
            f"not finished, so not shown: {', '.join(report.unfinished)}", highlight=False, markup=False
        )
    note = unchanged_note(report.leaderboard.unchanged)
    if note is not None:
        console.print(note, highlight=False, markup=False)
    names = ", ".join(path.name for path in report.files)
    console.print(f"written: {names}", highlight=False, markup=False, soft_wrap=True)
