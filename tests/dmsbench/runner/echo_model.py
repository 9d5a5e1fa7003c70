"""A model that needs no weights, and its words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from dmsbench.models.base import Answers, Image, Prompt

WORDS = ("yes", "no", "red", "circle")


@dataclass
class EchoModel:
    """Answers with a word that hangs on pixels and text alone, and counts what it is asked to do."""

    state_key: str = "echo"
    name: str = "echo"
    encoded: int = 0
    asked: list[tuple[str, Prompt]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    poison: str | None = None
    stop_after: int | None = None

    def settings(self) -> dict[str, Any]:
        return {"family": "echo", "name": self.name}

    def length(self, prompt: Prompt) -> int:
        return len(prompt.question)

    def encode(self, images: Sequence[Image]) -> list[str]:
        self.encoded += len(images)
        return [hashlib.blake2b(image.tobytes(), digest_size=4).hexdigest() for image in images]

    def answer(
        self,
        state: list[str],
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        if self.stop_after is not None and len(self.batches) >= self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(len(rows))
        texts = []
        for row, prompt in zip(rows, prompts, strict=True):
            if self.poison is not None and self.poison in prompt.question:
                raise RuntimeError("poisoned row")
            shown = state[row] if prompt.has_image else "absent"
            self.asked.append((shown, prompt))
            key = f"{self.name}|{shown}|{prompt.question if prompt.has_text else ''}"
            texts.append(WORDS[hashlib.blake2b(key.encode(), digest_size=1).digest()[0] % len(WORDS)])
        count = len(texts)
        return Answers(tuple(texts), np.full(count, 0.5, np.float32), np.ones(count, np.float32))
