"""Writes a suite's corrupted samples, so that another harness asks exactly what ours does."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image as Pictures

from dmsbench import __version__
from dmsbench.errors import DmsbenchError
from dmsbench.exchange.writers import FORMATS, Destination, LmmsEval, Row
from dmsbench.files import write_atomically
from dmsbench.grid import View
from dmsbench.models.prompts import body
from dmsbench.runner.cells import Cell, cells_of
from dmsbench.runner.job import Job
from dmsbench.runner.records import SCHEMA
from dmsbench.runner.rows import Outcome, row_builder, shown_text
from dmsbench.runner.views import Views
from dmsbench.tasks.catalogue import task_of

#: What an export is, and what every row of its grid shows: all that an import needs.
ABOUT, GRID = "export.json", "grid.parquet"
EXPORT_FORMAT = 1
#: The grid's rows: a record before anybody answered, and the row's number, null where it is not asked.
GRID_SCHEMA = SCHEMA.append(pa.field("index", pa.int64()))
#: Status of a row that is to be answered.
TO_ASK = "to_ask"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. ``rows`` of ``grid`` are asked, ``lost`` more the format could not hold; ``apart`` of
    the rows are in a task of their own, since they have no picture."""

    folder: Path
    rows: int
    grid: int
    pictures: int
    lost: int
    apart: int


def export(
    job: Job, target: Path, format_: str, on_progress: Callable[[int], None] = lambda _rows: None
) -> Exported:
    """Writes a job's grid in one of ``FORMATS`` into a folder that is not there yet.

    Memory holds one image view of one block of images at a time. A row that is left out or cannot be made is
    in ``GRID`` alone, with its reason, as in a run. ``on_progress`` is told the rows of the grid that are
    done. Raises DmsbenchError for a suite of retrieval and for a folder that cannot be written.
    """
    if job.suite.task == "retrieval":
        raise DmsbenchError(
            f"suite '{job.suite.name}' is of retrieval: exports hold questions, not galleries to search"
        )
    target = target.absolute()
    if target.exists():
        raise DmsbenchError(f"{target} is there already: give a folder that is not")
    beside = target.with_name(f".{target.name}.partial")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.parent.mkdir(parents=True, exist_ok=True)
        done = _written(job, beside, target, format_, on_progress)
        beside.rename(target)
    except OSError as error:
        raise DmsbenchError(f"{target}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return done


def _written(
    job: Job, folder: Path, target: Path, format_: str, on_progress: Callable[[int], None]
) -> Exported:
    views = Views(job.suite.seed, job.dataset, job.suite.profile, job.suite.applied)
    build, index, grid, lost, apart = row_builder(job.score), 0, 0, 0, 0
    known: set[str] = set()
    prompt = task_of(job.suite.task).prompt
    destination = Destination(job.suite.name, target, task_of(job.suite.task).longest)
    with ExitStack() as files:
        writer = files.enter_context(FORMATS[format_](folder, destination))
        separates = isinstance(writer, LmmsEval)
        grid_to = files.enter_context(pq.ParquetWriter(folder / GRID, GRID_SCHEMA, compression="zstd"))
        for block in job.plan.blocks:
            for plan in job.plan.images:
                cells = cells_of(views, job.truth, block, plan, prompt)
                numbers: list[int | None] = []
                rows: list[Row] = []
                for cell in cells:
                    asked = cell.failure is None
                    numbers.append(index if asked else None)
                    if asked:
                        rows.append(_row(index, cell, plan.image))
                        index += 1
                        _show(writer, cell, known)
                lost += writer.rows(rows)
                apart += sum(separates and row.image is None for row in rows)
                grid_to.write_table(_grid_rows(build, plan.image, cells, numbers))
                grid += len(cells)
                on_progress(grid)
            views.forget()
    about = {
        "format": EXPORT_FORMAT,
        "dmsbench": __version__,
        "written_as": format_,
        "fingerprint": job.fingerprint,
        "identity": job.identity,
        "suite": job.suite.model_dump(mode="json"),
        "rows": index,
        "lost": lost,
        "licence": job.dataset.licence,
    }
    write_atomically(folder / ABOUT, json.dumps(about, indent=1, ensure_ascii=False).encode())
    return Exported(target, index - lost, grid, len(known), lost, apart)


def _row(index: int, cell: Cell, image: View) -> Row:
    question, context = shown_text(cell.text)
    # An absent question stays absent, as for a model here: the task's own words go with it.
    question = cell.asked(question) if question else question
    sample = cell.sample
    return Row(
        index,
        sample.id,
        sample.group,
        image.corruption,
        image.severity,
        cell.text_view.corruption,
        cell.text_view.severity,
        None if cell.image.pixels is None else cell.image.hash,
        body(question, context or None),
        question,
        context,
        sample.answers,
    )


def _show(writer: Any, cell: Cell, known: set[str]) -> None:
    """Hands a picture over that was not yet: those of equal content are one."""
    if cell.image.pixels is None or cell.image.hash in known:
        return
    known.add(cell.image.hash)
    file = io.BytesIO()
    Pictures.fromarray(cell.image.pixels).save(file, "PNG")
    writer.picture(cell.image.hash, file.getvalue())


def _grid_rows(
    build: Callable[..., dict[str, list[Any]]],
    image: View,
    cells: Sequence[Cell],
    numbers: Sequence[int | None],
) -> pa.Table:
    columns = build(
        "",
        image,
        [
            (cell.sample, cell.text_view, cell.image, cell.text, cell.failure or Outcome(TO_ASK))
            for cell in cells
        ],
    )
    return pa.table(columns | {"index": list(numbers)}, schema=GRID_SCHEMA)
