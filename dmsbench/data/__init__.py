"""Data sets: easy-VQA, scenes, public ones, and anybody's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dmsbench.data.base import Chance, Dataset, Sample, SampleError
from dmsbench.data.presets import PRESETS, REVISION
from dmsbench.errors import DataError, UnknownNameError

#: Data sets by name and what each is.
DATASETS = {
    "easy_vqa": "easy-VQA (MIT): one coloured shape a picture, 13 answers; splits train, validation, test",
    "scenes": "scenes (generated, CC0): several coloured shapes a picture, five kinds of question, a context "
    "that tells part of the same; levels 1, 2, 3; splits train, validation, test",
    "local": "your own JSONL, Parquet, CSV or TSV file of id, image, question, answers (or captions) beside "
    "an image folder",
    "hub": "any data set of the Hugging Face hub, or a folder of Parquet files, by its path and columns; "
    "needs the extra hub; licence: its own",
    "webdataset": "your own tar files of pictures with JSON or a caption of that name (WebDataset shards)",
    **{name: preset.description for name, preset in PRESETS.items()},
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of which data set is wanted: the keys of a suite's ``dataset``, its task and its limit."""

    name: str
    split: str
    path: Path | None
    images: Path | None
    level: int | None
    count: int | None
    task: str
    allow_outside: bool
    columns: Mapping[str, str] = field(default_factory=dict)
    config: str | None = None
    revision: str | None = None
    streaming: bool = False
    limit: int | None = None


def check_split(name: str, split: str) -> None:
    """Raises DataError for a split that the data set of this name does not have."""
    if name == "easy_vqa":
        from dmsbench.data import easy_vqa

        easy_vqa.check_split(split)
    elif name == "scenes":
        from dmsbench.data import scenes

        scenes.check_split(split)


def load_dataset(
    name: str,
    split: str = "test",
    path: Path | None = None,
    images: Path | None = None,
    *,
    level: int | None = None,
    count: int | None = None,
    task: str = "vqa",
    allow_outside: bool = False,
    columns: Mapping[str, str] | None = None,
    config: str | None = None,
    revision: str | None = None,
    streaming: bool = False,
    limit: int | None = None,
) -> Dataset:
    """Loads a data set by name; raises DataError where it cannot be read at all, UnknownNameError.

    ``path``, ``images``, ``allow_outside`` and ``columns`` are of local data, ``level`` (by default 1) and
    ``count`` of scenes; ``path``, ``columns``, ``config``, ``revision`` and ``streaming`` of the hub, where
    ``limit`` says how much of a stream is taken. ``task``: ``vqa``, ``captioning`` or ``retrieval``, what the
    samples are for; easy-VQA has nothing to be searched. Samples of retrieval are its queries: see
    ``base.Sample``.
    """
    wanted = Wanted(
        name,
        split,
        path,
        images,
        level,
        count,
        task,
        allow_outside,
        columns or {},
        config,
        revision,
        streaming,
        limit,
    )
    loader = _LOADERS.get(name) or (_load_preset if name in PRESETS else None)
    if loader is None:
        raise UnknownNameError("data set", name, DATASETS)
    return loader(wanted)


def _load_easy_vqa(wanted: Wanted) -> Dataset:
    from dmsbench.data import easy_vqa

    if wanted.task == "retrieval":
        raise DataError("easy_vqa has nothing for retrieval: use scenes or your own data")
    return easy_vqa.load(wanted.split, wanted.task)


def _load_scenes(wanted: Wanted) -> Dataset:
    from dmsbench.data import scenes

    level = 1 if wanted.level is None else wanted.level
    return scenes.load(wanted.split, level, wanted.count, wanted.task)


def _load_local(wanted: Wanted) -> Dataset:
    from dmsbench.data import local

    if wanted.path is None:
        raise DataError("the local data set needs a path to a JSONL, Parquet, CSV or TSV file")
    return local.load(
        wanted.path,
        wanted.images,
        wanted.task,
        allow_outside=wanted.allow_outside,
        columns=wanted.columns,
    )


def _load_webdataset(wanted: Wanted) -> Dataset:
    from dmsbench.data import webdataset

    if wanted.path is None:
        raise DataError("webdataset needs a path to tar files, such as shards/{000..003}.tar")
    return webdataset.load(str(wanted.path), wanted.task, columns=wanted.columns)


def _load_hub(wanted: Wanted) -> Dataset:
    if wanted.path is None:
        raise DataError("the hub needs a path: owner/name, or a folder")
    return _of_hub(wanted, wanted.path, wanted.config, wanted.columns)


def _load_preset(wanted: Wanted) -> Dataset:
    preset = PRESETS[wanted.name]
    if wanted.task not in preset.scores:
        raise DataError(f"{wanted.name} is for {', '.join(preset.scores)}, not for {wanted.task}")
    columns = {**preset.columns, **wanted.columns}
    return _of_hub(wanted, wanted.path or Path(preset.repository), preset.config, columns)


def _of_hub(wanted: Wanted, path: Path, config: str | None, columns: Mapping[str, str]) -> Dataset:
    from dmsbench.data import hub
    from dmsbench.data.hub_files import Source

    address = str(path) if path.is_absolute() else path.as_posix()
    if not path.is_absolute():
        hub.check_repository(address)
    elif not path.is_dir():
        raise DataError(f"{path}: no such folder; give a folder of Parquet files, or owner/name")
    if wanted.streaming and wanted.limit is None:
        raise DataError(
            f"{address}: streaming needs a limit, which says how many rows are fetched; to take all, set "
            "streaming: false"
        )
    return hub.load(
        hub.Request(
            wanted.name,
            Source(address, config, wanted.split, wanted.revision or REVISION),
            columns,
            PRESETS.get(wanted.name),
            wanted.limit if wanted.streaming else None,
        ),
        wanted.task,
    )


#: How a data set is loaded, by name; presets are all loaded by one.
_LOADERS: Mapping[str, Callable[[Wanted], Dataset]] = {
    "easy_vqa": _load_easy_vqa,
    "scenes": _load_scenes,
    "local": _load_local,
    "hub": _load_hub,
    "webdataset": _load_webdataset,
}

__all__ = [
    "DATASETS",
    "Chance",
    "DataError",
    "Dataset",
    "Sample",
    "SampleError",
    "Wanted",
    "check_split",
    "load_dataset",
]
