"""What grows with the records, and what must not: memory by the record, work ahead of the first part."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counted import count

import corruptions
from benchmarks import load
from dmsbench import gate
from dmsbench.report.run_scores import read_run
from dmsbench.runner.arms import Progress
from dmsbench.runner.find import entrant, newest
from dmsbench.runner.run import execute
from dmsbench.scores.paired import compare
from dmsbench.scores.rows import COLUMNS

FEW, MANY = 4_000, 40_000
MOST_BYTES = 600
"""That a record of each of two models may add to the peak: 1,000 are 2 GiB at two million records."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders of finished runs, by records of a model."""
    found = {}
    for records in (FEW, MANY):
        folder = tmp_path_factory.mktemp(str(records))
        load.make_data(folder, records)
        load.run(folder)
        found[records] = folder
        count("records of a load", 2 * records)
    return found


def scored(folder: Path) -> Any:
    where = newest(folder / "results")
    return read_run(where, where.manifest(), full=False)


def compared(folder: Path) -> Any:
    where = newest(folder / "results").path
    return compare(*(entrant(where, name).records(COLUMNS) for name in load.MODELS))


def gated(folder: Path) -> Any:
    where = newest(folder / "results").path
    return gate.evaluate(*(entrant(where, name).records(COLUMNS) for name in load.MODELS), tolerance=0.02)


@pytest.mark.parametrize("stage", [scored, compared, gated])
def test_memory_by_the_record(runs: dict[int, Path], stage: Callable[[Path], Any]) -> None:
    peaks = {}
    stage(runs[FEW])  # what is imported and cached once is not of the records
    for records, folder in runs.items():
        tracemalloc.start()
        assert stage(folder)
        peaks[records] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    added = (peaks[MANY] - peaks[FEW]) / (MANY - FEW)
    assert added < MOST_BYTES, f"{added:.0f} bytes a record"


class _FirstPart(Exception):  # noqa: N818 - no error: it ends a run that has shown enough
    pass


def ahead_of_first_part(suite: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what costs time is done before the first part with corrupted pictures is on disk."""
    done: Counter[str] = Counter()
    job, arms, entries = load.ready(suite, out)

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            done[name] += 1
            return function(*given, **named)

        return call

    def stop(progress: Progress) -> None:
        # The very first is of clean pictures, for which nothing is drawn.
        if done["pictures"]:
            raise _FirstPart

    with monkeypatch.context() as patched:
        patched.setattr(corruptions, "image_view", counting("pictures", corruptions.image_view))
        patched.setattr(corruptions, "text_view", counting("texts", corruptions.text_view))
        arms = [replace(arm, key_of=counting("keys", arm.key_of)) for arm in arms]
        with pytest.raises(_FirstPart):
            execute(job, arms, entries, batch_size=64, on_progress=stop)
    return done


def test_the_first_part_does_not_wait_for_the_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load.make_data(tmp_path, 2_000)
    found = {
        cells: ahead_of_first_part(load.suite_of_cells(tmp_path, cells), tmp_path / str(cells), monkeypatch)
        for cells in (100, 900)
    }
    assert found[900]["keys"] <= found[100]["keys"] + 2
    assert found[900]["pictures"] <= found[100]["pictures"]
    # All texts of one picture are asked with it, so their number is that of the grid's text views.
    assert found[900]["texts"] <= 9 * found[100]["texts"]
    count("grids started", 2)
