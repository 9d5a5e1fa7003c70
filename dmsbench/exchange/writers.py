"""The formats of an export: each takes pictures, then the rows that show them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from dmsbench.safe_names import why_unsafe

#: Where pictures lie that are files of their own.
PICTURES = "images"
#: Texts that ``pandas.read_csv`` takes for no value, quoted or not.
_NO_VALUE = frozenset(
    [
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """One question under one condition, as a model is to be asked it."""

    index: int
    """From 0, in the order of the file: what a log is matched by."""
    sample_id: str
    group: str
    image_corruption: str
    image_severity: int
    text_corruption: str
    text_severity: int
    image: str | None
    """The picture's name, None where the image is absent: the model is then to be asked without one."""
    prompt: str
    """Context and question as they are shown."""
    question: str
    context: str | None
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Destination:
    """What a format has to know of an export beside its rows."""

    suite: str
    place: Path
    """Absolute: where the files will lie in the end."""
    longest: int
    """Tokens of the longest answer that a run asks for."""


class Writer(Protocol):
    """Writes one format into a folder."""

    def __enter__(self) -> Writer: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def picture(self, name: str, png: bytes) -> None:
        """A picture that rows will name; each name comes once."""

    def rows(self, rows: Sequence[Row]) -> int:
        """Writes rows, in order; returns how many the format could not hold."""


class _Files:
    """Pictures as PNG files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / PICTURES).mkdir(parents=True)

    def picture(self, name: str, png: bytes) -> None:
        (self.folder / PICTURES / f"{name}.png").write_bytes(png)


class _Lines(_Files):
    """Rows as lines of one text file."""

    file_name = "samples.jsonl"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._file: IO[str] = (folder / self.file_name).open("w", encoding="utf-8", newline="")

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if error is None:
            self._finish()

    def _finish(self) -> None:
        pass


class JsonLines(_Lines):
    """``samples.jsonl`` and ``images/``; a row's ``image`` is a path from the export's folder, or null."""

    def __init__(self, folder: Path, _destination: Destination) -> None:
        super().__init__(folder)

    def rows(self, rows: Sequence[Row]) -> int:
        for row in rows:
            entry = asdict(row) | {"image": None if row.image is None else _picture(row.image)}
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return 0


class VlmEvalKit(_Lines):
    """VLMEvalKit's TSV. Pictures are named by ``image_path``, absolute: those within its ``image`` column
    are written out as JPEG there, and would not be our pixels. Not in the file are rows whose image is
    absent, for it cannot ask without one, and those whose whole text is what pandas, by which it reads the
    file, takes for no value: it would ask "nan"."""

    columns = ("index", "image_path", "question", "answer", "category", "sample_id")

    def __init__(self, folder: Path, destination: Destination) -> None:
        self.file_name = f"{_task(destination.suite)}.tsv"
        super().__init__(folder)
        self._place = destination.place
        # All quoted, as it writes its own: a carriage return would end the row otherwise.
        self._table = csv.writer(self._file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._table.writerow(self.columns)

    def rows(self, rows: Sequence[Row]) -> int:
        lost = 0
        for row in rows:
            if row.image is None or row.prompt in _NO_VALUE:
                lost += 1
                continue
            picture = self._place / _picture(row.image)
            answer = row.answers[0] if len(row.answers) == 1 else json.dumps(row.answers, ensure_ascii=False)
            shown = f"{row.image_corruption}@{row.image_severity}"
            category = f"{shown} {row.text_corruption}@{row.text_severity}"
            self._table.writerow((row.index, picture, row.prompt, answer, category, row.sample_id))
        return lost


class LmmsEval(_Lines):
    """A task folder for ``lmms-eval --include_path``: task files, their functions and the rows.

    Rows without a picture are a task of their own, ``…_no_picture``: many of its models cannot ask those, and
    some end the whole evaluation at the first. A log tells rows by the ``index`` that our functions put
    there.
    """

    file_name = "samples.jsonl"
    absent_name = "no_picture.jsonl"

    def __init__(self, folder: Path, destination: Destination) -> None:
        super().__init__(folder)
        self._destination = destination
        self._absent: IO[str] | None = None

    def rows(self, rows: Sequence[Row]) -> int:
        for row in rows:
            # No nulls: a column whose first rows have nothing but those could not hold texts later.
            picture = "" if row.image is None else _picture(row.image)
            entry = asdict(row) | {"image": picture, "context": row.context or ""}
            file = self._file if picture else self._without_picture()
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return 0

    def _without_picture(self) -> IO[str]:
        if self._absent is None:
            self._absent = (self.folder / self.absent_name).open("w", encoding="utf-8", newline="")
        return self._absent

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._absent is not None:
            self._absent.close()
        super().__exit__(kind, error, trace)

    def _finish(self) -> None:
        name = _task(self._destination.suite)
        self._write_task(name, self.file_name)
        if self._absent is not None:
            self._write_task(f"{name}_no_picture", self.absent_name)
        (self.folder / "utils.py").write_text(_LMMS_FUNCTIONS, encoding="utf-8")

    def _write_task(self, name: str, file_name: str) -> None:
        task = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(self._destination.place / file_name)}},
            "test_split": "test",
            "output_type": "generate_until",
            "generation_kwargs": {
                "max_new_tokens": self._destination.longest,
                "temperature": 0,
                "do_sample": False,
            },
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
            "metadata": [{"version": 1.0}],
        }
        functions = "\n".join(
            f"{key}: !function utils.{key}"
            for key in ("doc_to_visual", "doc_to_text", "doc_to_target", "process_results")
        )
        text = yaml.safe_dump(task, sort_keys=False, allow_unicode=True) + functions + "\n"
        (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")


class ParquetFiles:
    """``samples.parquet`` and ``images.parquet`` (name, PNG bytes), joined by the picture's name."""

    def __init__(self, folder: Path, _destination: Destination) -> None:
        folder.mkdir(parents=True)
        text, number = pa.string(), pa.int64()
        kinds = {"index": number, "image_severity": pa.int8(), "text_severity": pa.int8()}
        names = tuple(Row.__dataclass_fields__)
        self._schema = pa.schema(
            [(name, pa.list_(text) if name == "answers" else kinds.get(name, text)) for name in names]
        )
        self._pictures = pa.schema([("name", text), ("png", pa.binary())])
        self._rows_to = pq.ParquetWriter(folder / "samples.parquet", self._schema, compression="zstd")
        self._pictures_to = pq.ParquetWriter(folder / "images.parquet", self._pictures, compression="none")
        self._waiting: list[tuple[str, bytes]] = []

    def __enter__(self) -> ParquetFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flush()
        self._rows_to.close()
        self._pictures_to.close()

    def picture(self, name: str, png: bytes) -> None:
        self._waiting.append((name, png))
        if sum(len(waiting) for _, waiting in self._waiting) > 2**24:
            self._flush()

    def rows(self, rows: Sequence[Row]) -> int:
        if rows:
            columns = {name: [getattr(row, name) for row in rows] for name in self._schema.names}
            self._rows_to.write_table(pa.table(columns, schema=self._schema))
        return 0

    def _flush(self) -> None:
        if self._waiting:
            names, pngs = zip(*self._waiting, strict=True)
            self._pictures_to.write_table(
                pa.table({"name": list(names), "png": list(pngs)}, schema=self._pictures)
            )
            self._waiting.clear()


#: What ``--format`` takes. A writer is made of the folder to write in and its ``Destination``.
FORMATS: Mapping[str, Any] = MappingProxyType(
    {"jsonl": JsonLines, "parquet": ParquetFiles, "vlmevalkit-tsv": VlmEvalKit, "lmms-eval": LmmsEval}
)


def _picture(name: str) -> str:
    """Where a picture lies, from the export's folder."""
    return f"{PICTURES}/{name}.png"


def _task(suite: str) -> str:
    name = "dmsbench_" + "".join(letter if letter.isalnum() else "_" for letter in suite)
    return "dmsbench_suite" if why_unsafe(name) else name


_LMMS_FUNCTIONS = '''"""What lmms-eval asks of this export; its --log_samples go to dmsbench import."""

from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent


def doc_to_visual(doc):
    return [Image.open(HERE / doc["image"]).convert("RGB")] if doc["image"] else []


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["prompt"]


def doc_to_target(doc):
    return doc["answers"][0]


def process_results(doc, results):
    said = str(results[0]).strip().lower().rstrip(".")
    right = said in [answer.strip().lower() for answer in doc["answers"]]
    return {"exact_match": float(right), "index": doc["index"]}
'''
