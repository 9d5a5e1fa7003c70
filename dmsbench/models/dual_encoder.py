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
from dmsbench.fusion.attention_bias import SUPPORTED_ATTENTION
from dmsbench.models.adapter import DTYPES
from dmsbench.models.base import Image
from dmsbench.models.identity import hash_config, hash_processor, hash_weights
from dmsbench.models.loading import load_checkpoint, model_type
from dmsbench.models.retrieval import EncodedImage, EncodedText, Pair

#: The stock model and processor of each model type; SigLIP 2 of a fixed resolution is a ``siglip`` too.
_FAMILIES: Mapping[str, tuple[str, Any, str]] = MappingProxyType(
    {
        "clip": ("CLIP", CLIPModel, "CLIPProcessor"),
        "siglip": ("SigLIP", SiglipModel, "SiglipProcessor"),
    }
)


class DualEncoder:
    """A ``CLIPModel`` or ``SiglipModel`` with its processor; there is no second stage.

    ``checkpoint`` is a folder or a hub id. A text longer than the model's positions is cut. Raises
    ModelError for a checkpoint that does not load or is neither.
    """

    #: No second stage: ``match`` is never asked.
    depth = 0

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        attention: str = "sdpa",
        revision: str | None = None,
    ) -> None:
        if dtype not in DTYPES:
            raise ModelError(f"unknown dtype '{dtype}': use float32, float16 or bfloat16")
        if attention not in SUPPORTED_ATTENTION:
            raise ModelError(f"unknown attention implementation '{attention}': use sdpa or eager")
        self.family = model_type(checkpoint, revision or "main")
        if self.family not in _FAMILIES:
            raise ModelError(
                f"cannot load '{checkpoint}' as a dual encoder: its model type is '{self.family}', "
                f"not {' or '.join(_FAMILIES)}"
            )
        name, model_class, processor_class = _FAMILIES[self.family]
        self.processor, self.model = load_checkpoint(
            checkpoint,
            revision or "main",
            DTYPES[dtype],
            attention,
            family=name,
            model_class=model_class,
            processor_class=processor_class,
        )
        self.model.requires_grad_(False).train(False).to(device)
        self.device = torch.device(device)
        self.checkpoint = str(checkpoint)
        self.dtype, self.attention, self.revision = dtype, attention, revision
        self.positions = int(self.model.config.text_config.max_position_embeddings)
        if self.family == "clip":
            # Each token of CLIP sees those before it: padding behind a text is seen by none of its tokens.
            self.processor.tokenizer.padding_side = "right"
        self.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.scale = float(self.model.logit_scale.float().exp())
        self.weights_hash = hash_weights(self.model)
        self.processor_hash = hash_processor(self.processor)
        self.config_hash = hash_config(self.model.config)
        hashes = f"{self.weights_hash}:{self.config_hash}:{self.processor_hash}"
        self.state_key = f"{hashes}:{dtype}:{device}:{attention}"

    def settings(self) -> dict[str, Any]:
        """Weights, config, processor and dtype: all that decides an encoding."""
        return {
            "family": self.family,
            "weights": self.weights_hash,
            "config": self.config_hash,
            "processor": self.processor_hash,
            "dtype": self.dtype,
            "attention": self.attention,
            "device": self.device.type,
        }

    @torch.inference_mode()
    def encode_images(self, images: Sequence[Image], keys: Sequence[str]) -> list[EncodedImage]:
        """N pictures (uint8, H×W×3); ``features`` are the vision tower's pooled output."""
        if not images:
            return []
        # Said outright: a picture one or three pixels high would be taken for channels first.
        values = self.processor.image_processor(
            images=list(images), return_tensors="pt", input_data_format="channels_last"
        )["pixel_values"]
        given = values.to(self.device, self.model.dtype)
        pooled = self.model.vision_model(pixel_values=given).pooler_output
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
