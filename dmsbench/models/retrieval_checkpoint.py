"""What all checkpoints of retrieval share: loading, identity, preprocessed pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dmsbench.models.base import Image
from dmsbench.models.load_options import LoadOptions
from dmsbench.models.loaded import Loaded
from dmsbench.models.placing import to_device


class RetrievalCheckpoint(ABC):
    """A checkpoint with its processor, loaded as the fields of ``LoadOptions`` say.

    Raises ModelError for one that does not load.
    """

    family: str

    def __init__(self, checkpoint: str | Path, **how: Any) -> None:
        self.loaded = self._load(checkpoint, LoadOptions(**how))
        self.processor, self.model = self.loaded.processor, self.loaded.model
        self.device, self.dtype, self.parameters = (
            self.loaded.device,
            self.loaded.dtype,
            self.loaded.parameters,
        )
        self.checkpoint = str(checkpoint)
        self.weights_hash, self.config_hash = self.loaded.hashes["weights"], self.loaded.hashes["config"]
        self.state_key = self.loaded.key

    @abstractmethod
    def _load(self, checkpoint: str | Path, how: LoadOptions) -> Loaded:
        """Loads it."""

    def settings(self) -> dict[str, Any]:
        """Weights, config, processor and dtype: all that decides an encoding."""
        return {
            "family": self.family,
            **self.loaded.settings(),
        }

    def pixel_values(self, images: Sequence[Image]) -> torch.Tensor:
        """What the checkpoint's image processor makes of the images, N×3×H×W, where and as the model is."""
        # Said outright: a picture one or three pixels high would be taken for channels first.
        values = self.processor.image_processor(
            images=list(images), return_tensors="pt", input_data_format="channels_last"
        )["pixel_values"]
        return to_device(values, self.device, self.loaded.torch_dtype)
