"""A suite's score on its data: what it takes from the whole split, and what chance scores."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Any

import numpy as np

from dmsbench.data import Chance, Dataset
from dmsbench.errors import DataError
from dmsbench.tasks.scorers import Scorer, chance_under

#: Pictures whose captions are exchanged to find what chance scores.
_EXCHANGED = 1000


def on_split(score: Scorer, dataset: Dataset) -> Scorer:
    """The score with what it takes from the split; the same under every condition and limit.

    Raises DataError where the split holds too little for it.
    """
    images: dict[str, list[str]] = defaultdict(list)
    for sample in dataset.samples:
        if sample.fault is None:
            images[sample.group] += sample.answers
    try:
        return score.on(list(images.values()))
    except ValueError as error:
        raise DataError(f"data set '{dataset.name}': {score.name} cannot be computed: {error}") from None


def chance_of(score: Scorer, dataset: Dataset) -> dict[str, Any] | None:
    """What a model scores that does not look; None where it is not known."""
    if score.task != "captioning":
        return chance_under(score, None if dataset.chance is None else asdict(dataset.chance))
    sound = {sample.group: sample for sample in dataset.samples if sample.fault is None}
    samples = list(sound.values())[:_EXCHANGED]
    if len(samples) < 2:
        return None
    found = [score.function(samples[i - 1].answers[0], sample.answers) for i, sample in enumerate(samples)]
    return asdict(Chance(float(np.mean(found)), "another picture's caption"))
