"""A suite's data and its score on them: what it takes from the whole split, and what chance scores."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dmsbench.data import Chance, Dataset, Sample, foreign, load_dataset
from dmsbench.data.retrieval import DIRECTIONS, answer_of, gallery
from dmsbench.errors import DataError
from dmsbench.suite import DatasetConfig, RetrievalConfig
from dmsbench.tasks.catalogue import form, is_foreign, task_of
from dmsbench.tasks.scorers import Scorer, chance_under

#: Pictures, and captions to be tried on all of them, that chance is found on.
_PICTURES, _TRIED = 300, 30


def configured(config: DatasetConfig, task: str, limit: int | None = None) -> Dataset:
    """The data set that a suite names, for its task; ``limit`` says how much of a stream is taken."""
    if config.foreign:
        return foreign.load(config, task)
    return load_dataset(
        config.name,
        config.split,
        config.path,
        config.images,
        level=config.level,
        count=config.count,
        task=form(task),
        allow_outside=config.allow_outside,
        columns=config.columns,
        config=config.config,
        revision=config.revision,
        streaming=config.streaming,
        limit=limit,
    )


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


def searches(dataset: Dataset, config: RetrievalConfig) -> list[list[int]]:
    """``[gallery's size, right candidates, queries]``: all that chance hangs on, over the directions asked.

    Of the whole data set, as the galleries are. Faulty queries count for nothing.
    """
    counts: Counter[tuple[int, int]] = Counter()
    for direction in DIRECTIONS:
        if config.side(direction) is None:
            continue
        candidates = {answer_of(candidate) for candidate in gallery(dataset.samples, direction)}
        for sample in dataset.samples:
            if sample.direction == direction and sample.fault is None:
                counts[len(candidates), len(candidates.intersection(sample.answers))] += 1
    return [[*sizes, queries] for sizes, queries in sorted(counts.items())]


def chance_of_searches(score: Scorer, found: Sequence[Sequence[int]]) -> dict[str, Any] | None:
    """What a random order scores in these ``searches``; None where that is 1, or there are none."""
    if score.of_chance is None or not found:
        return None
    total = sum(queries for _, _, queries in found)
    value = sum(queries * score.of_chance(size, right) for size, right, queries in found) / total
    return asdict(Chance(value, "a random order of the gallery")) if value < 1.0 else None


def chance_of(
    score: Scorer, dataset: Dataset, config: RetrievalConfig | None = None
) -> dict[str, Any] | None:
    """What a model scores that does not look; None where it is not known, or where it is 1.

    Of captions: the best of some captions of the set, always given. It is chosen on every other picture and
    scored on the others, and the other way round. Of retrieval, which needs ``config``: a random order.
    """
    if score.task == "retrieval":
        return None if config is None else chance_of_searches(score, searches(dataset, config))
    if is_foreign(score.task) and (guessing := task_of(score.task).chance) is not None:
        found_by_task = guessing([sample for sample in dataset.samples if sample.fault is None])
        return chance_under(score, None if found_by_task is None else asdict(found_by_task))
    if form(score.task) != "captioning":
        return chance_under(score, None if dataset.chance is None else asdict(dataset.chance))
    sound = {sample.group: sample for sample in dataset.samples if sample.fault is None}
    samples = list(sound.values())[:_PICTURES]
    halves = samples[::2], samples[1::2]
    if not halves[1]:
        return None
    found: list[float] = []
    for chosen_on, scored_on in (halves, halves[::-1]):
        tried = list(dict.fromkeys(sample.answers[0] for sample in chosen_on))[:_TRIED]
        best = max(tried, key=lambda caption: _mean(score, caption, chosen_on))
        found.append(_mean(score, best, scored_on))
    value = float(np.mean(found))
    return asdict(Chance(value, "the best constant caption")) if value < 1.0 else None


def _mean(score: Scorer, caption: str, samples: Sequence[Sample]) -> float:
    return float(np.mean([score.function(caption, sample.answers) for sample in samples]))
