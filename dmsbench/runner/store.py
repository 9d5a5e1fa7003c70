"""A run's folder: one manifest, and one Parquet part a model, block and image view.

A part's name is the key of everything that went into it, so a part is never stale: it is either what is
wanted or not looked at. Parts are written beside, fsynced and renamed, or put whole where a URL leads; a
kill or a full disk costs the part in hand and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from dmsbench.errors import DmsbenchError, NotComparableError, StorageError
from dmsbench.files import write_atomically
from dmsbench.places import Place, Remote
from dmsbench.runner.records import SCHEMA
from dmsbench.safe_names import is_key, shown, why_unsafe

MANIFEST = "manifest.json"
PARTS = "parts"
#: A model's status in the manifest: its parts are listed once all are written.
RUNNING, STOPPED, COMPLETE = "running", "stopped", "complete"
#: Raised with the manifest's layout; a manifest of another one is not read.
MANIFEST_FORMAT = 1
_KEY = b"dmsbench.key"
_MEND = "delete or move it and run the suite again: sound parts beside it are kept"


def digest(content: object) -> str:
    """A key (24 hex digits) of plain JSON values, independent of the order of keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run's manifest and parts lie."""

    path: Place

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder against a second run; raises DmsbenchError where another one holds it.

        Behind a URL nothing is held, as no lock could be relied on: see ``met``.
        """
        if isinstance(self.path, Remote):
            yield
            return
        lock = FileLock(self.path / ".lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise DmsbenchError(
                f"{self.path}: another run is writing here; wait for it, or use another --out"
            ) from None
        except OSError as error:
            raise DmsbenchError(
                f"{self.path}: cannot be written ({error.strerror or error}); use another --out"
            ) from None
        # What goes wrong from here on is not about the folder, and is passed on as it is.
        try:
            yield
        finally:
            lock.release()

    def part(self, model: str, key: str) -> Place:
        """The file of a part; raises DmsbenchError for names that would lead out of the folder."""
        unsafe = why_unsafe(model) or why_unsafe(key)
        if unsafe is not None:
            raise DmsbenchError(f"{self.path}: no part is named '{shown(model)}', '{shown(key)}': {unsafe}")
        return self.path / PARTS / model / f"{key}.parquet"

    def sound_part(
        self, model: str, key: str, damaged: Callable[[str], object] = lambda _why: None
    ) -> pa.Table | None:
        """A part that is there and sound (right key, right layout, every checksum right), else None.

        ``damaged`` is told, in a line that names the file, of one that is there and not sound.
        """
        if not self.part(model, key).is_file():
            return None
        try:
            return self.read_part(model, key)
        except StorageError:
            raise  # it may be as sound as it was: the storage does not answer
        except DmsbenchError as error:
            damaged(str(error))
            return None

    def has_part(self, model: str, key: str) -> bool:
        """Whether a part is there and sound."""
        return self.sound_part(model, key) is not None

    def drop_parts(self, model: str) -> None:
        """Removes all parts of a model, whatever they are parts of."""
        folder = self.part(model, "any").parent
        if isinstance(folder, Remote):
            folder.remove_all()
        elif folder.is_dir():
            shutil.rmtree(folder)

    def sweep(self, models: Iterable[str]) -> None:
        """Removes what a killed run was writing: files that never got their name."""
        for folder in (self.path, *(self.part(model, "any").parent for model in models)):
            if isinstance(folder, Remote):
                continue  # an object that was not put whole is not there
            for path in folder.glob(".*.tmp") if folder.is_dir() else ():
                path.unlink(missing_ok=True)

    def write_part(self, model: str, key: str, rows: Mapping[str, Any]) -> None:
        """Writes the records of a part, columns (lists or Arrow's arrays) as in SCHEMA."""
        table = pa.table(dict(rows), schema=SCHEMA.with_metadata({_KEY: key.encode()}))
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True, store_schema=True)
        write_atomically(self.part(model, key), sink.getvalue().to_pybytes())

    def read_part(self, model: str, key: str) -> pa.Table:
        """Reads a part; raises DmsbenchError naming the file where it is damaged or not what it says."""
        path = self.part(model, key)
        try:
            source = pa.BufferReader(path.read_bytes()) if isinstance(path, Remote) else path
            table = pq.read_table(source, page_checksum_verification=True, partitioning=None)
        except FileNotFoundError:
            raise DmsbenchError(f"{path}: this part is missing; run the suite again to complete it") from None
        except (OSError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise DmsbenchError(f"{path}: damaged ({reason}); run the suite again to recompute it") from None
        stored = (table.schema.metadata or {}).get(_KEY, b"").decode()
        if stored != key or not table.schema.equals(SCHEMA):
            raise DmsbenchError(
                f"{path}: not the part that its name says; run the suite again to recompute it"
            )
        return table

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Writes the manifest."""
        write_atomically(self.path / MANIFEST, _text(manifest).encode())

    def manifest(self) -> dict[str, Any]:
        """Reads the manifest; raises DmsbenchError where there is none or it is damaged."""
        path = self.path / MANIFEST
        try:
            found = json.loads(path.read_bytes().decode("utf-8"))
        except FileNotFoundError:
            raise DmsbenchError(f"{self.path}: no run here (no {MANIFEST})") from None
        except (OSError, ValueError, RecursionError) as error:
            raise DmsbenchError(f"{path}: cannot be read ({error}); {_MEND}") from None
        if not _is_manifest(found):
            raise DmsbenchError(f"{path}: not a manifest of this version of dmsbench; {_MEND}")
        _check_names(found, path)
        return found

    def met(self, written: Mapping[str, Any]) -> dict[str, Any] | None:
        """The manifest that somebody else has put in the place of one that was written here; None if nobody.

        Where the folder can be held against others, nobody can.
        """
        if not isinstance(self.path, Remote):
            return None
        try:
            found = json.loads((self.path / MANIFEST).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return self.manifest() if found != json.loads(_text(written)) else None

    def lacks(self, model: str) -> str | None:
        """What of a model's records is not there, in words (``3 of 61 parts``); None where all are."""
        entry = self._entry(model)
        if entry.get("status") != COMPLETE:
            return "what its run has yet to do"
        parts = entry["parts"]
        missing = sum(not self.part(model, part["key"]).is_file() for part in parts)
        return f"{missing} of {len(parts)} parts" if missing else None

    def records(self, model: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All records of a model, in the manifest's order, names as categories; ``columns`` as of ``table``.

        Raises NotComparableError where parts are missing: the run is not finished.
        """
        return frame([self.table(model, columns)])

    def table(self, model: str, columns: Sequence[str] | None = None) -> pa.Table:
        """As ``records``, as one table, equal dictionaries throughout.

        ``columns`` are all that is kept, sample ids then as a dictionary too: texts that nobody looks at are
        most of what records take. Parts are checked whole all the same.
        """
        missing = self.lacks(model)
        if missing:
            raise NotComparableError(
                f"{self.path}: '{model}' lacks {missing}; run the suite again to complete it"
            )
        return _joined(
            [table if columns is None else _narrowed(table, columns) for table in self.tables(model)], columns
        )

    def tables(self, model: str) -> Iterator[pa.Table]:
        """The parts of a model, one after the other, in the manifest's order; raises as ``read_part``."""
        return (self.read_part(model, part["key"]) for part in self._parts(model))

    def _parts(self, model: str) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = self._entry(model)["parts"]
        return parts

    def _entry(self, model: str) -> dict[str, Any]:
        models = self.manifest()["models"]
        if model not in models:
            raise NotComparableError(
                f"{self.path}: no model '{model}' here; it holds {', '.join(models) or 'none'}"
            )
        entry: dict[str, Any] = models[model]
        return entry


def _text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False)


def _is_manifest(found: Any) -> TypeGuard[dict[str, Any]]:
    return (
        isinstance(found, dict)
        and found.get("format") == MANIFEST_FORMAT
        and {"fingerprint", "chance"} <= found.keys()
        and all(isinstance(found.get(key), dict) for key in ("identity", "dataset", "models"))
        and all(
            isinstance(entry, dict) and isinstance(entry.get("parts"), list)
            for entry in found["models"].values()
        )
    )


def _check_names(manifest: Mapping[str, Any], path: Place) -> None:
    """Raises DmsbenchError where a manifest names models or parts as no run does: they become paths."""
    for model, entry in manifest["models"].items():
        unsafe = why_unsafe(model)
        if unsafe is not None:
            raise DmsbenchError(f"{path}: '{shown(model)}' cannot name a model: {unsafe}; {_MEND}")
        for part in entry["parts"]:
            key = part.get("key") if isinstance(part, dict) else part
            if not is_key(key):
                raise DmsbenchError(
                    f"{path}: '{shown(key)}' is no key of a part of '{shown(model)}': keys are hex digits; "
                    f"{_MEND}"
                )


def _narrowed(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    kept = table.select(list(columns))
    place = kept.schema.get_field_index("sample_id")
    return kept if place < 0 else kept.set_column(place, "sample_id", kept["sample_id"].dictionary_encode())


def _joined(tables: Sequence[pa.Table], columns: Sequence[str] | None = None) -> pa.Table:
    if not tables:
        tables = [SCHEMA.empty_table() if columns is None else _narrowed(SCHEMA.empty_table(), columns)]
    return pa.concat_tables(tables).unify_dictionaries()


def frame(tables: Sequence[pa.Table]) -> pd.DataFrame:
    """Parts as one frame; dictionary columns become categories."""
    found: pd.DataFrame = _joined(tables).to_pandas()
    return found
