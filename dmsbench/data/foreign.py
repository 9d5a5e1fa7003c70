"""Data sets that other packages offer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dmsbench.data.base import Dataset
from dmsbench.errors import DataError
from dmsbench.plugins import DATASETS, offered

if TYPE_CHECKING:
    from dmsbench.suite_blocks import DatasetConfig


def load(config: DatasetConfig, task: str) -> Dataset:
    """The data set that a package makes of a suite's block, for a task.

    The package's function is called as ``function(config, task=task)``. ``config`` has the name that it is
    asked by, ``split``, ``path`` and ``images`` (from the suite's own folder), and ``options``, which the
    package reads and checks: a ValueError of its is what the user reads.

    Raises DataError for that, and where samples cannot be what a run asks: none at all, two with one id, or
    one image under two names; DmsbenchError where the package fails or gives something else.
    """
    plugin = offered(DATASETS)[config.name]
    made = plugin.asked("to load its data", config, task=task)
    if not isinstance(made, Dataset):
        raise plugin.unusable(f"{plugin.entry.value} gives a {type(made).__name__}, not a Dataset")
    if not made.fingerprint:
        raise plugin.unusable("its fingerprint is empty: dmsbench.data.base.fingerprint makes one")
    seen: set[str] = set()
    images: dict[str, object] = {}
    for sample in made.samples:
        if sample.id in seen:
            raise DataError(f"{config.name} ({plugin.title}): two samples have the id '{sample.id}'")
        seen.add(sample.id)
        if images.setdefault(sample.group, sample.image) != sample.image:
            raise DataError(f"{config.name} ({plugin.title}): group '{sample.group}' has two images")
    # Reports and keys call it what the suite does.
    return replace(made, name=config.name, split=config.split)
