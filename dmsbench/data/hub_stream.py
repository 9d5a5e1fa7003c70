"""The first rows of a data set's stream, fetched once and kept as an Arrow file.

A stopped run that goes on, and every later one with the same or a smaller limit, reads what was kept: the
same pictures, without asking the hub, also after the data set has changed there. More rows are fetched at the
commit of those that are here.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from dmsbench.data.arrow_rows import digest_of, has_picture
from dmsbench.data.hub_files import Fetched, Source, cache_folder, library, stream, told
from dmsbench.errors import DataError

#: Rows written at a time: what is in memory of them.
_ROWS = 64
_KEPT = re.compile(r"rows-(\d+)-([0-9a-f]{40}|unknown)(-all)?\.arrow")


def keep(source: Source, rows: int, picture: str | None = None) -> Fetched:
    """An Arrow file that begins with the first rows of a split's stream, as many as there are at most.

    ``picture``: a column; rows without one there are not counted and not kept.

    Raises DataError as ``hub_files.fetch`` does.
    """
    library()
    named = digest_of(source.path, source.config, source.split, _state(source), picture)
    folder = cache_folder() / f"stream-{named}"
    held = _held(folder)
    enough = next((one for one in held if one[0] >= rows or one[2]), None)
    if enough is None:
        # What is here already says which commit it is of.
        known = next((commit for _, commit, _ in held if commit != "unknown"), None)
        pinned = source if known is None or source.is_folder else replace(source, revision=known)
        enough = _written(pinned, rows, folder, picture)
    count, commit, whole = enough
    return Fetched((str(folder / _name(count, commit, whole)),), "" if commit == "unknown" else commit)


def _state(source: Source) -> str:
    """What a kept stream is good for: a revision, or a folder's files as they are."""
    if not source.is_folder:
        return source.revision
    files = sorted(path for path in Path(source.path).rglob("*") if path.is_file())
    return digest_of(*((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files))


def _held(folder: Path) -> list[tuple[int, str, bool]]:
    """What is kept: rows, commit, and whether the data set has no more; the fewest rows first."""
    try:
        names = [_KEPT.fullmatch(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted((int(found[1]), found[2], found[3] is not None) for found in names if found)


def _name(rows: int, commit: str, whole: bool) -> str:
    return f"rows-{rows}-{commit}{'-all' if whole else ''}.arrow"


def _written(source: Source, rows: int, folder: Path, picture: str | None) -> tuple[int, str, bool]:
    import pyarrow as pa

    data, commit = stream(source)
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{os.getpid()}.tmp"
    count = 0
    try:
        with told(source), beside.open("wb") as file:
            writer: Any = None
            for table in data.with_format("arrow").iter(batch_size=min(_ROWS, rows)):
                part = table if picture is None else table.filter(has_picture(table, picture))
                part = part.slice(0, rows - count)
                if writer is None:
                    writer = pa.ipc.new_stream(file, part.schema)
                writer.write_table(part)
                count += part.num_rows
                if count == rows:
                    break
            if writer is None:
                raise DataError(f"{source.where}: no rows")
            writer.close()
            file.flush()
            os.fsync(file.fileno())
        found = count, commit or "unknown", count < rows
        beside.replace(folder / _name(*found))
    finally:
        beside.unlink(missing_ok=True)
    return found
