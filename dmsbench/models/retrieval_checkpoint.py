"""What all checkpoints of retrieval share: loading, identity, preprocessed pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import SUPPORTED_ATTENTION
from dmsbench.models.adapter import DTYPES
from dmsbench.models.base import Image
from dmsbench.models.identity import hash_config, hash_processor, hash_weights
from dmsbench.models.trust import hash_code


class RetrievalCheckpoint(ABC):
    """A checkpoint with its processor, on a device. Raises ModelError for one that does not load."""

    family: str

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
        self.processor, self.model = self._load(checkpoint, revision or "main", DTYPES[dtype], attention)
        self.model.requires_grad_(False).train(False).to(device)
        self.device = torch.device(device)
        self.checkpoint = str(checkpoint)
        self.dtype, self.attention, self.revision = dtype, attention, revision
        self.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.weights_hash = hash_weights(self.model)
        self.processor_hash = hash_processor(self.processor)
        self.config_hash = hash_config(self.model.config)
        self.code_hash = hash_code(self.model, self.processor)
        hashes = f"{self.weights_hash}:{self.config_hash}:{self.processor_hash}:{self.code_hash or ''}"
        self.state_key = f"{hashes}:{dtype}:{device}:{attention}"

    @abstractmethod
    def _load(
        self, checkpoint: str | Path, revision: str, dtype: torch.dtype, attention: str
    ) -> tuple[Any, Any]:
        """Processor and model."""

    def settings(self) -> dict[str, Any]:
        """Weights, config, processor and dtype: all that decides an encoding."""
        return {
            "family": self.family,
            "weights": self.weights_hash,
            "config": self.config_hash,
            "processor": self.processor_hash,
            **({"remote_code": self.code_hash} if self.code_hash else {}),
            "dtype": self.dtype,
            "attention": self.attention,
            "device": self.device.type,
        }

    def pixel_values(self, images: Sequence[Image]) -> torch.Tensor:
        """What the checkpoint's image processor makes of the images, N×3×H×W, where and as the model is."""
        # Said outright: a picture one or three pixels high would be taken for channels first.
        values = self.processor.image_processor(
            images=list(images), return_tensors="pt", input_data_format="channels_last"
        )["pixel_values"]
        found: torch.Tensor = values.to(self.device, DTYPES[self.dtype])
        return found
