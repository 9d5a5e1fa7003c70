"""From a run's records to everything that a run leaves for people: leaderboard, curves, scheduling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dmsbench.places import Place, Remote
from dmsbench.plain_text import printable
from dmsbench.report.curves import draw_curves
from dmsbench.report.groups import RELATION_NOTE
from dmsbench.report.leaderboard import Leaderboard, write
from dmsbench.report.page import write_page
from dmsbench.report.run_scores import RunScores, read_run
from dmsbench.report.scheduling import Scheduling
from dmsbench.report.scheduling_files import write as write_scheduling
from dmsbench.report.scheduling_tables import scheduling_tables
from dmsbench.report.tables import corruption_tables, scorecard_table
from dmsbench.report.unchanged import unchanged_note
from dmsbench.scores import Scorecard

if TYPE_CHECKING:
    from rich.console import Console

    from dmsbench.runner.store import RunFolder


@dataclass(frozen=True, slots=True)
class Report:
    """What was computed, and the files that were written."""

    scorecards: Mapping[str, Scorecard]
    leaderboard: Leaderboard
    files: tuple[Place, ...]
    #: Models whose records are not complete; they are left out.
    unfinished: tuple[str, ...]
    scheduled: tuple[Scheduling, ...] = ()


def build_report(folder: RunFolder, manifest: Mapping[str, Any]) -> Report:
    """Scores every finished model of a run and writes leaderboard, curves and page into its folder.

    Where models are scheduled, scheduling.json, scheduling.md and the curves of the weights too. Raises
    NotComparableError where no model is finished.
    """
    return write_report(read_run(folder, manifest))


def write_report(found: RunScores) -> Report:
    """Writes what was computed into the run's folder."""
    files = placed(found.folder.path, lambda folder: _written(found, folder))
    return Report(found.cards, found.board, files, found.unfinished, found.scheduled)


def placed(where: Place, write: Callable[[Path], Iterable[Path]]) -> tuple[Place, ...]:
    """Has files written into a folder; returns them where they belong.

    ``write`` is given a folder of this machine and returns its files; behind a URL they are put afterwards.
    Raises StorageError where they cannot be put.
    """
    if not isinstance(where, Remote):
        return tuple(write(where))
    with TemporaryDirectory(prefix="dmsbench-") as temporary:
        made = {where / path.name: path.read_bytes() for path in write(Path(temporary))}
    for target, content in made.items():
        target.write_bytes(content)
    return tuple(made)


def _written(found: RunScores, path: Path) -> list[Path]:
    files = write(found.board, path)
    if any(card.corruptions for card in found.cards.values()):
        files += draw_curves(
            found.cards,
            title=f"{found.info.suite}: score against severity",
            subtitle=found.subtitle,
            chance=found.chance,
            folder=path,
            score_name=found.score_name,
        )
    if found.scheduled:
        files += write_scheduling(found.scheduled, found.info, path, found.subtitle)
    files.append(write_page(found, path))
    return files


def print_report(report: Report, console: Console) -> None:
    """The leaderboard, the score of every corruption, and where the files are."""
    console.print(scorecard_table(report.leaderboard, console.width))
    for line in report.leaderboard.info.truth:
        console.print(printable(line), highlight=False, markup=False, soft_wrap=True)
    if any(card.corruptions for card in report.scorecards.values()):
        for table in corruption_tables(report.scorecards, console.width):
            console.print(table)
    for table in scheduling_tables(report.scheduled):
        console.print(table)
    if any(one.groups.by_relation for one in report.scheduled):
        console.print(RELATION_NOTE, highlight=False, markup=False, soft_wrap=True)
    if report.unfinished:
        console.print(
            printable(f"not finished, so not shown: {', '.join(report.unfinished)}"),
            highlight=False,
            markup=False,
        )
    note = unchanged_note(report.leaderboard.unchanged)
    if note is not None:
        console.print(printable(note), highlight=False, markup=False)
    names = ", ".join(path.name for path in report.files)
    console.print(f"written: {names}", highlight=False, markup=False, soft_wrap=True)
