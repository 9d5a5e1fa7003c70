"""BLIP-2 checkpoints for retrieval: contrastive vectors first, the matching head for the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Blip2ForImageTextRetrieval

from dmsbench.errors import ModelError
from dmsbench.models.base import Image
from dmsbench.models.blip2_matching import (
    image_embeddings,
    match_logits,
    match_states,
    patches_of,
    queries_of,
    text_embeddings,
    texts_of,
)
from dmsbench.models.load_options import LoadOptions
from dmsbench.models.loaded import Loaded
from dmsbench.models.loading import load_checkpoint
from dmsbench.models.retrieval import EncodedImage, EncodedText, Pair
from dmsbench.models.retrieval_checkpoint import RetrievalCheckpoint

#: Cosines times this are logits. Checkpoints do not carry the temperature that they were trained with; this
#: is where the BLIP-2 paper's code begins it.
SCALE = 1 / 0.07
#: How many of the first stage's best are judged, unless told otherwise.
DEPTH = 16
#: Pairs a batch, and judged pairs that are remembered.
_BATCH, _KEPT = 128, 200_000
#: The picture's key, the title and the text.
_Key = tuple[str | None, str | None, str]


class Blip2RetrievalModel(RetrievalCheckpoint):
    """A ``Blip2ForImageTextRetrieval`` with its processor.

    ``depth``: how many of the first stage's best the second judges, 0 for none. A title goes before the text,
    ``[CLS] title [SEP] text [SEP]``; without a picture the queries take nothing from it. Texts longer than
    the Q-Former's positions are cut. Raises ModelError for a checkpoint that does not load.
    """

    family = "blip-2-retrieval"
    scale = SCALE

    def __init__(self, checkpoint: str | Path, *, depth: int = DEPTH, **loading: Any) -> None:
        super().__init__(checkpoint, **loading)
        if any(parameter.is_meta for parameter in self.model.parameters()):
            raise ModelError(
                f"cannot load '{checkpoint}' for retrieval: its parts are called one by one and have to lie "
                "on devices that compute; give a larger max_memory, or quantization="
            )
        self.depth = depth
        # What one stage needs of a picture is not enough for two.
        self.state_key = f"{self.state_key}:{min(depth, 1) + 1}"
        self._judged: dict[_Key, float] = {}

    def _load(self, checkpoint: str | Path, how: LoadOptions) -> Loaded:
        return load_checkpoint(
            checkpoint,
            how.needing_bias(),
            family="BLIP-2 retrieval",
            model_class=Blip2ForImageTextRetrieval,
            processor_class="Blip2Processor",
        )

    def settings(self) -> dict[str, Any]:
        """Those of every checkpoint, temperature and depth: all that decides the ranking."""
        return {**super().settings(), "scale": self.scale, "depth": self.depth}

    @torch.inference_mode()
    def encode_images(self, images: Sequence[Image], keys: Sequence[str]) -> list[EncodedImage]:
        """Tower and Q-Former once a picture; ``features`` are the tower's mean token."""
        if not images:
            return []
        patches = patches_of(self.model, self.pixel_values(images))
        vectors = image_embeddings(self.model, queries_of(self.model, patches)).float().cpu()
        features = patches.float().mean(dim=1).cpu()
        return [
            EncodedImage(key, vectors[n], features[n], patches[n] if self.depth else None)
            for n, key in enumerate(keys)
        ]

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        """The Q-Former's text side once a text; ``features`` are its first token's state."""
        if not texts:
            return []
        firsts = texts_of(self.model, *self._tokens([(text,) for text in texts]))
        vectors = text_embeddings(self.model, firsts).float().cpu()
        features = firsts.float().cpu()
        return [EncodedText(text, vectors[n], features[n]) for n, text in enumerate(texts)]

    def match(self, pairs: Sequence[Pair]) -> torch.Tensor:
        """Log-odds (P,) that text and item belong together; what was judged before is remembered.

        Raises ValueError for a pair without picture and title.
        """
        keys = [(None if pair.image is None else pair.image.key, pair.title, pair.text) for pair in pairs]
        if len(self._judged) + len(pairs) > _KEPT:
            self._judged.clear()
        missing: dict[_Key, Pair] = {}
        for key, pair in zip(keys, pairs, strict=True):
            if pair.image is None and pair.title is None:
                raise ValueError("a pair needs a picture or a title")
            if key not in self._judged:
                missing.setdefault(key, pair)
        # Rows of like length side by side: little padding. The key settles the order for good.
        waiting = sorted(missing, key=lambda key: (key[0] is None, _length(key), str(key)))
        for start in range(0, len(waiting), _BATCH):
            some = waiting[start : start + _BATCH]
            found = self._match([missing[key] for key in some]).tolist()
            self._judged.update(zip(some, found, strict=True))
        return torch.tensor([self._judged[key] for key in keys])

    @torch.inference_mode()
    def _match(self, pairs: Sequence[Pair]) -> torch.Tensor:
        tokens = [None if pair.image is None else pair.image.tokens for pair in pairs]
        known = [each for each in tokens if each is not None]
        if len(known) < sum(pair.image is not None for pair in pairs):
            raise ValueError("pictures were encoded for one stage only")
        # Where no row has a picture, any one token will do: nothing is taken from it.
        blank = torch.zeros_like(known[0]) if known else self._blank()
        patches = torch.stack([blank if each is None else each for each in tokens])
        seen = torch.tensor([each is not None for each in tokens], device=self.device)
        texts = [(pair.text,) if pair.title is None else (pair.title, pair.text) for pair in pairs]
        states = match_states(self.model, patches, seen, *self._tokens(texts))
        return match_logits(self.model, states).float().cpu()

    def _blank(self) -> torch.Tensor:
        width = self.model.config.vision_config.hidden_size
        return torch.zeros(1, width, device=self.device, dtype=self.loaded.torch_dtype)

    def _tokens(self, texts: Sequence[tuple[str, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask (N, L) of texts, or of titles with texts, cut to the positions that there are."""
        tokenizer = self.processor.tokenizer
        most = self.model.config.qformer_config.max_position_embeddings
        rows = [tokenizer(*text, truncation="longest_first", max_length=most)["input_ids"] for text in texts]
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), tokenizer.pad_token_id or 0)
        real = torch.zeros(len(rows), width, dtype=torch.long)
        for n, row in enumerate(rows):
            # On the right, whatever the tokenizer is set to: a text's vector is its first token's.
            ids[n, : len(row)], real[n, : len(row)] = torch.tensor(row), 1
        return ids.to(self.device), real.to(self.device)


def _length(key: _Key) -> int:
    return len(key[1] or "") + len(key[2])


__all__ = ["DEPTH", "SCALE", "Blip2RetrievalModel"]
