"""Stage 1: the vision tower learns to see, from shape and colour heads on its mean patch.

Without it the whole model stays at the question-only prior for many epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import LlavaForConditionalGeneration

from dmsbench.training.pictures import COLOURS, SHAPES, UNKNOWN, Pictures, augmented, to_pixel_values

BATCH = 64
PEAK_RATE = 1.5e-3


class AttributeHeads(nn.Module):
    """Linear shape and colour heads on the mean of the patch tokens that the language model will see."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shape = nn.Linear(width, len(SHAPES))
        self.colour = nn.Linear(width, len(COLOURS))

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled = patches.mean(dim=1)
        return self.shape(pooled), self.colour(pooled)


def patches_of(model: LlavaForConditionalGeneration, pixel_values: torch.Tensor) -> torch.Tensor:
    """The tower's patch tokens, N×64×width, as the projector receives them."""
    hidden = model.model.vision_tower(pixel_values, output_hidden_states=True).hidden_states
    patches: torch.Tensor = hidden[model.config.vision_feature_layer][:, 1:]
    return patches


def train_tower(
    model: LlavaForConditionalGeneration,
    train: Pictures,
    validation: Pictures,
    *,
    epochs: int,
    rng: np.random.Generator,
    log: Callable[[str], None],
) -> tuple[float, float]:
    """Trains the tower in place; returns the validation accuracy of shape and colour."""
    vision: Any = model.config.vision_config
    width = int(vision.hidden_size)
    heads = AttributeHeads(width)
    parameters = [*model.model.vision_tower.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=PEAK_RATE, weight_decay=0.05)
    steps = epochs * (len(train) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=max(steps, 2))
    accuracy = (0.0, 0.0)
    for epoch in range(epochs):
        model.train()
        order = rng.permutation(len(train))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            patches = patches_of(model, to_pixel_values(augmented(train.pixels[rows], rng)))
            shape, colour = heads(patches)
            loss = functional.cross_entropy(
                shape, torch.from_numpy(train.shapes[rows]), ignore_index=UNKNOWN
            ) + functional.cross_entropy(colour, torch.from_numpy(train.colours[rows]), ignore_index=UNKNOWN)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
        if epoch % 5 == 4 or epoch == epochs - 1:
            accuracy = _accuracy(model, heads, validation)
            log(f"tower epoch {epoch + 1}/{epochs}: shape {accuracy[0]:.4f}, colour {accuracy[1]:.4f}")
    return accuracy


@torch.no_grad()
def _accuracy(
    model: LlavaForConditionalGeneration, heads: AttributeHeads, pictures: Pictures
) -> tuple[float, float]:
    model.eval()
    shape, colour = heads(patches_of(model, to_pixel_values(pictures.pixels)))

    def right(scores: torch.Tensor, labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        known = labels != UNKNOWN
        return float((scores.argmax(dim=1).numpy() == labels)[known].mean())

    return right(shape, pictures.shapes), right(colour, pictures.colours)
