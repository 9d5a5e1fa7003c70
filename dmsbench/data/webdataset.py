"""Tar files of pictures and what is said of them, as WebDataset lays them out.

A sample is the files of one name up to its first dot: ``000012.jpg`` (or another of PICTURES), with
``000012.json``, an object with the keys of ``local``, and ``000012.txt``, a caption; one of the two is
enough. Its id is that name where the JSON has none. Nothing is extracted: a picture is read from where it
lies in its tar file, when it is looked at, and names are only compared, so that no name leads anywhere.

A sample that cannot be used becomes one with a fault.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dmsbench.data.base import Dataset, SampleError, commonest_answer, fingerprint, order_by_group
from dmsbench.data.foreign_rows import own_row
from dmsbench.data.hub import Missing, picture_of
from dmsbench.data.image_files import MOST_BYTES, UnusablePictureError, read_bytes
from dmsbench.data.local import LICENCE, ORDER_SEED, row_samples_of
from dmsbench.data.names import one_line
from dmsbench.data.row_files import NumberedRow
from dmsbench.errors import DataError

#: Endings of pictures.
PICTURES = frozenset({"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm", "avif"})
#: Bytes of one JSON or text file.
MOST_TEXT = 16 * 2**20
#: Tar files that a pattern may name.
MOST_SHARDS = 100_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")


@dataclass(frozen=True, slots=True)
class TarPicture:
    """A picture in a tar file: where it begins there and how many bytes it has."""

    shard: str
    offset: int
    size: int
    name: str

    def draw(self) -> npt.NDArray[np.uint8]:
        """Its pixels, uint8 RGB, H×W×3; raises SampleError where they are no picture that can be used."""
        try:
            return read_bytes(self.identity(), self.name)
        except UnusablePictureError as error:
            raise SampleError(str(error)) from None
        except (OSError, ValueError) as error:
            raise SampleError(f"{one_line(self.name)}: {one_line(str(error))}") from None

    def identity(self) -> bytes:
        """See ``base.Kept``: its bytes."""
        if self.size > MOST_BYTES:
            raise ValueError(f"has {self.size:,} bytes, more than {MOST_BYTES:,}")
        with Path(self.shard).open("rb") as file:
            file.seek(self.offset)
            found = file.read(self.size)
        if len(found) < self.size:
            raise ValueError(f"{Path(self.shard).name} ends within it")
        return found


def load(pattern: str, task: str = "vqa", *, columns: Mapping[str, str] | None = None) -> Dataset:
    """The data set of the tar files that a pattern names: ``shards/{000..003}.tar``, ``{train,val}.tar``.

    ``columns`` says what the JSON calls some of the keys. Raises DataError where a tar file is missing, is
    compressed or none at all, or where there is no sample.
    """
    shards = shards_of(pattern)
    found = row_samples_of(_rows(shards, columns or {}), task, Missing(), picture_of)
    if not found:
        raise DataError(f"{pattern}: no samples: a picture with a .json or .txt file of its name is one")
    samples = order_by_group(found, ORDER_SEED)
    chance = commonest_answer(samples) if task == "vqa" else None
    return Dataset(
        name="webdataset",
        split="all",
        samples=samples,
        fingerprint=fingerprint(samples),
        licence=LICENCE,
        chance=chance if chance and chance.value < 1.0 else None,
        source={"shards": str(len(shards))},
    )


def shards_of(pattern: str) -> list[Path]:
    """The files that a pattern with braces names, in its order; raises DataError where one is missing."""
    pieces = _BRACES.split(pattern)
    choices = [[piece] if at % 2 == 0 else _alternatives(pattern, piece) for at, piece in enumerate(pieces)]
    count = 1
    for one in choices:
        count *= len(one)
    if count > MOST_SHARDS:
        raise DataError(f"{pattern}: names {count:,} files, more than {MOST_SHARDS:,}")
    paths = [Path("".join(parts)) for parts in product(*choices)]
    for path in paths:
        try:
            there = path.is_file()
        except ValueError:
            there = False
        if not there:
            raise DataError(f"{path}: no such tar file (of '{pattern}')")
    return paths


def _alternatives(pattern: str, inside: str) -> list[str]:
    numbers = _RANGE.fullmatch(inside)
    if numbers is None:
        return inside.split(",")
    first, last = int(numbers[1]), int(numbers[2])
    if last < first or last - first >= MOST_SHARDS:
        raise DataError(f"{pattern}: {{{inside}}} should count up, by fewer than {MOST_SHARDS:,}")
    return [str(number).zfill(len(numbers[1])) for number in range(first, last + 1)]


def _rows(shards: list[Path], columns: Mapping[str, str]) -> Iterator[NumberedRow]:
    line = 0
    for shard in shards:
        try:
            for key, parts in _samples(shard):
                line += 1
                yield line, _row(key, parts, columns)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise DataError(
                f"{shard}: not a readable tar file ({one_line(str(error))}); compressed ones have to be "
                "unpacked to .tar first"
            ) from None


def _samples(shard: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Consecutive files of one name: by ending, a picture, the text of a file, or a ValueError."""
    key, parts = "", dict[str, Any]()
    # "r:" takes no compressed file: in one there are no places to come back to.
    opened: Any = tarfile.open(shard, "r:")  # noqa: SIM115
    with opened as tar, shard.open("rb") as file:
        while (member := tar.next()) is not None:
            tar.members.clear()  # else it remembers every file of the archive
            folder, _, base = member.name.rpartition("/")
            stem, _, ending = base.partition(".")
            if not member.isreg() or member.issparse() or not stem or not ending:
                continue
            own, ending = f"{folder}/{stem}" if folder else stem, ending.lower()
            if own != key and parts:
                yield key, parts
                parts = {}
            key = own
            picture = ending in PICTURES
            name = "picture" if picture else ending
            if not picture and ending not in ("json", "txt"):
                continue
            if name in parts:
                parts[name] = ValueError(f"two files .{name if not picture else 'of a picture'}")
            elif picture:
                parts[name] = TarPicture(str(shard), member.offset_data, member.size, base)
            elif member.size > MOST_TEXT:
                parts[name] = ValueError(f".{ending} has {member.size:,} bytes, more than {MOST_TEXT:,}")
            else:
                file.seek(member.offset_data)
                parts[name] = file.read(member.size)
    if parts:
        yield key, parts


def _row(key: str, parts: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any] | str:
    """A sample under the names of ``local``, or why it cannot be used."""
    for part in parts.values():
        if isinstance(part, ValueError):
            return f"{key}: {part}"
    told: Any = {}
    try:
        if "json" in parts:
            told = json.loads(parts["json"].decode("utf-8"))
        if not isinstance(told, dict):
            return f"{key}: .json is no object"
        caption = parts["txt"].decode("utf-8").strip() if "txt" in parts else None
    except UnicodeDecodeError:
        return f"{key}: not UTF-8 text"
    except (ValueError, RecursionError) as error:
        return f"{key}: not valid JSON ({one_line(getattr(error, 'msg', str(error)))})"
    row = own_row(told, columns)
    if isinstance(row, str):
        return f"{key}: {row}"
    found = {name: value for name, value in row.items() if name != "image"}
    if caption and "captions" not in found and "caption" not in found:
        found["captions"] = [caption]
    found.setdefault("id", key)
    if "picture" in parts:
        found |= {"image": parts["picture"], "picture": key}
    return found
