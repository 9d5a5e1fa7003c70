"""How a checkpoint is loaded: what a specification's options of loading say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import SUPPORTED_ATTENTION
from dmsbench.models.spec import ATTENTIONS, DEVICE_MAPS

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a checkpoint is loaded.

    ``dtype``: one of ``DTYPES`` or ``auto``, the checkpoint's own; None is float32, and ``auto`` for a
    checkpoint that is quantised already. ``revision``: commit, branch or tag on the hub. ``device_map``,
    ``max_memory`` and ``offload_folder`` spread the weights (see ``placing``); ``quantization`` is one of
    ``spec.QUANTIZATIONS``. Raises ModelError for a value that does not exist.
    """

    device: str = "cpu"
    dtype: str | None = None
    attention: str = "sdpa"
    revision: str | None = None
    device_map: str | None = None
    max_memory: str | None = None
    offload_folder: str | None = None
    quantization: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in (None, "auto", *DTYPES):
            raise ModelError(f"unknown dtype '{self.dtype}': use float32, float16, bfloat16 or auto")
        if self.attention not in ATTENTIONS:
            raise ModelError(
                f"unknown attention implementation '{self.attention}': use sdpa or eager, "
                f"or one that takes no bias ({', '.join(ATTENTIONS[2:])})"
            )
        if self.device_map not in (None, *DEVICE_MAPS):
            raise ModelError(f"unknown device_map '{self.device_map}': use {', '.join(DEVICE_MAPS)}")

    def needing_bias(self, allowed: Collection[str] = SUPPORTED_ATTENTION) -> LoadOptions:
        """These options; raises ModelError where the attention takes no bias, by which weights act."""
        if self.attention not in allowed:
            raise ModelError(
                f"attention implementation '{self.attention}' takes no bias, by which modalities are "
                "weighted: use sdpa or eager, or fusion=static of a checkpoint with a chat template"
            )
        return self
