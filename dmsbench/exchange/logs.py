"""Reads the answers that another harness wrote down, sample by sample."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmsbench.errors import DataError

#: Characters of a line of a log.
LONGEST_LINE = 16 * 2**20
_LIST = (list, tuple)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of the row ``index`` of an export."""

    index: int
    prediction: str
    confidence: float | None = None
    """In [0, 1]."""


def read_log(path: Path) -> Iterator[Answer]:
    """The answers of one file, whose kind its ending and its fields say.

    JSON lines with ``index`` and ``prediction`` (and ``confidence``), or as lmms-eval's ``--log_samples``
    writes them (``doc_id``, ``filtered_resps``); TSV, CSV or XLSX with ``index`` and ``prediction``, as
    VLMEvalKit writes them. Raises DataError, naming file and line.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".jsonl":
            yield from _lines(path)
        elif ending in (".tsv", ".csv"):
            yield from _table(path, "\t" if ending == ".tsv" else ",")
        elif ending == ".xlsx":
            yield from _workbook(path)
        else:
            raise DataError(f"{path}: a log ends in .jsonl, .tsv, .csv or .xlsx")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None


def _lines(path: Path) -> Iterator[Answer]:
    with path.open(encoding="utf-8-sig") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            where = f"{path}, line {number}"
            if len(line) > LONGEST_LINE:
                raise DataError(f"{where}: longer than {LONGEST_LINE:,} characters")
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where}: not JSON ({error})") from None
            if not isinstance(entry, dict):
                raise DataError(f"{where}: expected an object with index and prediction")
            if "doc_id" in entry:
                said = entry.get("filtered_resps", entry.get("resps"))
                yield _answer(where, entry["doc_id"], _first(said), None)
            else:
                yield _answer(where, entry.get("index"), entry.get("prediction"), entry.get("confidence"))


def _first(value: Any) -> Any:
    """The one answer in lists of lists."""
    while isinstance(value, _LIST) and len(value) == 1:
        value = value[0]
    return value


def _table(path: Path, delimiter: str) -> Iterator[Answer]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter=delimiter)
        _check_columns(path, rows.fieldnames or ())
        try:
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                yield _answer(where, row["index"], row["prediction"], row.get("confidence") or None)
        except csv.Error as error:
            raise DataError(f"{path}, line {rows.line_num}: {error}") from None


def _workbook(path: Path) -> Iterator[Answer]:
    try:
        import openpyxl
    except ImportError:
        raise DataError(f"{path}: reading .xlsx needs openpyxl: pip install openpyxl") from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 whatever a damaged archive makes the library raise
        raise DataError(f"{path}: no workbook ({type(error).__name__})") from None
    try:
        rows = book.active.iter_rows(values_only=True)
        names = [str(name) for name in next(rows, ())]
        _check_columns(path, names)
        for number, values in enumerate(rows, 2):
            row: Mapping[str, Any] = dict(zip(names, values, strict=False))
            # A cell that looks like a number comes as one.
            said = row["prediction"]
            said = int(said) if isinstance(said, float) and said.is_integer() else said
            text = "" if said is None else str(said)
            yield _answer(f"{path}, row {number}", row["index"], text, row.get("confidence"))
    finally:
        book.close()


def _check_columns(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in ("index", "prediction") if name not in names]
    if missing:
        shown = ", ".join(map(str, names[:20])) or "none"
        raise DataError(f"{path}: no column {' and no column '.join(missing)}; it has {shown}")


def _answer(where: str, index: Any, prediction: Any, confidence: Any) -> Answer:
    if isinstance(index, str) and index.strip().isascii() and index.strip().isdecimal() and len(index) < 20:
        index = int(index)
    if isinstance(index, float) and index.is_integer():
        index = int(index)
    if isinstance(index, bool) or not isinstance(index, int):
        raise DataError(f"{where}: no row number (index, or doc_id) of an export")
    if not isinstance(prediction, str):
        raise DataError(f"{where}: the prediction is no text")
    if confidence is not None:
        try:
            confidence = float(confidence)
        except (TypeError, ValueError):
            confidence = math.nan
        if not 0.0 <= confidence <= 1.0:
            raise DataError(f"{where}: the confidence is no number from 0 to 1")
    # Half a surrogate pair is no text that a file can hold.
    return Answer(index, prediction.encode("utf-8", "replace").decode(), confidence)
