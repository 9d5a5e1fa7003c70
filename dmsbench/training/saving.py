"""Writes a trained checkpoint as ``from_pretrained`` reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, ProcessorMixin

from dmsbench.errors import DataError


def save(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    out: Path,
    facts: Mapping[str, Any],
) -> None:
    """Writes the checkpoint in fp16, and ``training.json`` beside it: the facts, its size and its hash."""
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    model.float()
    processor.save_pretrained(out)
    known = {
        **facts,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights_blake2b": weights_hash(out),
    }
    (out / "training.json").write_text(json.dumps(known, indent=2) + "\n")


def weights_hash(folder: Path) -> str:
    """BLAKE2b-128 of a saved checkpoint's weights, hexadecimal. DataError where they cannot be read."""
    try:
        weights = (folder / "model.safetensors").read_bytes()
    except OSError as error:
        raise DataError(f"{folder} holds no checkpoint to go on from: {error.strerror}") from None
    return hashlib.blake2b(weights, digest_size=16).hexdigest()
