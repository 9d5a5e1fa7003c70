"""How many questions about scenes a checkpoint in training answers, with both modalities and with each."""

from __future__ import annotations

import numpy as np
import torch

from dmsbench.data.scenes.render import render
from dmsbench.data.scenes.world import SPLITS
from dmsbench.training.packing import tokenise
from dmsbench.training.pictures import to_pixel_values
from dmsbench.training.prefix import behind, hidden_of
from dmsbench.training.scene_stream import Source
from dmsbench.training.trainee import Trainee

#: What ``accuracy`` takes away, by its number in ``packing.pack``.
WITHOUT = {"both": 0, "text only": 1, "image only": 2}


@torch.no_grad()
def accuracy(
    trainee: Trainee,
    level: int,
    pictures: int = 250,
    split: str = "validation",
) -> dict[str, float]:
    """Share of answers whose every token is the most probable one, with both modalities and with each.

    Teacher forced, on the first scenes of a split.
    """
    trainee.model.eval()
    rng = np.random.Generator(np.random.Philox(key=[1, list(SPLITS).index(split)]))
    source = Source(split, level, rng)
    scenes = source.scenes(pictures)
    asked = [source.samples(scene, 5) for scene in scenes]
    found = {}
    for name, gone in WITHOUT.items():
        right: list[bool] = []
        for start in range(0, pictures, 50):
            turns = [
                [tokenise(trainee.tokenizer, sample, template=trainee.template) for sample in samples]
                for samples in asked[start : start + 50]
            ]
            shape = (len(turns), len(turns[0]))
            batch = behind(trainee, turns, np.full(shape, gone), np.full(shape, gone > 0, dtype=np.bool_))
            pixels = np.stack([render(scene) for scene in scenes[start : start + 50]])
            hidden = hidden_of(trainee, batch, to_pixel_values(pixels))
            hits = (trainee.head(hidden[batch.places]).argmax(dim=1) == batch.targets).tolist()
            for turn in (turn for samples in turns for turn in samples):
                length = len(turn.ids) - turn.answer
                right.append(all(hits[:length]))
                hits = hits[length:]
        found[name] = float(np.mean(right))
    return found
