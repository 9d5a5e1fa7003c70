"""Data sets: easy-VQA, scenes, and anybody's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dmsbench.data.base import Chance, Dataset, Sample, SampleError
from dmsbench.errors import DataError

#: Data sets by name and what each is.
DATASETS = {
    "easy_vqa": "easy-VQA (MIT): one coloured shape a picture, 13 answers; splits train, validation, test",
    "scenes": "scenes (generated, CC0): several coloured shapes a picture, five kinds of question, a context "
    "that tells part of the same; levels 1, 2, 3; splits train, validation, test",
    "local": "your own JSONL, Parquet, CSV or TSV file of id, image, question, answers (or captions) beside "
    "an image folder",
}


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
) -> Dataset:
    """Loads a data set by name; raises DataError where it cannot be read at all.

    ``path``, ``images``, ``allow_outside`` and ``columns`` are of local data, ``level`` (by default 1) and
    ``count`` of scenes. ``task``: ``vqa``, ``captioning`` or ``retrieval``, what the samples are for;
    easy-VQA has nothing to be searched. Samples of retrieval are its queries: see ``base.Sample``.
    """
    if name == "easy_vqa":
        from dmsbench.data import easy_vqa

        if task == "retrieval":
            raise DataError("easy_vqa has nothing for retrieval: use scenes or your own data")
        return easy_vqa.load(split, task)
    if name == "scenes":
        from dmsbench.data import scenes

        return scenes.load(split, 1 if level is None else level, count, task)
    if path is None:
        raise DataError("the local data set needs a path to a JSONL, Parquet, CSV or TSV file")
    from dmsbench.data import local

    return local.load(path, images, task, allow_outside=allow_outside, columns=columns)


__all__ = [
    "DATASETS",
    "Chance",
    "DataError",
    "Dataset",
    "Sample",
    "SampleError",
    "check_split",
    "load_dataset",
]
