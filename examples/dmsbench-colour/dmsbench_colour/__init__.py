"""A model without weights: it names the commonest colour of a picture that is not its border's.

pip install ./examples/dmsbench-colour
dmsbench run --suite smoke --model nearest-colour --model timid=nearest-colour,otherwise=no
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmsbench.errors import ModelError
from dmsbench.models.base import Answers, Image, Prompt
from dmsbench.models.spec import ModelSpec

COLOURS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "brown": (139, 69, 19),
    "gray": (128, 128, 128),
    "green": (0, 128, 0),
    "red": (255, 0, 0),
    "teal": (0, 128, 128),
    "yellow": (255, 255, 0),
}


def nearest_colour(spec: ModelSpec, *, device: str, task: str) -> NearestColour:
    """What the entry point names: makes the model of a specification."""
    if task != "vqa":
        raise ModelError(f"model '{spec.name}': answers questions only, not {task}")
    unknown = set(spec.options) - {"otherwise"}
    if unknown:
        raise ModelError(f"model '{spec.name}': unknown option '{min(unknown)}': known: otherwise")
    return NearestColour(spec.options.get("otherwise", "yes"))


@dataclass(frozen=True)
class NearestColour:
    """``otherwise``: what is said where no colour is asked for."""

    otherwise: str
    state_key: str = "nearest-colour"

    def encode(self, images: Sequence[Image]) -> list[str]:
        """The colour of each picture."""
        return [_colour(image) for image in images]

    def answer(
        self, state: list[str], rows: Sequence[int], prompts: Sequence[Prompt], weights: Any = None
    ) -> Answers:
        """A word for each prompt."""
        texts = tuple(
            state[row] if prompt.has_image and "color" in prompt.question else self.otherwise
            for row, prompt in zip(rows, prompts, strict=True)
        )
        sure = np.full(len(texts), 0.5, dtype=np.float32)
        return Answers(texts, sure, sure)

    def length(self, prompt: Prompt) -> int:
        """It reads nothing token by token."""
        return 1

    def settings(self) -> dict[str, Any]:
        """All that decides the answers: it enters the key of every record."""
        return {"family": "nearest-colour", "otherwise": self.otherwise}


def _colour(image: Image) -> str:
    pixels = image.reshape(-1, 3).astype(int)
    border = image[0, 0].astype(int)
    apart = pixels[np.abs(pixels - border).sum(axis=1) > 60]
    mean = (apart if len(apart) else pixels).mean(axis=0)
    return min(COLOURS, key=lambda name: float(np.abs(mean - COLOURS[name]).sum()))
