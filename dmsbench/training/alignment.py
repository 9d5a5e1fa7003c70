"""Stage 1 of the scenes recipe: image tokens come to lie near their words in the language model's space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from dmsbench.data.scenes.render import render
from dmsbench.training.optimiser import Optimiser, Rates
from dmsbench.training.pictures import to_pixel_values
from dmsbench.training.scene_stream import WORDS, Source
from dmsbench.training.trainee import Trainee

#: What an empty place weighs beside one that shows something: most are empty.
EMPTY_WEIGHT = 0.1


def align(
    trainee: Trainee,
    source: Source,
    *,
    steps: int,
    pictures: int,
    rates: Rates,
    weight_decay: float,
    log: Callable[[str], None],
) -> None:
    """Trains all that sees pictures, in place; the language model stays as it is.

    An image token (LLaVA's of a patch, BLIP-2's of a query), scaled to the length that the language model's
    norm gives it, has to tell by its products with the words' embeddings which shape, colour, size, row and
    column it shows. So the language model finds in a picture what it knows from contexts.
    """
    model = trainee.model
    table: Any = model.get_input_embeddings().weight
    width = int(table.shape[1])
    words = [torch.tensor([_token(trainee.tokenizer, word) for word in group]) for group in WORDS]
    named = [table.detach()[tokens] for tokens in words]
    empty = nn.Parameter(torch.zeros(len(WORDS), width))
    sharpness = nn.Parameter(torch.ones(len(WORDS)))
    of_pictures = [
        (name, parameter) for name, parameter in model.named_parameters() if name.startswith(trainee.vision)
    ]
    optimiser = Optimiser(
        [([*of_pictures, ("embed_empty", empty), ("sharpness", sharpness)], rates)],
        weight_decay=weight_decay,
        steps=steps,
        warm_up=max(1, steps // 10),
    )
    weights = [torch.tensor([EMPTY_WEIGHT] + [1.0] * len(group)) for group in WORDS]
    model.train()
    for step in range(steps):
        scenes = source.scenes(pictures)
        pixels = to_pixel_values(np.stack([render(scene) for scene in scenes]))
        loss = torch.zeros(())
        right: list[float] = []
        for seen, told in zip(trainee.seen(pixels), trainee.labels(scenes), strict=True):
            vectors = (functional.normalize(seen, dim=-1) * width**0.5).flatten(0, 1)
            labels = torch.from_numpy(told).flatten(0, 1)
            for i, meant in enumerate(named):
                scores = sharpness[i] * vectors @ torch.cat([empty[i : i + 1], meant]).T
                loss = loss + functional.cross_entropy(scores, labels[:, i], weight=weights[i])
                shown = labels[:, i] > 0
                right.append((scores.argmax(dim=1) == labels[:, i])[shown].float().mean().item())
        optimiser.step(loss)
        if step % 100 == 99 or step == steps - 1:
            found = ", ".join(f"{share:.3f}" for share in right)
            log(f"tower step {step + 1}/{steps}: loss {loss.item():.4f}; right {found}")


def _token(tokenizer: PreTrainedTokenizerFast, word: str) -> int:
    """The token of a word within a sentence, its last one where it takes several."""
    ids: list[int] = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
    return ids[-1]
