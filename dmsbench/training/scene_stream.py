"""Scenes without end to train on, and what each patch of their pictures shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dmsbench.data.base import Sample
from dmsbench.data.scenes.language import context, questions
from dmsbench.data.scenes.render import SIDE, box
from dmsbench.data.scenes.world import COLOURS, COLUMNS, ROWS, SHAPES, SIZES, Scene, draw_scene
from dmsbench.training.architecture import PATCH_SIZE

#: What a patch may show: nothing, or one of the words of each of these.
WORDS = (SHAPES, COLOURS, SIZES, ROWS, COLUMNS)


class Source:
    """Scenes of one split, drawn as they are wanted; the same seed draws the same ones."""

    def __init__(self, split: str, level: int, rng: np.random.Generator) -> None:
        self.split, self.level, self.rng = split, level, rng

    def scenes(self, count: int) -> list[Scene]:
        """The next ``count`` scenes."""
        found: list[Scene] = []
        while len(found) < count:
            scene = draw_scene(self.rng, self.level)
            if scene.split == self.split:
                found.append(scene)
        return found

    def samples(self, scene: Scene, count: int, per_context: int = 1) -> list[Sample]:
        """``count`` samples of a scene, each ``per_context`` with a context of their own.

        Questions repeat where few fit.
        """
        asked = questions(scene, self.rng, count)
        said = [context(scene, self.rng) for _ in range(0, count, per_context)]
        return [
            Sample(
                id="",
                group="",
                image=Path(),
                question=asked[i % len(asked)].text,
                answers=(asked[i % len(asked)].answer,),
                context=said[i // per_context],
            )
            for i in range(count)
        ]


def patch_labels(scenes: Sequence[Scene]) -> npt.NDArray[np.int64]:
    """Per scene and patch what it shows: places in each of ``WORDS``, from 1, 0 for none (N, 64, 5)."""
    side = SIDE // PATCH_SIZE
    labels = np.zeros((len(scenes), side, side, len(WORDS)), dtype=np.int64)
    quarter = PATCH_SIZE // 4
    for n, scene in enumerate(scenes):
        for thing, shift in zip(scene.things, scene.jitter, strict=True):
            top, left, bottom, right = box(thing, shift)
            # A patch shows what at least a quarter of it each way lies in.
            rows = slice((top + quarter) // PATCH_SIZE, -(-(bottom - quarter) // PATCH_SIZE))
            columns = slice((left + quarter) // PATCH_SIZE, -(-(right - quarter) // PATCH_SIZE))
            told = (thing.shape, thing.colour, thing.size, ROWS[thing.row], COLUMNS[thing.column])
            labels[n, rows, columns] = [
                1 + words.index(word) for words, word in zip(WORDS, told, strict=True)
            ]
    return labels.reshape(len(scenes), side * side, len(WORDS))
