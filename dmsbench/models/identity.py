"""What a checkpoint is, as hashes: records are kept by them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

#: Of a config, what says where a checkpoint came from or how it was loaded, not what it computes.
_NO_MATTER = ("transformers_version", "_name_or_path", "architectures", "dtype", "torch_dtype")


def hash_weights(model: torch.nn.Module) -> str:
    """A hash (32 hex digits) of every parameter and buffer, names and values."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def hash_processor(processor: Any) -> str:
    """A hash (32 hex digits) of the tokenizer and of what is done to images."""
    tokenizer = processor.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    facts = {
        "images": processor.image_processor.to_dict(),
        "tokenizer": sorted(tokenizer.get_vocab().items()) if backend is None else backend.to_str(),
    }
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def hash_config(config: Any) -> str:
    """A hash (32 hex digits) of what a config says beside its defaults: numbers of heads, scales."""
    text = json.dumps(_told(config), sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _told(config: Any) -> dict[str, Any]:
    found = {}
    for key, value in config.to_diff_dict().items():
        if key not in _NO_MATTER:
            part = getattr(config, key, None)
            # A part is written whole, with defaults that another version of the library may add to.
            found[str(key)] = _told(part) if hasattr(part, "to_diff_dict") else value
    return found
