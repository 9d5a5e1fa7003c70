"""A model without weights: it counts dark blobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from dmsbench.errors import ModelError
from dmsbench.models.base import Answers, Image, Prompt
from dmsbench.models.spec import ModelSpec


def dot_counter(spec: ModelSpec, *, device: str, task: str) -> DotCounter:
    """What the entry point names; option least: pixels from which on a dark blob is a dot (20)."""
    unknown = set(spec.options) - {"least"}
    if unknown:
        raise ModelError(f"model '{spec.name}': unknown option '{min(unknown)}': known: least")
    least = spec.options.get("least", "20")
    if not least.isdecimal():
        raise ModelError(f"model '{spec.name}': least must be a whole number, not '{least}'")
    return DotCounter(int(least))


@dataclass(frozen=True)
class DotCounter:
    """``least``: how many dark pixels a dot has at least."""

    least: int
    state_key: str = "dot-counter"

    def encode(self, images: Sequence[Image]) -> list[list[int]]:
        """The sizes of each picture's dark blobs, in pixels."""
        return [_blobs(image) for image in images]

    def answer(
        self, state: list[list[int]], rows: Sequence[int], prompts: Sequence[Prompt], weights: Any = None
    ) -> Answers:
        """A sentence with the number: the task reads it."""
        texts = tuple(
            f"There are {sum(size >= self.least for size in state[row])} dots."
            if prompt.has_image and "number" in prompt.question
            else "What is asked?"
            for row, prompt in zip(rows, prompts, strict=True)
        )
        sure = np.full(len(texts), 0.5, dtype=np.float32)
        return Answers(texts, sure, sure)

    def length(self, prompt: Prompt) -> int:
        """It reads nothing token by token."""
        return 1

    def settings(self) -> dict[str, Any]:
        """All that decides the answers."""
        return {"family": "dot-counter", "least": self.least}


def _blobs(image: Image) -> list[int]:
    dark = (image.mean(axis=2) < 128).astype(np.uint8)
    _, _, found, _ = cv2.connectedComponentsWithStats(dark)
    return [int(size) for size in found[1:, cv2.CC_STAT_AREA]]
