"""A reference as one small file: what a gate needs of a model's records, to be kept beside the code.

A Parquet file of ids, groups, conditions, statuses and scores, in which the part of the run's manifest that
says what the model was, on what data and by which tables stands as JSON. The same JSON lies beside it for
people and for reviews; only the one inside is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dmsbench import __version__
from dmsbench.errors import DmsbenchError, NotComparableError
from dmsbench.files import write_atomically
from dmsbench.plain_files import why_no_file
from dmsbench.runner.find import Entrant
from dmsbench.runner.records import SCHEMA
from dmsbench.runner.rescore import scorer_of, with_score
from dmsbench.safe_names import shown, why_unsafe
from dmsbench.scores.rows import COLUMNS

SUFFIX = ".parquet"
#: Raised with the file's layout; a file of another one is not read.
FORMAT = 1
#: What a question was, what the model said, and what scores are computed from.
TEXTS = ("question", "references", "prediction", "rank")
_KEY = b"dmsbench.reference"
_SUM = b"dmsbench.reference.sum"
_SCORE = "score:"
_MOST_BYTES = 2**31
_ORDER = ("image_corruption", "image_severity", "text_corruption", "text_severity", "sample_id")
#: Of the manifest: what says whether runs may be compared, and what the model was.
_KEPT = ("dmsbench", "created", "fingerprint", "identity", "suite", "dataset", "chance", "left_out")
_KEPT_OF_MODEL = (
    "spec", "fingerprint", "settings", "environment", "rows", "errors", "left_out", "timing", "rescored",
)  # fmt: skip


@dataclass(frozen=True)
class SavedReference:
    """A model's records in a file; as an ``Entrant`` has them in a run."""

    path: Path
    model: str
    manifest: dict[str, Any]
    """As of a run with this model alone, without its parts."""
    saved: dict[str, Any]
    """When and by which version the file was made, how many records it holds, under which scores."""

    @property
    def label(self) -> str:
        """How it is named in messages."""
        return f"{self.model} ({self.path})"

    @property
    def scores(self) -> tuple[str, ...]:
        """Further scores that the file holds besides the run's own."""
        return tuple(self.saved["scores"])

    @property
    def has_predictions(self) -> bool:
        return bool(self.saved["predictions"])

    @cached_property
    def table(self) -> pa.Table:
        return _read(self.path)

    def records(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Its records, of some columns or all that there are."""
        table = self.table if columns is None else self.table.select(list(columns))
        found: pd.DataFrame = table.to_pandas()
        return found

    def records_under(self, score: str) -> pd.DataFrame:
        """The columns that scores need, under another score that the file holds.

        Raises DmsbenchError where it does not hold it and has no predictions to compute it from.
        """
        if score in self.scores:
            names = [f"{_SCORE}{score}" if name == "score" else name for name in COLUMNS]
            found: pd.DataFrame = self.table.select(names).rename_columns(list(COLUMNS)).to_pandas()
            return found
        if not self.has_predictions:
            raise DmsbenchError(
                f"{self.path}: it holds neither {score} nor predictions to compute it from; save it again "
                f"with --score {score}"
            )
        found = _rescored(self.table, self.manifest, score, self.path).select(list(COLUMNS)).to_pandas()
        return found


@dataclass(frozen=True, slots=True)
class Saving:
    """What was written."""

    reference: SavedReference
    records: int
    bytes: int


def records_under(entrant: Entrant, score: str) -> pd.DataFrame:
    """A model's records of a run under another score, computed from its answers; nothing is written."""
    table = entrant.folder.table(entrant.model, (*COLUMNS, "references", "prediction", "rank"))
    found: pd.DataFrame = (
        _rescored(table, entrant.manifest, score, entrant.folder.path).select(list(COLUMNS)).to_pandas()
    )
    return found


def _rescored(table: pa.Table, manifest: Mapping[str, Any], score: str, path: Path) -> pa.Table:
    scorer, _ = scorer_of(manifest, score, path)
    return with_score(table, scorer)


def save(entrant: Entrant, to: Path, *, scores: Sequence[str] = (), with_predictions: bool = False) -> Saving:
    """Writes a model's records to a file, or under a name of its own into a folder.

    ``scores`` are further scores to be kept beside the run's own; ``with_predictions`` keeps questions,
    right answers and predictions too, which lists of flipped answers need, and any score.

    Raises NotComparableError where the run is not finished, DmsbenchError for a score that cannot be
    computed or a file that cannot be written.
    """
    names = (*COLUMNS, "references", "prediction", "rank", *(("question",) if with_predictions else ()))
    table = entrant.folder.table(entrant.model, names)
    kept = [*COLUMNS, *(TEXTS if with_predictions else ())]
    own = str(entrant.manifest["identity"]["score"]).partition("|")[0]
    further = tuple(name for name in dict.fromkeys(scores) if name != own)
    out = table.select(kept)
    for name in further:
        column = _rescored(table, entrant.manifest, name, entrant.folder.path)["score"]
        out = out.append_column(pa.field(f"{_SCORE}{name}", pa.float32()), column)
    # Sorted like this every column but the scores is nearly free.
    out = out.take(pc.sort_indices(_plain(out), [(name, "ascending") for name in _ORDER]))
    document = {
        "format": FORMAT,
        "saved": {
            "dmsbench": __version__,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "records": out.num_rows,
            "scores": list(further),
            "predictions": with_predictions,
        },
        "model": entrant.model,
        "run": {key: entrant.manifest[key] for key in _KEPT if key in entrant.manifest},
        "entry": {
            key: value
            for key, value in entrant.manifest["models"][entrant.model].items()
            if key in _KEPT_OF_MODEL
        },
    }
    path = _file(to, entrant)
    inside = json.dumps(document, ensure_ascii=True, allow_nan=False).encode()
    sink = pa.BufferOutputStream()
    pq.write_table(
        out.replace_schema_metadata({_KEY: inside, _SUM: _sum(inside)}),
        sink,
        compression="zstd",
        compression_level=19,
        use_dictionary=True,
        write_page_checksum=True,
        write_statistics=False,
        store_schema=True,
    )
    content = sink.getvalue().to_pybytes()
    readable = json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    try:
        write_atomically(path, content)
        write_atomically(path.with_suffix(".json"), readable.encode())
    except OSError as error:
        raise DmsbenchError(f"{path}: cannot be written ({error.strerror or error})") from None
    return Saving(read(path), out.num_rows, len(content))


def _sum(inside: bytes) -> bytes:
    """Tells whether the description is what was written: no page's checksum covers it."""
    return hashlib.blake2b(inside, digest_size=8).hexdigest().encode()


def _file(to: Path, entrant: Entrant) -> Path:
    if to.suffix == SUFFIX and not to.is_dir():
        return to
    if to.suffix and not to.is_dir():
        raise DmsbenchError(f"{to}: give a file named …{SUFFIX}, or a folder")
    return to / f"{entrant.manifest['identity']['suite']}-{entrant.model}{SUFFIX}"


def _plain(table: pa.Table) -> pa.Table:
    """The columns to sort by, as texts: dictionaries are sorted by the order of their words otherwise."""
    columns = {name: table[name] for name in _ORDER}
    return pa.table(
        {
            name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            for name, column in columns.items()
        }
    )


def read(path: Path) -> SavedReference:
    """Opens a file that ``save`` made; its records are read when they are asked for.

    Raises DmsbenchError, naming the file, where it is none, damaged or of another version's layout.
    """
    try:
        unfit = why_no_file(path, _MOST_BYTES)
        if unfit is not None:
            raise DmsbenchError(f"{path}: {unfit}")
        metadata = pq.read_schema(path).metadata or {}
    except OSError as error:
        raise DmsbenchError(f"{path}: cannot be read ({_line(error)})") from None
    except pa.ArrowException as error:
        raise DmsbenchError(f"{path}: no saved reference ({_line(error)}); make one by {_MAKE}") from None
    if _KEY not in metadata:
        raise DmsbenchError(f"{path}: no saved reference; make one by {_MAKE}")
    if metadata.get(_SUM) != _sum(metadata[_KEY]):
        raise DmsbenchError(f"{path}: damaged (what it says of itself is not what was saved); save it again")
    try:
        document = json.loads(metadata[_KEY])
    except (ValueError, RecursionError) as error:
        raise DmsbenchError(f"{path}: damaged ({error}); save it again") from None
    if not _is_reference(document):
        raise DmsbenchError(f"{path}: not a reference of this version of dmsbench; save it again")
    model = document["model"]
    unsafe = why_unsafe(model)
    if unsafe is not None:
        raise DmsbenchError(f"{path}: '{shown(model)}' cannot name a model: {unsafe}")
    manifest = {**document["run"], "models": {model: document["entry"]}}
    return SavedReference(path, model, manifest, document["saved"])


_MAKE = "dmsbench reference save RUN --to FILE"


def _is_reference(found: Any) -> bool:
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return False
    run, saved = found.get("run"), found.get("saved")
    if not isinstance(found.get("entry"), dict) or not isinstance(run, dict) or not isinstance(saved, dict):
        return False
    identity, scores = run.get("identity"), saved.get("scores")
    return (
        isinstance(identity, dict)
        and all(isinstance(identity.get(key), str) for key in ("suite", "task", "score"))
        and isinstance(identity.get("dataset"), dict)
        and isinstance(identity.get("corruptions"), dict)
        and isinstance(run.get("suite"), dict)
        and isinstance(run.get("dataset"), dict)
        and isinstance(scores, list)
        and all(isinstance(name, str) for name in scores)
        and isinstance(saved.get("predictions"), bool)
    )


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
        table.validate(full=True)  # what no page's checksum covers, such as which words a dictionary has
    except (OSError, pa.ArrowException) as error:
        raise DmsbenchError(f"{path}: damaged ({_line(error)}); save it again") from None
    saved = read(path)
    wanted = [*COLUMNS, *(f"{_SCORE}{name}" for name in saved.scores)]
    if saved.has_predictions:
        wanted += TEXTS
    for name in wanted:
        own = "score" if name.startswith(_SCORE) else name
        kind = pa.dictionary(pa.int32(), pa.string()) if name == "sample_id" else SCHEMA.field(own).type
        if name not in table.column_names or table.schema.field(name).type != kind:
            raise DmsbenchError(f"{path}: damaged (the column {name} is not what it was); save it again")
    if table.num_rows != saved.saved.get("records"):
        raise NotComparableError(f"{path}: it holds {table.num_rows} records, not those that it says")
    return table


def _line(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
