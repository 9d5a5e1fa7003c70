"""Files of rows: JSON Lines, Parquet, CSV and TSV, each row with its line, or why there is none."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dmsbench.data.names import one_line
from dmsbench.errors import DataError

SUFFIXES = (".jsonl", ".json", ".parquet", ".csv", ".tsv")
#: What a row may hold; of CSV these are lists where they are written as JSON lists.
KEYS = (
    "id",
    "image",
    "question",
    "context",
    "title",
    "captions",
    "caption",
    "answers",
    "answer",
    "group",
    "about",
)
_LISTS = ("captions", "caption", "answers", "answer", "about")
#: Line from 1, and what it holds or why it holds nothing.
NumberedRow = tuple[int, Mapping[str, Any] | str]


def read_rows(
    path: Path, columns: Mapping[str, str], needed: Sequence[Sequence[str]]
) -> Iterator[NumberedRow]:
    """The rows of a file under the names of KEYS.

    ``columns`` says how the file names some of them. ``needed``: of files with a header, which keys must be
    there, of each group one. Raises DataError for a file that cannot be read at all or lacks a column,
    OSError where it cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: cannot read '{suffix}' files; use one of {', '.join(SUFFIXES)}")
    if suffix == ".parquet":
        rows = _parquet_rows(path, columns, needed)
    elif suffix in (".csv", ".tsv"):
        rows = _csv_rows(path, columns, needed)
    else:
        rows = _json_rows(path)
    theirs = {key: columns.get(key, key) for key in KEYS}
    for line, row in rows:
        if isinstance(row, str):
            yield line, row
        else:
            yield line, {key: row[name] for key, name in theirs.items() if name in row}


def _json_rows(path: Path) -> Iterator[NumberedRow]:
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if path.suffix.lower() == ".json" and content.lstrip().startswith(b"["):
        raise DataError(f"{path}: a JSON list; write one object a line instead (JSON Lines)")
    for line, raw in enumerate(content.split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            row = json.loads(raw.decode("utf-8"))
        except UnicodeDecodeError:
            yield line, "not UTF-8 text"
        except (ValueError, RecursionError) as error:
            yield line, f"not valid JSON ({one_line(getattr(error, 'msg', str(error)))})"
        else:
            yield line, row if isinstance(row, dict) else "not an object with keys and values"


def _parquet_rows(
    path: Path, columns: Mapping[str, str], needed: Sequence[Sequence[str]]
) -> Iterator[NumberedRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            present = file.schema_arrow.names
            _check_header(path, present, columns, needed)
            wanted = {columns.get(key, key) for key in KEYS}
            rows = file.read(columns=[name for name in present if name in wanted]).to_pylist()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({one_line(str(error))})") from None
    yield from enumerate(rows, start=1)


def _csv_rows(
    path: Path, columns: Mapping[str, str], needed: Sequence[Sequence[str]]
) -> Iterator[NumberedRow]:
    # What is no UTF-8 becomes half surrogate pairs, which cost their row.
    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    before = csv.field_size_limit(max(len(text), 1))  # a long text is its row's fault, not the file's
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(path, text))
        header = next(reader, [])
        if not header:
            return
        twice = next((name for name in header if header.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{path}: column '{one_line(twice)}' is there twice; keep one")
        _check_header(path, header, columns, needed)
        lists = {columns.get(key, key) for key in _LISTS}
        line = reader.line_num + 1
        for cells in reader:
            if not cells:
                pass  # an empty line
            elif len(cells) != len(header):
                yield line, f"{len(cells)} fields, and the header has {len(header)}"
            else:
                yield (
                    line,
                    {
                        name: _list(cell) if name in lists else cell
                        for name, cell in zip(header, cells, strict=True)
                        if cell
                    },
                )
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: not readable as CSV ({one_line(str(error))})") from None
    finally:
        csv.field_size_limit(before)


def _separator(path: Path, text: str) -> str:
    """What stands between a line's fields: spreadsheets of some countries write semicolons for commas."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = text.partition("\n")[0]
    return ";" if ";" in header and "," not in header else ","


def _list(cell: str) -> Any:
    """A cell that is written as a JSON list is one; any other is its text."""
    if not cell.startswith("["):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def _check_header(
    path: Path, present: Sequence[str], columns: Mapping[str, str], needed: Sequence[Sequence[str]]
) -> None:
    for keys in needed:
        if not {columns.get(key, key) for key in keys}.intersection(present):
            names = one_line(", ".join(sorted(present)))
            raise DataError(
                f"{path}: no column '{columns.get(keys[0], keys[0])}'; its columns are: {names}; a suite's "
                "dataset.columns says which is which"
            )
