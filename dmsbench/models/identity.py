"""What a checkpoint is, as hashes: records are kept by them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from dmsbench.errors import ModelError

#: Of a config, what says where a checkpoint came from or how it was loaded, not what it computes.
_NO_MATTER = ("transformers_version", "_name_or_path", "architectures", "dtype", "torch_dtype")


def hash_weights(model: torch.nn.Module) -> str:
    """A hash (32 hex digits) of every parameter and buffer, names and values.

    Weights that accelerate keeps in RAM or on disk are fetched one after the other: the hash is that of the
    same model in one place. Of a quantised weight its parts count: packed numbers, scales, zero points.

    Raises ModelError for a weight that lies nowhere.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        with _fetched(model, name, tensor) as held:
            for part in _parts(held):
                digest.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def _fetched(model: torch.nn.Module, name: str, tensor: Any) -> Iterator[Any]:
    """The values of a weight; those that a hook of accelerate fetches are there only within."""
    if not (isinstance(tensor, torch.Tensor) and tensor.is_meta):
        yield tensor
        return
    owner, _, own = name.rpartition(".")
    module = model.get_submodule(owner)
    if not hasattr(module, "_hf_hook"):
        raise ModelError(f"weight '{name}' was not loaded: it lies on no device")
    from accelerate.utils import align_module_device

    with align_module_device(module, "cpu"):
        yield getattr(module, own)


def _parts(tensor: Any) -> Iterator[torch.Tensor]:
    """The plain tensors that a weight is made of: itself, or the parts of a tensor subclass."""
    if hasattr(tensor, "__tensor_flatten__"):
        for part in tensor.__tensor_flatten__()[0]:
            yield from _parts(getattr(tensor, part))
    else:
        yield tensor


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


def hash_config(config: Any, *, quantization: bool = True) -> str:
    """A hash (32 hex digits) of what a config says beside its defaults: numbers of heads, scales.

    ``quantization`` False leaves out what loading wrote into it of how it quantised.
    """
    told = _told(config)
    if not quantization:
        told.pop("quantization_config", None)
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _told(config: Any) -> dict[str, Any]:
    found = {}
    for key, value in config.to_diff_dict().items():
        if key not in _NO_MATTER:
            part = getattr(config, key, None)
            # A part is written whole, with defaults that another version of the library may add to.
            found[str(key)] = _told(part) if hasattr(part, "to_diff_dict") else value
    return found
