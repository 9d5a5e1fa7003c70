"""Pictures of dots to be counted, drawn when they are looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmsbench.data import Dataset, Sample
from dmsbench.data.base import commonest_answer, fingerprint
from dmsbench.suite_blocks import DatasetConfig

SIDE, CELLS, RADIUS = 64, 4, 5
SEEDS = {"train": 1, "validation": 2, "test": 3}
OPTIONS = {"pictures": 100, "most": 6}


@dataclass(frozen=True, slots=True)
class Dots:
    """A picture: black dots in cells of their own on white. Worker processes receive it by pickle."""

    cells: tuple[int, ...]

    def draw(self) -> NDArray[np.uint8]:
        pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
        down, across = np.mgrid[:SIDE, :SIDE]
        step = SIDE // CELLS
        for cell in self.cells:
            row, column = (place * step + step // 2 for place in divmod(cell, CELLS))
            pixels[(down - row) ** 2 + (across - column) ** 2 <= RADIUS**2] = 0
        return pixels


def dots(config: DatasetConfig, *, task: str) -> Dataset:
    """Black dots on white, to be counted; options pictures (100) and most, dots in a picture (6)."""
    if task == "retrieval":
        raise ValueError("has nothing to be searched: use it for counting or vqa")
    if config.split not in SEEDS:
        raise ValueError(f"no split '{config.split}': use one of {', '.join(SEEDS)}")
    options = {**OPTIONS, **config.options}
    unknown = set(options) - set(OPTIONS)
    if unknown:
        raise ValueError(f"unknown option '{min(unknown)}': known: {', '.join(OPTIONS)}")
    for name, most in (("pictures", 100_000), ("most", CELLS * CELLS)):
        if type(options[name]) is not int or not 1 <= options[name] <= most:
            raise ValueError(f"{name} must be a whole number from 1 to {most:,}, not {options[name]!r}")
    rng = np.random.default_rng(SEEDS[config.split])
    samples = []
    for number in range(options["pictures"]):
        count = int(rng.integers(1, options["most"] + 1))
        cells = tuple(sorted(map(int, rng.choice(CELLS * CELLS, size=count, replace=False))))
        name = f"{config.split}-{number:05d}"
        samples.append(
            Sample(name, name, Dots(cells), "How many dots are there?", (str(count),), about=("count",))
        )
    return Dataset(
        name="dots",
        split=config.split,
        samples=tuple(samples),  # drawn independently, so that any first ones are a fair part
        fingerprint=fingerprint(samples),
        licence="CC0",
        chance=commonest_answer(samples),
    )
