"""Makes records of the answers that another harness collected on an export."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dmsbench.errors import DataError, DmsbenchError, NotComparableError
from dmsbench.exchange.export import ABOUT, EXPORT_FORMAT, GRID, GRID_SCHEMA, TO_ASK
from dmsbench.exchange.logs import Answer, read_log
from dmsbench.models.prompts import body
from dmsbench.models.spec import ModelSpec
from dmsbench.runner.job import Job, key_maker, prepare
from dmsbench.runner.manifest import merged, model_entry, parts_of
from dmsbench.runner.records import LEFT_OUT, SCHEMA, scored
from dmsbench.runner.store import COMPLETE, RunFolder
from dmsbench.safe_names import RULE, shown, why_unsafe
from dmsbench.suite import Suite
from dmsbench.tasks.scorers import Scorer

NO_ANSWER = "the log has no answer"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a log: ``rows`` records of a model in ``folder``, ``missing`` of them without answer."""

    folder: RunFolder
    model: str
    rows: int
    missing: int
    left_out: int


def import_logs(
    export: Path,
    logs: Sequence[Path],
    name: str,
    out: Path,
    *,
    allow_missing: bool = False,
    fresh: bool = False,
) -> Imported:
    """Scores the answers in some logs by the suite's score and keeps them as records of the model ``name``.

    The data are loaded anew and must be those of the export. Raises DmsbenchError where the run holds such a
    model already and not ``fresh``; DataError for logs that do not fit: an index that the export lacks, one
    that comes twice, another prompt than the export's, and without ``allow_missing`` rows without an answer;
    NotComparableError where the data, the suite or the corruptions have changed since.
    """
    unsafe = why_unsafe(name)
    if unsafe is not None:
        raise DmsbenchError(f"'{shown(name)}' cannot name a model: {unsafe}; {RULE}")
    about = _about(export)
    answers = _answers(logs, about["rows"], export)
    missing = about["rows"] - len(answers)
    if missing and not allow_missing:
        first = next(index for index in range(about["rows"]) if index not in answers)
        raise DataError(
            f"{_names(logs)}: no answer to {missing:,} of {about['rows']:,} rows of {export}, first to row "
            f"{first}; --allow-missing counts them as the model's errors"
        )
    _check_asked(export, answers)
    job = prepare(Suite.model_validate(about["suite"]), out)
    if job.fingerprint != about["fingerprint"]:
        raise NotComparableError(
            f"{export}: made of other data, or by other corruptions, than are here now; export it again"
        )
    settings = {
        "family": "imported",
        "scheduling": "not known",
        "harness_format": about["written_as"],
        "logs": [hashlib.sha256(path.read_bytes()).hexdigest() for path in logs],
    }
    key_of = key_maker(job, name, settings)
    entry = model_entry(ModelSpec(name, "imported"), settings)
    with job.folder.locked():
        manifest = merged(job, {name: entry})
        known = {}
        if job.folder.path.joinpath("manifest.json").is_file():
            known = job.folder.manifest()["models"].get(name, {})
        # An import that was broken off is begun anew.
        ours = known.get("settings") == settings and known.get("status") != COMPLETE
        if known and not fresh and not ours:
            raise DmsbenchError(
                f"{job.folder.path} holds a model '{name}' already: give another --name, or --fresh"
            )
        job.folder.drop_parts(name)
        job.folder.write_manifest(manifest)
        done = _write(job, name, export, key_of, answers)
        manifest["models"][name] = {
            **entry,
            "status": COMPLETE,
            "parts": parts_of(job.plan, key_of),
            "rows": done.rows,
            "errors": done.missing + done.failed,
            "left_out": done.left_out,
        }
        job.folder.write_manifest(manifest)
    return Imported(job.folder, name, done.rows, done.missing, done.left_out)


@dataclass(slots=True)
class _Count:
    rows: int = 0
    missing: int = 0
    failed: int = 0
    left_out: int = 0


def _write(job: Job, name: str, export: Path, key_of: Any, answers: Mapping[int, Answer]) -> _Count:
    done = _Count()
    pieces = [(block, plan) for block in job.plan.blocks for plan in job.plan.images]
    groups = _grid(export)
    for block, plan in pieces:
        rows = next(groups, None)
        if rows is None:
            raise DataError(f"{export / GRID}: not the grid of {export / ABOUT}; export it again")
        for row in rows:
            _answered(row, name, job.score, answers, done)
        columns = {field: [row[field] for row in rows] for field in SCHEMA.names}
        job.folder.write_part(name, key_of(block, plan), columns)
    if next(groups, None) is not None:
        raise DataError(f"{export / GRID}: not the grid of {export / ABOUT}; export it again")
    return done


def _answered(
    row: dict[str, Any], name: str, score: Scorer, answers: Mapping[int, Answer], done: _Count
) -> None:
    """Fills a row of the grid in."""
    row["model"] = name
    done.rows += 1
    done.left_out += row["status"] == LEFT_OUT
    if row["status"] != TO_ASK:
        done.failed += row["status"] != LEFT_OUT
        return
    answer = answers.get(row["index"])
    if answer is None:
        done.missing += 1
        row |= {"status": "model_error", "error": NO_ANSWER}
        return
    value = scored(score, row["sample_id"], answer.prediction, row["references"])
    row |= {
        "status": "ok",
        "prediction": answer.prediction,
        "score": value,
        "confidence": answer.confidence,
    }


def _about(export: Path) -> dict[str, Any]:
    path = export / ABOUT
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{export}: no export here ({ABOUT}: {error}); dmsbench export makes one") from None
    fields = {"suite": dict, "fingerprint": str, "rows": int, "written_as": str}
    if (
        not isinstance(found, dict)
        or found.get("format") != EXPORT_FORMAT
        or not all(isinstance(found.get(field), kind) for field, kind in fields.items())
    ):
        raise DataError(f"{path}: not of this version of dmsbench; export it again")
    about: dict[str, Any] = found
    return about


def _answers(logs: Sequence[Path], rows: int, export: Path) -> dict[int, Answer]:
    """The answers by row; rows of which a log says that there is none are not among them."""
    found: dict[int, Answer] = {}
    told = bytearray(rows)
    for path in logs:
        for answer in read_log(path):
            if not 0 <= answer.index < rows:
                raise DataError(
                    f"{path}: row {answer.index} is none of {export}, whose rows are 0 to {rows - 1}"
                )
            if told[answer.index]:
                raise DataError(f"{path}: row {answer.index} is answered twice")
            told[answer.index] = True
            if answer.prediction is not None:
                found[answer.index] = answer
    return found


def _check_asked(export: Path, answers: Mapping[int, Answer]) -> None:
    """Raises DataError where a log tells of other prompts than the export's: its numbers mean other rows."""
    if all(answer.asked is None for answer in answers.values()):
        return
    for rows in _grid(export, ["index", "question", "context"]):
        for row in rows:
            answer = answers.get(row["index"])
            if answer is None or answer.asked is None:
                continue
            prompt = " ".join(body(row["question"], row["context"] or None).split())
            if prompt not in " ".join(answer.asked.split()):
                raise DataError(
                    f"row {row['index']}: the log asked {shown(answer.asked)!r}, the export "
                    f"{shown(prompt)!r}: it is the log of another export than {export}"
                )


def _grid(export: Path, columns: Sequence[str] | None = None) -> Iterator[list[dict[str, Any]]]:
    """The rows of a grid, an image view of a block at a time."""
    try:
        with pq.ParquetFile(export / GRID) as file:
            if not file.schema_arrow.equals(GRID_SCHEMA):
                raise DataError(f"{export / GRID}: of another version of dmsbench; export it again")
            for place in range(file.num_row_groups):
                yield file.read_row_group(place, columns=columns).to_pylist()
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{export / GRID}: cannot be read ({reason}); export it again") from None


def _names(logs: Sequence[Path]) -> str:
    return ", ".join(map(str, logs[:3])) + (", …" if len(logs) > 3 else "")
