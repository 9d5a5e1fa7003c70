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

    def __init__(self, folder: Path, _suite: str, _place: Path) -> None:
        super().__init__(folder)

    def rows(self, rows: Sequence[Row]) -> int:
        for row in rows:
            entry = asdict(row) | {"image": None if row.image is None else f"{PICTURES}/{row.image}.png"}
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return 0


class VlmEvalKit(_Lines):
    """VLMEvalKit's TSV. Pictures are named by ``image_path``, absolute: those within its ``image`` column
    are written out as JPEG there, and would not be our pixels. It cannot ask without a picture: rows whose
    image is absent are not in the file."""

    columns = ("index", "image_path", "question", "answer", "category", "sample_id")

    def __init__(self, folder: Path, suite: str, place: Path) -> None:
        self.file_name = f"{_task(suite)}.tsv"
        super().__init__(folder)
        self._place = place
        self._table = csv.writer(self._file, delimiter="\t", lineterminator="\n")
        self._table.writerow(self.columns)

    def rows(self, rows: Sequence[Row]) -> int:
        lost = 0
        for row in rows:
            if row.image is None:
                lost += 1
                continue
            picture = self._place / PICTURES / f"{row.image}.png"
            answer = row.answers[0] if len(row.answers) == 1 else json.dumps(row.answers, ensure_ascii=False)
            shown = f"{row.image_corruption}@{row.image_severity}"
            category = f"{shown} {row.text_corruption}@{row.text_severity}"
            self._table.writerow((row.index, picture, row.prompt, answer, category, row.sample_id))
        return lost


class LmmsEval(JsonLines):
    """A task folder for ``lmms-eval --include_path``: the JSON lines, a task file and its functions."""

    def __init__(self, folder: Path, suite: str, place: Path) -> None:
        super().__init__(folder, suite, place)
        self._suite, self._place = suite, place

    def _finish(self) -> None:
        name = _task(self._suite)
        task = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(self._place / self.file_name)}},
            "test_split": "test",
            "output_type": "generate_until",
            "generation_kwargs": {"max_new_tokens": 16, "temperature": 0, "do_sample": False},
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
            "metadata": [{"version": 1.0}],
        }
        functions = "\n".join(
            f"{key}: !function utils.{key}"
            for key in ("doc_to_visual", "doc_to_text", "doc_to_target", "process_results")
        )
        text = yaml.safe_dump(task, sort_keys=False, allow_unicode=True) + functions + "\n"
        (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        (self.folder / "utils.py").write_text(_LMMS_FUNCTIONS, encoding="utf-8")


class ParquetFiles:
    """``samples.parquet`` and ``images.parquet`` (name, PNG bytes), joined by the picture's name."""

    def __init__(self, folder: Path, _suite: str, _place: Path) -> None:
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


#: What ``--format`` takes. A writer is made of the folder to write in, the suite's name, and the folder
#: where what it writes will lie in the end.
FORMATS: Mapping[str, Any] = MappingProxyType(
    {"jsonl": JsonLines, "parquet": ParquetFiles, "vlmevalkit-tsv": VlmEvalKit, "lmms-eval": LmmsEval}
)


def _task(suite: str) -> str:
    name = "dmsbench_" + "".join(letter if letter.isalnum() else "_" for letter in suite)
    return "dmsbench_suite" if why_unsafe(name) else name


_LMMS_FUNCTIONS = '''"""What lmms-eval asks of this export; its --log_samples go to dmsbench import."""

from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent


def doc_to_visual(doc):
    return [] if doc["image"] is None else [Image.open(HERE / doc["image"]).convert("RGB")]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["prompt"]


def doc_to_target(doc):
    return doc["answers"][0]


def process_results(doc, results):
    said = str(results[0]).strip().lower().rstrip(".")
    return {"exact_match": float(said in [answer.strip().lower() for answer in doc["answers"]])}
'''
