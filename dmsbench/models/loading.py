"""Checkpoints from a folder or the hub: which family, then processor and model, or one line of why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedConfig,
    ProcessorMixin,
)

from dmsbench.errors import ModelError
from dmsbench.models.safe_weights import ONLY_SAFE, check_weights, only_pickled
from dmsbench.models.trust import may_run_code

_TROUBLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,  # a config.json that is a list
    ImportError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a processor does with pictures and text.

    Without its side for videos: that needs torchvision, and for SmolVLM num2words.
    """

    tokenizer: Any
    image_processor: Any
    chat_template: str

    def apply_chat_template(self, conversation: Any, **options: Any) -> str:
        """The conversation as text; an image is one image token in it."""
        text: str = self.tokenizer.apply_chat_template(
            conversation, chat_template=self.chat_template, **options
        )
        return text


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
    processor_class: str | None,
) -> tuple[Any, Any]:
    """Processor and model of a checkpoint, or ModelError; nothing is left at random values.

    ``processor_class``: the processor that is expected; None takes its parts for pictures and text alone.
    """
    what = f"cannot load '{checkpoint}' as a {family} checkpoint"
    found = model_type(checkpoint, revision)
    if found != model_class.config_class.model_type:
        raise ModelError(f"{what}: its model type is '{found}'")
    read = _processor if processor_class is not None else _parts
    processor, model = _loaded(checkpoint, revision, dtype, attention, what, read, model_class)
    if processor_class is not None and type(processor).__name__ != processor_class:
        raise ModelError(f"{what}: its processor is a {type(processor).__name__}, not a {processor_class}")
    return processor, model


def load_any(checkpoint: str | Path, revision: str, dtype: torch.dtype, attention: str) -> tuple[Any, Any]:
    """Processor and model of any checkpoint that takes image and text by a chat template, or ModelError."""
    what = f"cannot load '{checkpoint}' (model type '{model_type(checkpoint, revision)}')"
    processor, model = _loaded(
        checkpoint, revision, dtype, attention, what, _processor, AutoModelForImageTextToText
    )
    if getattr(processor, "image_processor", None) is None or getattr(processor, "tokenizer", None) is None:
        raise ModelError(f"{what}: it has no processor for images and text")
    if not processor.chat_template:
        raise ModelError(f"{what}: its processor has no chat template, which is what prompts are written by")
    return processor, model


def _loaded(
    checkpoint: str | Path,
    revision: str,
    dtype: torch.dtype,
    attention: str,
    what: str,
    read_processor: Callable[[str | Path, str, bool], Any],
    model_class: Any,
) -> tuple[Any, Any]:
    check_weights(checkpoint)
    trusted = may_run_code(checkpoint, revision)
    try:
        processor = read_processor(checkpoint, revision, trusted)
        model, report = model_class.from_pretrained(
            checkpoint,
            revision=revision,
            dtype=dtype,
            attn_implementation=attention,
            output_loading_info=True,
            trust_remote_code=trusted,
            **ONLY_SAFE,
        )
    except _TROUBLE as error:
        reason = only_pickled(_loading_reason(error, attention), checkpoint)
        raise ModelError(f"{what}: {reason}") from None
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(f"{what}: {len(missing)} weights are missing, '{missing[0]}' among them")
    return processor, model


def _processor(checkpoint: str | Path, revision: str, trusted: bool) -> Any:
    # Pillow's arithmetic everywhere: with torchvision installed the default would be another.
    return AutoProcessor.from_pretrained(
        checkpoint, revision=revision, backend="pil", trust_remote_code=trusted
    )


def _parts(checkpoint: str | Path, revision: str, trusted: bool) -> Parts:
    found, _ = ProcessorMixin.get_processor_dict(checkpoint, revision=revision)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, revision=revision, trust_remote_code=trusted)
    template = found.get("chat_template") or tokenizer.chat_template
    if not isinstance(template, str):
        raise ValueError("it has no chat template (chat_template.jinja)")
    images = AutoImageProcessor.from_pretrained(
        checkpoint, revision=revision, backend="pil", trust_remote_code=trusted
    )
    return Parts(tokenizer, images, template)


def _loading_reason(error: Exception, attention: str) -> str:
    """Why a checkpoint does not load, and what helps where that is known."""
    reason = _reason(error)
    if isinstance(error, ImportError) and "torchvision" in str(error).lower():
        return "its processor needs torchvision: pip install torchvision"
    if attention != "eager" and "does not support an attention implementation" in reason:
        return f"{reason.split()[0]} does not support {attention}: use attention=eager"
    return reason


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
