"""What the runner needs of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from dmsbench.fusion.signals import Signals

Image = npt.NDArray[np.uint8]

#: The evidence modalities, in the order of every (B, M) array.
MODALITIES = ("image", "text")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked of one row. ``has_image`` and ``has_text`` are False where the modality is absent.

    The text evidence is the context where there is one, else the question.
    """

    question: str
    context: str | None = None
    has_image: bool = True
    has_text: bool = True


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of B rows.

    ``confidence`` (B,): probability of the whole answer, end of sequence included. ``margin`` (B,): the
    smallest gap, over the answer's steps, between the log-probabilities of the best and the second token;
    a gap near 0 is a tie that rounding may decide. ``weights`` (B, M) and ``signals`` where scheduled.
    ``stated`` (B,): whether the model says how sure it is; None: of all rows. ``failed``: rows that have no
    answer though others have, and why.
    """

    texts: tuple[str, ...]
    confidence: npt.NDArray[np.float32]
    margin: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32] | None = None
    signals: Signals | None = None
    stated: npt.NDArray[np.bool_] | None = None
    failed: Mapping[int, str] = field(default_factory=dict)


class VisionLanguageModel(Protocol):
    """A model as the runner drives it: images once, then any number of questions about them."""

    #: Models with equal state keys can share what ``encode`` returns.
    state_key: str

    def encode(self, images: Sequence[Image]) -> Any:
        """Vision tokens and prefix cache of N images (uint8, H×W×3)."""

    def answer(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Answers B prompts; ``rows[b]`` is the index among the state's images of the image of row b."""

    def length(self, prompt: Prompt) -> int:
        """The prompt's tokens after the image: rows of like length make cheap batches."""

    def settings(self) -> dict[str, Any]:
        """Everything that decides the answers, as plain JSON values: it enters the key of each record."""
