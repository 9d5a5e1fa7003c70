"""CLIP and SigLIP checkpoints for retrieval: pictures and texts apart, compared by their cosine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch.nn import functional
from transformers import CLIPModel, SiglipModel

from dmsbench.errors import ModelError
from dmsbench.models.base import Image
from dmsbench.models.load_options import LoadOptions
from dmsbench.models.loaded import Loaded
from dmsbench.models.loading import load_checkpoint, model_type
from dmsbench.models.retrieval import EncodedImage, EncodedText, Pair
from dmsbench.models.retrieval_checkpoint import RetrievalCheckpoint

#: The stock model and processor of each model type; SigLIP 2 of a fixed resolution is a ``siglip`` too.
_FAMILIES: Mapping[str, tuple[str, Any, str]] = MappingProxyType(
    {
        "clip": ("CLIP", CLIPModel, "CLIPProcessor"),
        "siglip": ("SigLIP", SiglipModel, "SiglipProcessor"),
    }
)


class DualEncoder(RetrievalCheckpoint):
    """A ``CLIPModel`` or ``SiglipModel`` with its processor; there is no second stage.

    ``checkpoint`` is a folder or a hub id. A text longer than the model's positions is cut. Raises
    ModelError for a checkpoint that does not load or is neither.
    """

    #: No second stage: ``match`` is never asked.
    depth = 0

    def __init__(self, checkpoint: str | Path, **loading: Any) -> None:
        super().__init__(checkpoint, **loading)
        self.positions = int(self.model.config.text_config.max_position_embeddings)
        self.scale = float(self.model.logit_scale.float().exp())
        if self.family == "clip":
            # Each token of CLIP sees those before it: padding behind a text is seen by none of its tokens.
            self.processor.tokenizer.padding_side = "right"

    def _load(self, checkpoint: str | Path, how: LoadOptions) -> Loaded:
        self.family = model_type(checkpoint, how.revision or "main")
        if self.family not in _FAMILIES:
            raise ModelError(
                f"cannot load '{checkpoint}' as a dual encoder: its model type is '{self.family}', "
                f"not {' or '.join(_FAMILIES)}"
            )
        name, model_class, processor_class = _FAMILIES[self.family]
        return load_checkpoint(
            checkpoint,
            how,
            family=name,
            model_class=model_class,
            processor_class=processor_class,
        )

    @torch.inference_mode()
    def encode_images(self, images: Sequence[Image], keys: Sequence[str]) -> list[EncodedImage]:
        """N pictures (uint8, H×W×3); ``features`` are the vision tower's pooled output."""
        if not images:
            return []
        pooled = self.model.vision_model(pixel_values=self.pixel_values(images)).pooler_output
        projected = self.model.visual_projection(pooled) if self.family == "clip" else pooled
        return [
            EncodedImage(key, embedding[None], features)
            for key, embedding, features in zip(keys, _unit(projected), _plain(pooled), strict=True)
        ]

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        """N texts; ``features`` are the text tower's pooled output."""
        if not texts:
            return []
        inputs = self.processor.tokenizer(
            list(texts),
            # SigLIP was trained with all positions filled and none masked; it reads the last of them.
            padding=True if self.family == "clip" else "max_length",
            truncation=True,
            max_length=self.positions,
            return_tensors="pt",
            return_attention_mask=self.family == "clip",
        )
        given = {key: inputs[key].to(self.device) for key in ("input_ids", "attention_mask") if key in inputs}
        pooled = self.model.text_model(**given).pooler_output
        projected = self.model.text_projection(pooled) if self.family == "clip" else pooled
        return [
            EncodedText(text, embedding, features)
            for text, embedding, features in zip(texts, _unit(projected), _plain(pooled), strict=True)
        ]

    def match(self, pairs: Sequence[Pair]) -> torch.Tensor:
        """There is no second stage: raises ValueError."""
        raise ValueError(f"a {self.family} checkpoint has no second stage: pairs cannot be matched")


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float().cpu()


def _unit(tensor: torch.Tensor) -> torch.Tensor:
    return functional.normalize(_plain(tensor), dim=-1)
