"""A model under the same weights for every sample: the controls at the corners, and constants between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch

from dmsbench.fusion.schedulers import FixedScheduler
from dmsbench.models.base import MODALITIES, Answers, Image, Prompt, VisionLanguageModel


class Weighable(VisionLanguageModel, Protocol):
    """An adapter that can say which modalities a row has."""

    def present(self, prompt: Prompt) -> tuple[bool, bool]:
        """Whether the row has an image and text evidence."""


class FixedModel:
    """Wraps an adapter; every row is answered at one point of the simplex, and nothing is measured.

    A row without one of the modalities is answered from the other, as in every model.
    """

    def __init__(self, adapter: Weighable, point: tuple[float, ...]) -> None:
        if len(point) != len(MODALITIES):
            raise ValueError(f"{point} has {len(point)} weights, not {len(MODALITIES)}")
        self.adapter, self.scheduler = adapter, FixedScheduler(point)
        self.state_key = adapter.state_key

    def settings(self) -> dict[str, Any]:
        """The adapter's settings and the point."""
        return {
            **self.adapter.settings(),
            "fusion": {
                "method": getattr(self.adapter, "action", "attention_bias"),
                **self.scheduler.settings(),
            },
        }

    def encode(self, images: Sequence[Image]) -> Any:
        """The adapter's state."""
        return self.adapter.encode(images)

    def length(self, prompt: Prompt) -> int:
        """The adapter's prompt length."""
        return self.adapter.length(prompt)

    def answer(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Answers at the point, or under ``weights`` where they are given."""
        if weights is not None:
            return self.adapter.answer(state, rows, prompts, weights)
        present = torch.tensor([self.adapter.present(prompt) for prompt in prompts], dtype=torch.float32)
        kept = present * torch.tensor(self.scheduler.point)
        for fallback in (present, torch.ones_like(present)):
            kept = torch.where(kept.sum(dim=1, keepdim=True) > 0, kept, fallback)
        kept = kept / kept.sum(dim=1, keepdim=True)
        return replace(self.adapter.answer(state, rows, prompts, kept), weights=kept.numpy())
