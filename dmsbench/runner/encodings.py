"""What a model made of pictures and texts: the clean ones kept for a whole run, others while in hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

import torch

from dmsbench.models.base import Image
from dmsbench.models.retrieval import EncodedImage, EncodedText, Retriever
from dmsbench.runner.patience import Patience
from dmsbench.runner.plan import batches

Encoded = TypeVar("Encoded", EncodedImage, EncodedText)


class Encodings:
    """Encodings by content for models that share a state key; of what cannot be encoded, one line of why.

    Pictures are known by the hash of their pixels, texts by themselves. Memory holds what is clean and one
    view beside it, however many conditions there are.
    """

    def __init__(
        self, model: Retriever, batch_size: int, patience: Patience | None = None, name: str = ""
    ) -> None:
        self.model, self.batch_size = model, batch_size
        self._patience, self._what = patience or Patience(), f"model '{name}'" if name else "the model"
        #: Seconds spent on encoding so far.
        self.seconds = 0.0
        self._clean_images: dict[str, EncodedImage | str] = {}
        self._images: dict[str, EncodedImage | str] = {}
        self._clean_texts: dict[str, EncodedText | str] = {}
        self._texts: dict[str, EncodedText | str] = {}

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """How many are held: clean pictures, others, clean texts, others."""
        return len(self._clean_images), len(self._images), len(self._clean_texts), len(self._texts)

    def lacks_image(self, key: str) -> bool:
        """Whether a picture has yet to be encoded."""
        return key not in self._clean_images and key not in self._images

    def image(self, key: str) -> EncodedImage | str:
        """A picture, or why it cannot be encoded."""
        return self._clean_images[key] if key in self._clean_images else self._images[key]

    def text(self, text: str) -> EncodedText | str:
        """A text, or why it cannot be encoded."""
        return self._clean_texts[text] if text in self._clean_texts else self._texts[text]

    def add_images(self, pictures: Mapping[str, Image], clean: Collection[str]) -> None:
        """Encodes the pictures that are lacking; those named ``clean`` are kept."""
        lacking = [key for key in pictures if self.lacks_image(key)]
        began = time.perf_counter()
        for keys in batches(lacking, max(1, self.batch_size // 4)):
            for key, found in self._halving(
                lambda some: self.model.encode_images([pictures[key] for key in some], some), keys
            ):
                (self._clean_images if key in clean else self._images)[key] = found
        self.seconds += time.perf_counter() - began

    def add_texts(self, texts: Mapping[str, bool]) -> None:
        """Encodes the texts that are lacking; those that are clean (True) are kept."""
        lacking = [text for text in texts if text not in self._clean_texts and text not in self._texts]
        # Texts of like length side by side: little padding. The text settles the order for good.
        lacking.sort(key=lambda text: (len(text), text))
        began = time.perf_counter()
        for some in batches(lacking, self.batch_size):
            for text, found in self._halving(self.model.encode_texts, some):
                (self._clean_texts if texts[text] else self._texts)[text] = found
        self.seconds += time.perf_counter() - began

    def drop_images(self) -> None:
        """Forgets all pictures but the clean ones."""
        self._images.clear()

    def drop_texts(self) -> None:
        """Forgets all texts but the clean ones."""
        self._texts.clear()

    def _halving(
        self, encode: Callable[[Sequence[str]], Sequence[Encoded]], keys: Sequence[str]
    ) -> Iterator[tuple[str, Encoded | str]]:
        """Encodes a batch; one that fails is halved, so that what is bad costs itself and memory suffices."""
        found, trouble = self._patience.tried(lambda: encode(keys), self._what)
        if trouble is None:
            for key, one in zip(keys, found, strict=True):
                yield key, one if _finite(one) else "the model's encoding is not finite"
        elif len(keys) == 1:
            yield keys[0], trouble.reason
        else:
            half = len(keys) // 2
            yield from self._halving(encode, keys[:half])
            yield from self._halving(encode, keys[half:])


def _finite(encoded: EncodedImage | EncodedText) -> bool:
    """Whether all of it are numbers: one that is none would spoil every query of a search.

    Features too, which schedulers weigh by, and the tokens of a second stage.
    """
    parts = [encoded.embedding, encoded.features]
    if isinstance(encoded, EncodedImage) and encoded.tokens is not None:
        parts.append(encoded.tokens)
    return all(bool(torch.isfinite(part).all()) for part in parts)
