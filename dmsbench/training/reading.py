"""Stage 0 of the scenes recipe: the language model learns to answer from contexts, without any picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from dmsbench.training.optimiser import Optimiser, Rates
from dmsbench.training.packing import tokenise
from dmsbench.training.prefix import behind, hidden_of
from dmsbench.training.scene_stream import Source
from dmsbench.training.trainee import LlavaTrainee


def read(
    reader: LlavaTrainee,
    source: Source,
    *,
    steps: int,
    contexts: int,
    questions: int,
    told_share: float,
    most_things: Callable[[int], int | None],
    rates: Rates,
    weight_decay: float,
    log: Callable[[str], None],
) -> None:
    """Trains the language model on ``contexts`` with ``questions`` each a step, in place.

    A large model brings reading along from its pretraining. Here it is by far the cheapest where no picture
    is run: what takes longest, to find out whether a word of the question is among those of the context,
    costs a quarter of what it costs with both.
    """
    model = reader.model
    named = [(name, parameter) for name, parameter in model.named_parameters() if "language_model" in name]
    optimiser = Optimiser(
        [(named, rates)], weight_decay=weight_decay, steps=steps, warm_up=max(1, steps // 20)
    )
    none = np.zeros((contexts, 1), dtype=np.int64)
    model.train()
    for step in range(steps):
        source.most = most_things(step)
        turns = [
            [tokenise(reader.tokenizer, s) for s in source.samples(scene, questions, questions, told_share)]
            for scene in source.scenes(contexts)
        ]
        batch = behind(reader, turns, none, none > 0, questions, pictures=False)
        scores = reader.head(hidden_of(reader, batch, None)[batch.places])
        loss = functional.cross_entropy(scores, batch.targets)
        optimiser.step(loss)
        if step % 100 == 99 or step == steps - 1:
            with torch.no_grad():
                right = (scores.argmax(dim=1) == batch.targets).float().mean().item()
            log(f"reading step {step + 1}/{steps}: loss {loss.item():.4f}; right {right:.4f}")
