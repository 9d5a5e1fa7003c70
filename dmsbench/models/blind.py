"""A model whose mixture looks at nothing: constant shares, or those of another sample."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from dmsbench.fusion.blind import ShareBank
from dmsbench.fusion.points import modality_weights
from dmsbench.models.base import Answers, Image, Prompt, VisionLanguageModel


class Mixing(VisionLanguageModel, Protocol):
    """An adapter that answers mixtures."""

    def present(self, prompt: Prompt) -> tuple[bool, bool]:
        """Whether the row has an image and text evidence."""

    def answer_mixture(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        points: torch.Tensor,
        shares: torch.Tensor,
    ) -> Answers:
        """Greedy answers under Σ_p shares (B, P) · softmax(logits at points (P, M))."""


@dataclass(frozen=True, slots=True)
class NamedState:
    """The adapter's state of N images, and a hash of each one's pixels."""

    state: Any
    names: tuple[str, ...]


class BlindModel:
    """Wraps an adapter; a row is answered by the mixture that the bank has for its content.

    Nothing is measured: prompts are run at the points that have a share, and no more. Rows with one modality
    are the static ones. With a scheduler's shares of other samples as bank this is the permuted control: the
    distribution of weights stays that of the scheduler, the match with the sample is lost. A run encodes the
    images once more for it, since its state knows their content. ``fitted_on`` names the corruptions that
    the bank was made on.
    """

    def __init__(self, adapter: Mixing, bank: ShareBank, fitted_on: Sequence[str] = ()) -> None:
        self.adapter, self.bank = adapter, bank
        self.fitted_on = tuple(sorted(fitted_on))
        self.state_key = f"{adapter.state_key}:named"

    def settings(self) -> dict[str, Any]:
        """The adapter's settings, the points and the bank."""
        return {
            **self.adapter.settings(),
            "fusion": {
                "method": "mixture",
                **self.bank.settings(),
                "points": [list(self.bank.points.names), self.bank.points.tensor.tolist()],
                **({"fitted_on": list(self.fitted_on)} if self.fitted_on else {}),
            },
        }

    def encode(self, images: Sequence[Image]) -> NamedState:
        """The adapter's state with the images' names."""
        return NamedState(self.adapter.encode(images), tuple(_name(image) for image in images))

    def length(self, prompt: Prompt) -> int:
        """The adapter's prompt length."""
        return self.adapter.length(prompt)

    def answer(
        self,
        state: NamedState,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Answers of the bank's mixtures, or under ``weights`` where they are given.

        ``weights`` of the answers are the mixtures' mean points, and of a row with one modality that one.
        """
        if weights is not None:
            return self.adapter.answer(state.state, rows, prompts, weights)
        pairs = zip(rows, prompts, strict=True)
        shares = self.bank.of([row_name(state.names[row], prompt) for row, prompt in pairs])
        points = self.bank.points
        present = torch.tensor([self.adapter.present(prompt) for prompt in prompts], dtype=torch.float32)
        found = torch.where(present.sum(dim=1, keepdim=True) > 0, present, torch.ones(()))
        alone = found / found.sum(dim=1, keepdim=True)
        both = present.all(dim=1, keepdim=True)
        mean = torch.where(both, modality_weights(shares, points), alone)
        answers = self.adapter.answer_mixture(state.state, rows, prompts, points.tensor, shares)
        return replace(answers, weights=mean.numpy())


def row_name(image: str, prompt: Prompt) -> str:
    """A name of a row's content, by its image's hash; equal in any batch and any process."""
    return f"{image}/{json.dumps([prompt.question, prompt.context, prompt.has_image, prompt.has_text])}"


def _name(image: Image) -> str:
    """A hash (32 hex digits) of an image's shape and pixels."""
    return hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).hexdigest()
