"""What retrieval needs of a model: encodings of pictures and texts, and a ranking of what is searched.

An *item* is a picture and, where it has one, a title: two pieces of evidence of the same thing, either of
which may be damaged or missing. A *text* is what is searched for or by: a caption. ``image_to_text`` ranks
all texts for an item, ``text_to_image`` all items for a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from dmsbench.fusion.signals import Signals
from dmsbench.models.base import Image


@dataclass(frozen=True, slots=True, eq=False)
class EncodedImage:
    """A picture as a model keeps it; all tensors float32 on the CPU but ``tokens``.

    ``key`` identifies the pixels. ``embedding`` (E, D), rows of length 1: E is 1 for a dual encoder, the
    number of queries for BLIP-2. ``features`` (F,): what tells a usual picture from an unusual one.
    ``tokens`` (T, V): what a second stage looks at, on the model's device; None where there is no second
    stage.
    """

    key: str
    embedding: torch.Tensor
    features: torch.Tensor
    tokens: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EncodedText:
    """A text as a model keeps it: ``embedding`` (D,) of length 1, ``features`` (F,), float32 on the CPU."""

    text: str
    embedding: torch.Tensor
    features: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A picture, a title, or both; None where it is not there."""

    image: EncodedImage | None
    title: EncodedText | None


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Scores of C candidates for each of Q queries.

    ``scores`` (Q, C) float64, higher is better, never NaN; −inf where there is nothing to compare (no
    picture and no title, or no text). ``confidence`` (Q,) in [0, 1]: the probability of the best
    candidate. ``margin`` (Q,): the gap between the scores of the best and the second, 0 or more; NaN where
    there is none. ``weights`` (I, M) and ``signals`` are of the items of the call, None where nothing is
    weighed.
    """

    scores: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float32]
    margin: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32] | None = None
    signals: Signals | None = None


class Retriever(Protocol):
    """A model as the retrieval engine drives it."""

    #: Models with equal state keys can share what ``encode_images`` and ``encode_texts`` return.
    state_key: str

    def encode_images(self, images: Sequence[Image], keys: Sequence[str]) -> list[EncodedImage]:
        """N pictures (uint8, H×W×3), each under the key that identifies its pixels."""

    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        """N texts; any string, the empty one too."""

    def rank(
        self,
        direction: str,
        items: Sequence[Item],
        texts: Sequence[EncodedText | None],
        queries: Sequence[int],
    ) -> Ranking:
        """Ranks all texts for the items ``queries`` (``image_to_text``), or all items for these texts.

        A text that is None is not there: as a candidate it scores −inf, as a query all candidates do.
        """

    def settings(self) -> dict[str, Any]:
        """Everything that decides the ranking, as plain JSON values: it enters the key of each record."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What a second stage judges: does the text tell of the item? One of picture and title may be None."""

    image: EncodedImage | None
    title: str | None
    text: str


class RetrievalAdapter(Protocol):
    """A checkpoint for retrieval, without any scheduling."""

    state_key: str
    weights_hash: str
    config_hash: str
    parameters: int
    #: Similarities times this are logits, as the checkpoint was trained with.
    scale: float
    #: How many of the first stage's best a second stage judges; 0 where there is none.
    depth: int

    def encode_images(self, images: Sequence[Image], keys: Sequence[str]) -> list[EncodedImage]:
        """As ``Retriever.encode_images``."""

    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        """As ``Retriever.encode_texts``."""

    def match(self, pairs: Sequence[Pair]) -> torch.Tensor:
        """Log-odds (P,) that text and item belong together, float32 on the CPU; ValueError at depth 0."""

    def settings(self) -> dict[str, Any]:
        """The checkpoint, its dtype and all else that decides what it returns."""
