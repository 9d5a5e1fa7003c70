"""Rows of Arrow files, whose pictures stay in the files until somebody looks at them."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dmsbench.data.base import SampleError
from dmsbench.data.image_files import UnusablePictureError, content, read, read_bytes
from dmsbench.data.names import one_line
from dmsbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows turned into Python objects at a time.
_ROWS = 1000
#: Files that a process keeps mapped: a data set has some hundred at most, and a mapping costs no memory.
_OPEN = 512


@dataclass(frozen=True, slots=True)
class Origin:
    """What the pictures of one source have in common: its column, what it is, and where files may lie.

    ``identity`` is of data that never change, a commit of a repository; empty: the bytes tell. ``folders``:
    a row may name a picture file in one of these in place of holding its bytes.
    """

    column: str
    identity: str = ""
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ArrowPicture:
    """The picture of a row, counted from 0, of an Arrow file: a few words, whatever the picture's size."""

    origin: Origin
    file: str
    row: int
    #: The row's number in the whole data set.
    number: int

    def draw(self) -> npt.NDArray[np.uint8]:
        """Its pixels, uint8 RGB, H×W×3; raises SampleError where the row holds none that can be used."""
        try:
            stored = self._stored()
            return read(stored) if isinstance(stored, Path) else read_bytes(stored, self._name)
        except UnusablePictureError as error:
            raise SampleError(str(error)) from None
        except (OSError, ValueError, DataError) as error:
            raise SampleError(f"{self._name}: {one_line(str(error))}") from None

    def identity(self) -> bytes:
        """See ``base.Kept``."""
        if self.origin.identity:
            return f"{self.origin.identity}#{self.number}".encode()
        stored = self._stored()
        return content(stored) if isinstance(stored, Path) else stored

    @property
    def _name(self) -> str:
        return f"picture of row {self.number + 1}"

    def _stored(self) -> bytes | Path:
        """Its encoded bytes, or the file that has them; raises ValueError where there are neither."""
        from pyarrow import ArrowException

        try:
            value = table_of(self.file).column(self.origin.column)[self.row].as_py()
        except (ArrowException, LookupError) as error:
            raise ValueError(f"{Path(self.file).name}: {one_line(str(error))}") from None
        if isinstance(value, list):
            if len(value) != 1:
                raise ValueError(f"{len(value)} pictures, and one is asked about")
            value = value[0]
        if isinstance(value, Mapping):
            value = value.get("path") if value.get("bytes") is None else value["bytes"]
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise ValueError("no picture")
        target = os.path.realpath(value)
        if not any(Path(target).is_relative_to(os.path.realpath(folder)) for folder in self.origin.folders):
            raise ValueError("it names a file outside of the data set")
        return Path(target)


@functools.lru_cache(maxsize=_OPEN)
def table_of(file: str) -> pa.Table:
    """The table of an Arrow stream or file, mapped into memory: reading a row touches that row alone."""
    import pyarrow as pa

    try:
        source = pa.memory_map(file, "r")
        try:
            return pa.ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            return pa.ipc.open_file(source).read_all()
    except pa.ArrowException as error:
        raise DataError(f"{file}: not a readable Arrow file ({one_line(str(error))})") from None


def columns_in(files: Sequence[str]) -> list[str]:
    """The columns of the files, which all have the same."""
    return list(table_of(files[0]).schema.names) if files else []


def rows_in(files: Sequence[str], columns: Sequence[str], picture: Origin | None) -> Iterator[dict[str, Any]]:
    """The rows' columns, with an ArrowPicture, or None where there is none, in place of the picture's."""
    number = 0
    for file in files:
        table = table_of(file)
        wanted = table.select([name for name in columns if picture is None or name != picture.column])
        labels = _labels(table.schema.metadata)
        row = 0
        for batch in wanted.to_batches(_ROWS):
            there = None
            if picture is not None:
                there = has_picture(table.slice(row, batch.num_rows), picture.column).to_pylist()
            for at, found in enumerate(batch.to_pylist()):
                for name, names in labels.items():
                    if isinstance(found.get(name), int) and 0 <= found[name] < len(names):
                        found[name] = names[found[name]]
                if picture is not None and there is not None:
                    found[picture.column] = (
                        ArrowPicture(picture, file, row + at, number + at) if there[at] else None
                    )
                yield found
            row += batch.num_rows
            number += batch.num_rows


def has_picture(table: pa.Table, column: str) -> pa.ChunkedArray:
    """Which rows have a picture, as a column of booleans; no picture is read for it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    part = table.column(column)
    valid = pc.is_valid(part)
    if pa.types.is_struct(part.type):
        inside = [pc.is_valid(pc.struct_field(part, [at])) for at in range(part.type.num_fields)]
        valid = pc.and_(valid, functools.reduce(pc.or_, inside))
    return valid


def _labels(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Columns of class numbers with the classes' names, as ``datasets`` notes them beside the schema."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return {
        name: feature["names"]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }


def digest_of(*parts: object) -> str:
    """A short name for what these say."""
    text = json.dumps([str(part) for part in parts])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
