"""From a run's records to everything that a run leaves for people: scorecards, leaderboard, curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmsbench.errors import NotComparableError
from dmsbench.report.curves import draw_curves
from dmsbench.report.leaderboard import Leaderboard, ReportInfo, build, write
from dmsbench.report.tables import corruption_table, scorecard_table
from dmsbench.report.unchanged import unchanged_note
from dmsbench.scores import Scorecard, scorecard
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


def build_report(folder: RunFolder, manifest: dict[str, Any]) -> Report:
    """Scores every finished model of a run and writes leaderboard and curves into its folder.

    Raises NotComparableError where no model is finished.
    """
    unfinished = tuple(name for name in manifest["models"] if folder.missing(name))
    finished = [name for name in manifest["models"] if name not in unfinished]
    if not finished:
        raise NotComparableError(
            f"{folder.path}: no model is finished yet; run the suite again to complete it"
        )
    chance = (manifest["chance"] or {}).get("value")
    cards = {name: scorecard(folder.records(name), chance=chance) for name in finished}
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
    board = build(cards, info)
    files = write(board, folder.path)
    if any(card.corruptions for card in cards.values()):
        files += draw_curves(
            cards,
            title=f"{info.suite}: score against severity",
            subtitle=f"{info.dataset}, {info.n_samples} samples of {data['images']} images, seed {info.seed}",
            chance=chance,
            folder=folder.path,
        )
    return Report(cards, board, tuple(files), unfinished)


def print_report(report: Report, console: Console) -> None:
    """The leaderboard, the score of every corruption, and where the files are."""
    console.print(scorecard_table(report.leaderboard))
    for line in report.leaderboard.info.truth:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if any(card.corruptions for card in report.scorecards.values()):
        console.print(corruption_table(report.scorecards))
    if report.unfinished:
        console.print(
            f"not finished, so not shown: {', '.join(report.unfinished)}", highlight=False, markup=False
        )
    note = unchanged_note(report.leaderboard.unchanged)
    if note is not None:
        console.print(note, highlight=False, markup=False)
    names = ", ".join(path.name for path in report.files)
    console.print(f"written: {names}", highlight=False, markup=False, soft_wrap=True)
