"""Checkpoints from a folder or the hub: which family, then processor and model, or one line of why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoProcessor, PreTrainedConfig

from dmsbench.errors import ModelError

_TROUBLE = (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError)


def model_type(checkpoint: str | Path, revision: str) -> str:
    """What the checkpoint's config calls itself (``llava``, ``blip-2``); raises ModelError without one."""
    try:
        found = PreTrainedConfig.get_config_dict(checkpoint, revision=revision)[0].get("model_type")
    except _TROUBLE as error:
        raise ModelError(f"cannot load '{checkpoint}': {_reason(error)}") from None
    if found is None:
        raise ModelError(f"cannot load '{checkpoint}': it has no config.json that names a model type")
    return str(found)


def load_checkpoint(
    checkpoint: str | Path,
    revision: str,
    dtype: torch.dtype,
    attention: str,
    *,
    family: str,
    model_class: Any,
    processor_class: str,
) -> tuple[Any, Any]:
    """Processor and model of a checkpoint, or ModelError; nothing is left at random values."""
    what = f"cannot load '{checkpoint}' as a {family} checkpoint"
    found = model_type(checkpoint, revision)
    if found != model_class.config_class.model_type:
        raise ModelError(f"{what}: its model type is '{found}'")
    try:
        # Pillow's arithmetic everywhere: with torchvision installed the default would be another.
        processor: Any = AutoProcessor.from_pretrained(checkpoint, revision=revision, backend="pil")
        model, report = model_class.from_pretrained(
            checkpoint,
            revision=revision,
            dtype=dtype,
            attn_implementation=attention,
            output_loading_info=True,
        )
    except _TROUBLE as error:
        raise ModelError(f"{what}: {_reason(error)}") from None
    if type(processor).__name__ != processor_class:
        raise ModelError(f"{what}: its processor is a {type(processor).__name__}, not a {processor_class}")
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(f"{what}: {len(missing)} weights are missing, '{missing[0]}' among them")
    return processor, model


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
