"""A small data set of pictures without files, and a retriever that needs no weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dmsbench.data.base import Dataset, Sample, SampleError, fingerprint
from dmsbench.fusion.signals import Signals
from dmsbench.models.base import Image
from dmsbench.models.retrieval import EncodedImage, EncodedText, Item, Ranking

WIDTH = 8


@dataclass(frozen=True)
class Noise:
    """A picture drawn from its seed; ``fault`` is why it cannot be."""

    seed: int
    fault: str | None = None

    def draw(self) -> npt.NDArray[np.uint8]:
        if self.fault is not None:
            raise SampleError(self.fault)
        return np.random.default_rng(self.seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def toy_dataset(items: int = 6, texts: int = 2, *, unreadable: Sequence[int] = ()) -> Dataset:
    """Items, every third without a title, each with so many captions."""
    samples = []
    for number in range(items):
        group = f"p{number}"
        picture = Noise(number, f"{group}: no such image" if number in unreadable else None)
        ids = [f"{group}/t{which}" for which in range(texts)]
        title = None if number % 3 == 2 else f"the title of picture {number} with several words"
        samples.append(
            Sample(f"{group}/image", group, picture, "", tuple(ids), title, direction="image_to_text")
        )
        samples += [
            Sample(
                name,
                group,
                picture,
                f"caption {which} of the large picture {number}",
                (group,),
                direction="text_to_image",
            )
            for which, name in enumerate(ids)
        ]
    print_of = "unreadable" if unreadable else fingerprint(samples)
    return Dataset("toy", "test", tuple(samples), print_of, "none")


def _hashed(content: bytes) -> torch.Tensor:
    seed = int.from_bytes(hashlib.blake2b(content, digest_size=4).digest(), "big")
    vector = np.random.default_rng(seed).standard_normal(WIDTH)
    return torch.tensor(vector / np.linalg.norm(vector), dtype=torch.float32)


@dataclass
class HashRetriever:
    """Scores by hashed contents: an item is the mean of what it has; counts what it is asked to do."""

    name: str = "hash"
    state_key: str = "hash"
    #: Texts that it cannot encode, and those that spoil a ranking or make it no number.
    unread: str | None = None
    poison: str | None = None
    nan: str | None = None
    #: Keys of pictures that it cannot encode.
    blind: tuple[str, ...] = ()
    images: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    calls: list[tuple[str, int, int]] = field(default_factory=list)

    def settings(self) -> dict[str, Any]:
        return {"name": self.name}

    def encode_images(self, images: Sequence[Image], keys: Sequence[str]) -> list[EncodedImage]:
        if set(keys) & set(self.blind):
            raise ValueError("a picture that I cannot encode")
        self.images += keys
        return [
            EncodedImage(key, vector[None], vector)
            for key, image in zip(keys, images, strict=True)
            for vector in [_hashed(image.tobytes())]
        ]

    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        if self.unread is not None and any(self.unread in text for text in texts):
            raise RuntimeError("a text that I cannot read")
        self.texts += texts
        return [EncodedText(text, vector, vector) for text in texts for vector in [_hashed(text.encode())]]

    def rank(
        self,
        direction: str,
        items: Sequence[Item],
        texts: Sequence[EncodedText | None],
        queries: Sequence[int],
    ) -> Ranking:
        self.calls.append((direction, len(items), len(texts)))
        asked = texts if direction == "text_to_image" else [item.title for item in items]
        for index in queries:
            one = asked[index]
            if self.poison is not None and one is not None and self.poison in one.text:
                raise RuntimeError("poisoned query")
        scores = np.array([[score(item, text) for text in texts] for item in items])
        if direction == "text_to_image":
            scores = scores.T
        for index in queries:
            one = asked[index]
            if self.nan is not None and one is not None and self.nan in one.text:
                scores[index, 0] = np.nan
        share = np.array([float(item.image is not None) for item in items], dtype=np.float32)
        flat = torch.tensor(share)
        return Ranking(
            scores[list(queries)],
            np.full(len(queries), 0.5, np.float32),
            np.full(len(queries), np.nan, np.float32),
            np.stack([share, 1 - share], axis=1),
            Signals(torch.stack([flat, flat], 1), torch.stack([flat, flat], 1), flat),
        )


def score(item: Item, text: EncodedText | None) -> float:
    """The mean cosine of what is there, −inf where nothing is."""
    there = [] if item.image is None else [item.image.embedding[0]]
    there += [] if item.title is None else [item.title.embedding]
    if text is None or not there:
        return -np.inf
    return float(np.mean([round(float(one @ text.embedding), 5) for one in there]))
