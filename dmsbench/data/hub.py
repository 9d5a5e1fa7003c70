"""Data sets of the Hugging Face hub, or of a folder that ``datasets`` reads, and the presets among them.

Rows become samples as those of ``local`` do, faults included; their columns are read by ``foreign_rows``. The
pictures stay in Arrow files and are decoded when they are looked at, by the same bounded reading as files.
Rows of one ``group`` show one picture, that of the first of them; without a group each row's is its own.

The fingerprint covers the rows and, of a known commit, the commit and each picture's row; else the pictures'
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from dmsbench.data.arrow_rows import ArrowPicture, Origin, columns_in, rows_in
from dmsbench.data.base import (
    Dataset,
    Drawn,
    Sample,
    SampleError,
    commonest_answer,
    fingerprint,
    order_by_group,
)
from dmsbench.data.foreign_rows import FOREIGN_KEYS, check_columns, column_of, own_row
from dmsbench.data.hub_files import Fetched, Source, fetch, picture_folders
from dmsbench.data.local import ORDER_SEED, REFERENCES, RowError, row_samples_of
from dmsbench.data.presets import Preset
from dmsbench.data.row_files import NumberedRow
from dmsbench.errors import DataError

LICENCE = "not told by the data set; see its page"


@dataclass(frozen=True, slots=True)
class Request:
    """What of which data set is asked for. ``streamed``: so many rows from the start of its stream alone."""

    name: str
    source: Source
    columns: Mapping[str, str] = field(default_factory=dict)
    preset: Preset | None = None
    streamed: int | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands where a row has no picture."""

    def draw(self) -> npt.NDArray[np.uint8]:
        """Raises SampleError."""
        raise SampleError("no picture")

    def identity(self) -> bytes:
        """See ``base.Kept``."""
        return b"missing"


def load(request: Request, task: str = "vqa") -> Dataset:
    """The data set, for a task; raises DataError where it cannot be had or read at all.

    Of a stream the samples stand in its order, whole images together, so that more of it contains less of it;
    else in the order of ``local``.
    """
    fetched = _fetched(request)
    rows = _rows(request, fetched, task)
    found = row_samples_of(rows, task, Missing(), picture_of)
    if not found:
        raise DataError(f"{request.source.where}: no rows")
    streamed = request.streamed is not None
    samples = _together(found) if streamed else order_by_group(found, ORDER_SEED)
    chance = commonest_answer(samples) if task == "vqa" else None
    preset = request.preset
    return Dataset(
        name=request.name,
        split=request.source.split,
        samples=samples,
        fingerprint=fingerprint(samples),
        licence=preset.licence if preset else fetched.licence or LICENCE,
        chance=chance if chance and chance.value < 1.0 else None,
        source=_origin(request, fetched),
    )


def _together(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Whole images together, each where its first sample is."""
    members: dict[str, list[Sample]] = {}
    for sample in samples:
        members.setdefault(sample.group, []).append(sample)
    return tuple(sample for group in members.values() for sample in group)


def picture_of(row: Mapping[str, Any]) -> tuple[Drawn, str]:
    """The picture that a row holds already, and what it is called; raises RowError where there is none."""
    image: Drawn | None = row.get("image")
    if image is None:
        raise RowError("no image")
    return image, str(row["picture"])


def _fetched(request: Request) -> Fetched:
    if request.streamed is None:
        return fetch(request.source)
    from dmsbench.data.hub_stream import keep

    preset = request.preset
    only = request.columns.get("image", "image") if preset and preset.only_with_picture else None
    return keep(request.source, request.streamed, only)


def _origin(request: Request, fetched: Fetched) -> dict[str, str]:
    """Where it comes from, for a run's manifest: no path of this machine."""
    source, preset = request.source, request.preset
    found = {"repository": "a folder" if source.is_folder else source.path, "split": source.split}
    if source.config is not None:
        found["config"] = source.config
    if not source.is_folder:
        found |= {"revision": source.revision, "commit": fetched.commit or "not known"}
    if preset is not None:
        found |= {"preset": preset.name, "original": preset.source}
    if request.streamed is not None:
        found["streamed"] = f"the first {request.streamed} rows"
    return found


def _identity(source: Source, fetched: Fetched) -> str:
    """What the pictures of a commit are told by; empty where their bytes have to tell."""
    return f"{source.path}@{fetched.commit}/{source.config}/{source.split}" if fetched.commit else ""


def _rows(request: Request, fetched: Fetched, task: str) -> Iterator[NumberedRow]:
    source, preset, columns = request.source, request.preset, request.columns
    present = columns_in(fetched.files)
    elsewhere = preset.pictures if preset else None
    asked = [("question",)] if task == "vqa" else []
    wanted = REFERENCES[task]
    needed = [*([] if elsewhere else [("image",)]), *asked, wanted]
    check_columns(source.where, present, columns, needed)
    origin = None
    if not elsewhere:
        column = column_of("image", columns, present)
        if column is None:
            raise DataError(f"{source.where}: no column 'image'")
        origin = Origin(column, _identity(source, fetched), picture_folders(source))
    read = {column_of(key, columns, present) for key in FOREIGN_KEYS}
    by = elsewhere[2] if elsewhere else None
    names = [name for name in present if name in read or name == by]
    pictures = _pictures_elsewhere(request, elsewhere) if elsewhere else {}
    shared: dict[object, Drawn] = {}
    rows = islice(rows_in(fetched.files, names, origin), request.streamed)
    for line, row in enumerate(rows, start=1):
        image = pictures.get(str(row.get(by))) if by else row[origin.column] if origin else None
        if image is None and preset is not None and preset.only_with_picture:
            continue
        found = own_row(row, columns)
        if isinstance(found, str):
            yield line, found
            continue
        ready = {key: value for key, value in found.items() if key != "image"}
        if task != "vqa" and preset is not None:
            # The questions of these mirrors are another harness's prompt.
            ready.pop("question", None)
        if image is not None:
            group = ready.get("group")
            if isinstance(group, int | str) and not isinstance(group, bool):
                image = shared.setdefault(str(group), image)
            ready |= {"image": image, "picture": f"row-{line - 1}"}
        yield line, ready


def _pictures_elsewhere(request: Request, elsewhere: tuple[str, str, str]) -> Mapping[str, ArrowPicture]:
    """The pictures of another configuration, by what questions name them by."""
    config, key, _ = elsewhere
    source = replace(request.source, config=config)
    fetched = fetch(source)
    present = columns_in(fetched.files)
    check_columns(source.where, present, {}, [("image",), (key,)])
    origin = Origin("image", _identity(source, fetched), picture_folders(source))
    rows = rows_in(fetched.files, (key,), origin)
    return {str(row[key]): row["image"] for row in rows if row["image"] is not None}


def check_repository(path: str) -> None:
    """Raises DataError for what is no ``owner/name`` of a repository."""
    parts = path.split("/")
    allowed = all(part and all(c.isalnum() or c in "._-" for c in part) for part in parts)
    if len(parts) != 2 or not allowed or any(part in (".", "..") for part in parts):
        raise DataError(
            f"'{path}' is no data set of the hub: give owner/name, or a folder that begins with ./ or /"
        )
