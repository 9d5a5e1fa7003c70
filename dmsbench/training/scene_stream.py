"""Scenes without end to train on, and what each patch of their pictures shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dmsbench.data.base import Sample
from dmsbench.data.scenes.language import TELL, caption, context, questions
from dmsbench.data.scenes.render import SIDE, box
from dmsbench.data.scenes.world import COLOURS, COLUMNS, ROWS, SHAPES, SIZES, Scene, Thing, draw_scene
from dmsbench.training.architecture import PATCH_SIZE

#: What a patch may show: nothing, or one of the words of each of these.
WORDS = (SHAPES, COLOURS, SIZES, ROWS, COLUMNS)


class Source:
    """Scenes of one split, drawn as they are wanted; the same seed draws the same ones.

    ``most``: the most things that a scene may have, None for as many as its level has.
    """

    most: int | None = None

    def __init__(self, split: str, level: int, rng: np.random.Generator) -> None:
        self.split, self.level, self.rng = split, level, rng

    def scenes(self, count: int) -> list[Scene]:
        """The next ``count`` scenes."""
        found: list[Scene] = []
        while len(found) < count:
            scene = draw_scene(self.rng, self.level, self.most)
            if scene.split == self.split:
                found.append(scene)
        return found

    def samples(
        self, scene: Scene, count: int, per_context: int = 1, told_share: float = 0.0
    ) -> list[Sample]:
        """``count`` samples of a scene, each ``per_context`` with a context of their own.

        Questions repeat where few fit. The first question of a ``told_share`` of the contexts is ``TELL``,
        its answer the whole caption.
        """
        asked = questions(scene, self.rng, count)
        pairs = [(asked[i % len(asked)].text, asked[i % len(asked)].answer) for i in range(count)]
        if told_share:
            for first in range(0, count, per_context):
                if self.rng.random() < told_share:
                    pairs[first] = TELL, caption(scene)
        said = [context(scene, self.rng) for _ in range(0, count, per_context)]
        return [
            Sample(
                id="",
                group="",
                image=Path(),
                question=question,
                answers=(answer,),
                context=said[i // per_context],
            )
            for i, (question, answer) in enumerate(pairs)
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
            labels[n, rows, columns] = _told(thing)
    return labels.reshape(len(scenes), side * side, len(WORDS))


def place_labels(scenes: Sequence[Scene]) -> npt.NDArray[np.int64]:
    """Per scene and place, in reading order, what lies there, as in ``patch_labels`` (N, 9, 5)."""
    labels = np.zeros((len(scenes), len(ROWS), len(COLUMNS), len(WORDS)), dtype=np.int64)
    for n, scene in enumerate(scenes):
        for thing in scene.things:
            labels[n, thing.row, thing.column] = _told(thing)
    return labels.reshape(len(scenes), -1, len(WORDS))


def _told(thing: Thing) -> list[int]:
    words = (thing.shape, thing.colour, thing.size, ROWS[thing.row], COLUMNS[thing.column])
    return [1 + known.index(word) for known, word in zip(WORDS, words, strict=True)]
