"""Reads the answers that another harness wrote down, sample by sample."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmsbench.errors import DataError

#: Characters of a line of a log.
LONGEST_LINE = 16 * 2**20
_LIST = (list, tuple)
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.0*)?")
#: What VLMEvalKit writes in the place of an answer that it did not get begins so.
_FAILED = "Failed to obtain answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of the row ``index`` of an export."""

    index: int
    prediction: str | None
    """None where the log says that there is no answer."""
    confidence: float | None = None
    """In [0, 1]."""
    asked: str | None = None
    """What the model was asked, where the log says so: the prompt of the row stands in it."""


def read_log(path: Path) -> Iterator[Answer]:
    """The answers of one file, whose kind its ending and its fields say.

    JSON lines with ``index`` and ``prediction`` (and ``confidence``), or as lmms-eval's ``--log_samples``
    writes them (``filtered_resps``, and ``index`` by our task's functions, else ``doc_id``); TSV, CSV, XLSX
    or a JSON list with ``index`` and ``prediction``, as VLMEvalKit writes them. Nothing is taken for a
    missing value but null and NaN of JSON, and VLMEvalKit's words for a failure: "None", "NA" and an empty
    cell are answers. Raises DataError, naming file and line.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".jsonl":
            yield from _lines(path)
        elif ending == ".json":
            yield from _json_list(path)
        elif ending in (".tsv", ".csv"):
            yield from _table(path, "\t" if ending == ".tsv" else ",")
        elif ending == ".xlsx":
            yield from _workbook(path)
        else:
            raise DataError(f"{path}: a log ends in .jsonl, .json, .tsv, .csv or .xlsx")
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
                said = _first(entry.get("filtered_resps", entry.get("resps")))
                asked = entry.get("input")
                yield _answer(
                    where,
                    entry.get("index", entry["doc_id"]),
                    said,
                    asked=asked if isinstance(asked, str) else None,
                )
            else:
                yield _entry(where, entry)


def _json_list(path: Path) -> Iterator[Answer]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from None
    if not isinstance(entries, list):
        raise DataError(f"{path}: expected a list of objects with index and prediction")
    for number, entry in enumerate(entries, 1):
        where = f"{path}, entry {number}"
        if not isinstance(entry, dict):
            raise DataError(f"{where}: expected an object with index and prediction")
        yield _entry(where, entry)


def _entry(where: str, entry: Mapping[str, Any]) -> Answer:
    if "prediction" not in entry:
        raise DataError(f"{where}: no prediction")
    return _answer(where, entry.get("index"), entry["prediction"], entry.get("confidence"))


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
                if row["index"] is None or row["prediction"] is None:
                    raise DataError(f"{where}: the row is cut short")
                yield _answer(where, row["index"], row["prediction"], row.get("confidence") or None)
        except csv.Error as error:
            raise DataError(f"{path}, line {rows.line_num}: {error}") from None


def _workbook(path: Path) -> Iterator[Answer]:
    try:
        import openpyxl
    except ImportError:
        raise DataError(f"{path}: reading .xlsx needs openpyxl: pip install openpyxl") from None
    book = None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        table = book.active.iter_rows(values_only=True)
        names = [str(name) for name in next(table, ())]
        _check_columns(path, names)
        for number, values in enumerate(table, 2):
            if any(value is not None for value in values):
                yield _row(f"{path}, row {number}", dict(zip(names, values, strict=False)))
    except (OSError, DataError):
        raise
    except Exception as error:  # noqa: BLE001 whatever a damaged archive makes the library raise
        raise DataError(f"{path}: no workbook ({type(error).__name__})") from None
    finally:
        if book is not None:
            book.close()


def _row(where: str, row: Mapping[str, Any]) -> Answer:
    """A row of a workbook, where a cell that looks like a number is one and an empty one is nothing."""
    said = row.get("prediction")
    if not isinstance(said, int | float) or isinstance(said, bool):
        said = "" if said is None else str(said)
    return _answer(where, row.get("index"), said, row.get("confidence"))


def _check_columns(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in ("index", "prediction") if name not in names]
    if missing:
        shown = ", ".join(map(str, names[:20])) or "none"
        raise DataError(f"{path}: no column {' and no column '.join(missing)}; it has {shown}")


def _answer(
    where: str, index: Any, prediction: Any, confidence: Any = None, *, asked: str | None = None
) -> Answer:
    if isinstance(prediction, float) and math.isnan(prediction):
        prediction = None
    if isinstance(prediction, int | float) and not isinstance(prediction, bool):
        prediction = _number(prediction)
    if not isinstance(prediction, str | None):
        raise DataError(f"{where}: the prediction is no text")
    if prediction is not None:
        # Half a surrogate pair is no text that a file can hold.
        prediction = prediction.encode("utf-8", "replace").decode()
        if prediction.startswith(_FAILED):
            prediction = None
    if isinstance(confidence, float) and math.isnan(confidence):
        confidence = None
    if confidence is not None:
        try:
            confidence = float(confidence)
        except (TypeError, ValueError, OverflowError):
            confidence = math.nan
        if not 0.0 <= confidence <= 1.0:
            raise DataError(f"{where}: the confidence is no number from 0 to 1")
    return Answer(_index(where, index), prediction, confidence, asked)


def _index(where: str, index: Any) -> int:
    """A row's number, which some tables hold as a text and some as a float."""
    if isinstance(index, str) and _NUMBER.fullmatch(index.strip()):
        index = int(index.strip().partition(".")[0])
    if isinstance(index, float) and index.is_integer():
        index = int(index)
    if isinstance(index, bool) or not isinstance(index, int):
        raise DataError(f"{where}: no row number (index, or doc_id) of an export")
    return index


def _number(value: float) -> str:
    """A number where a text should be, as it was most likely written: 7 and not 7.0."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
