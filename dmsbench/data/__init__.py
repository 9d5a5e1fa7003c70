"""Data sets: easy-VQA, and anybody's own."""

from __future__ import annotations

from pathlib import Path

from dmsbench.data.base import Chance, Dataset, Sample, SampleError
from dmsbench.errors import DataError

#: Data sets by name and what each is.
DATASETS = {
    "easy_vqa": "easy-VQA (MIT): one coloured shape a picture, 13 answers; splits train, validation, test",
    "local": "your own JSONL or Parquet file of id, image, question, answers beside an image folder",
}


def load_dataset(
    name: str, split: str = "test", path: Path | None = None, images: Path | None = None
) -> Dataset:
    """Loads a data set by name; raises DataError where it cannot be read at all."""
    if name == "easy_vqa":
        from dmsbench.data import easy_vqa

        return easy_vqa.load(split)
    if path is None:
        raise DataError("the local data set needs a path to a JSONL or Parquet file")
    from dmsbench.data import local

    return local.load(path, images)


__all__ = ["DATASETS", "Chance", "DataError", "Dataset", "Sample", "SampleError", "load_dataset"]
