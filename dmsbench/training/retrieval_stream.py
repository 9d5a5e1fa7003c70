"""Items and captions without end to train retrieval on, and captions that are nearly right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from dmsbench.data.scenes import TITLED
from dmsbench.data.scenes.language import caption, context
from dmsbench.data.scenes.world import COLOURS, SHAPES, SIZES, Scene, Thing
from dmsbench.training.packing import cut


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a scene: its title, its caption, and the caption of a scene that is nearly the same."""

    scene: Scene
    title: str
    caption: str
    other: Scene
    wrong: str


def told(scene: Scene, rng: np.random.Generator) -> Told:
    """Draws a title, and one thing's change for the wrong caption."""
    title, other = context(scene, rng, TITLED), changed(scene, rng)
    return Told(scene, title, caption(scene), other, caption(other))


def changed(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with another colour, shape, size or place of one thing; still in reading order."""
    things = list(scene.things)
    at = int(rng.integers(len(things)))
    others = things[:at] + things[at + 1 :]
    taken = {(thing.colour, thing.shape) for thing in others}
    places = {(thing.row, thing.column) for thing in others}
    while True:
        thing = _changed(things[at], int(rng.integers(4)), rng)
        free = (thing.colour, thing.shape) not in taken and (thing.row, thing.column) not in places
        if free and thing != things[at]:
            found = sorted([*others, thing], key=lambda thing: (thing.row, thing.column))
            return replace(scene, things=tuple(found))


def _changed(thing: Thing, way: int, rng: np.random.Generator) -> Thing:
    if way == 0:
        return replace(thing, colour=COLOURS[int(rng.integers(len(COLOURS)))])
    if way == 1:
        return replace(thing, shape=SHAPES[int(rng.integers(len(SHAPES)))])
    if way == 2:
        return replace(thing, size=SIZES[1 - SIZES.index(thing.size)])
    return replace(thing, row=int(rng.integers(3)), column=int(rng.integers(3)))


class Texts:
    """Texts as tokens, some in byte pairs of their own: a typo then is no more than other pieces."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, share: float, cuts: float, rng: np.random.Generator
    ) -> None:
        self.tokenizer, self.share, self.cuts, self.rng = tokenizer, share, cuts, rng
        self._first, self._end = int(tokenizer.bos_token_id), int(tokenizer.eos_token_id)
        self._pad = int(tokenizer.pad_token_id)

    def ids(self, text: str) -> list[int]:
        """A text's tokens without its frame."""
        pieces = cut(text, self.cuts, self.rng) if self.rng.random() < self.share else [text]
        found: list[int] = []
        for piece in pieces:
            found += self.tokenizer(piece, add_special_tokens=False)["input_ids"]
        return found

    def framed(self, *texts: Sequence[int] | None) -> list[int]:
        """One text, or two, as the tokenizer frames them; None is left out."""
        found = [self._first]
        for ids in texts:
            if ids is not None:
                found += [*ids, self._end]
        return found

    def padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids (N, L), padded on the right, and 1 where there is no padding."""
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self._pad)
        real = torch.zeros(len(rows), width, dtype=torch.long)
        for n, row in enumerate(rows):
            ids[n, : len(row)] = torch.tensor(row)
            real[n, : len(row)] = 1
        return ids, real
