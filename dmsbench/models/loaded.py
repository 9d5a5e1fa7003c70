"""A loaded checkpoint and what identifies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from dmsbench.models.identity import hash_config, hash_processor, hash_weights
from dmsbench.models.load_options import DTYPES
from dmsbench.models.placing import bring_home, keep_own_tensors, placement
from dmsbench.models.quantization import Quantization
from dmsbench.models.trust import hash_code


@dataclass(frozen=True)
class Loaded:
    """Processor and model of a checkpoint, ready to be asked, with what is known of them.

    ``device``: where inputs go; ``dtype``: a name of ``DTYPES``, what is computed in; ``attention``: the
    implementation that acts; ``commit``: of a hub checkpoint the commit that was loaded.
    """

    processor: Any
    model: Any
    device: torch.device
    dtype: str
    attention: str
    commit: str | None = None
    quantization: Quantization | None = None

    def __post_init__(self) -> None:
        keep_own_tensors(self.model, self.device)
        bring_home(self.model, self.device)

    @property
    def torch_dtype(self) -> torch.dtype:
        """What is computed in."""
        return DTYPES[self.dtype]

    @cached_property
    def parameters(self) -> int:
        """How many weights there are: packed ones counted each, tied ones once."""
        tied = getattr(self.model, "all_tied_weights_keys", None) or {}
        # Fetched from disk, a tied weight is two parameters that share nothing.
        twice = sum(p.numel() for name, p in self.model.named_parameters() if name in tied and p.is_meta)
        return int(self.model.num_parameters()) - int(twice)

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """Of weights, config, processor and, where it brings some, of the checkpoint's own code."""
        code = hash_code(self.model, self.processor)
        return {
            "weights": hash_weights(self.model),
            "config": hash_config(self.model.config, quantization=self.quantization is None or self._own),
            "processor": hash_processor(self.processor),
            **({"remote_code": code} if code else {}),
        }

    @property
    def _own(self) -> bool:
        return self.quantization is not None and self.quantization.own

    @property
    def key(self) -> str:
        """Equal for loaded checkpoints whose states can be shared."""
        held = self.hashes
        hashes = f"{held['weights']}:{held['config']}:{held['processor']}:{held.get('remote_code', '')}"
        how = "" if self.quantization is None else f":{self.quantization.method}"
        places = "" if not placement(self.model) else f":{sorted(placement(self.model).items())}"
        return f"{hashes}:{self.dtype}:{self.device}:{self.attention}{how}{places}"

    def settings(self) -> dict[str, Any]:
        """What of the loading decides the answers.

        Where the weights lie is not part of it but for the kind of device that computes: the same sums are
        made, by the same kernels. Nor is the commit, of which the hashes say all that matters: a new
        sentence in the model's card must not throw records away.
        """
        return {
            **self.hashes,
            **({} if self.quantization is None else {"quantization": self.quantization.settings()}),
            "dtype": self.dtype,
            "attention": self.attention,
            "device": self.device.type,
        }

    def origin(self) -> dict[str, Any]:
        """What does not decide the answers: the hub's commit, the size, where the weights lie."""
        places = placement(self.model)
        return {
            **({"commit": self.commit} if self.commit else {}),
            "parameters": self.parameters,
            **({"placement": places} if places else {}),
        }


def origin_of(model: Any) -> dict[str, Any]:
    """Where a model's checkpoint comes from (see ``Loaded.origin``); empty for what loads none."""
    loaded = innermost(model, "loaded")
    return loaded.origin() if isinstance(loaded, Loaded) else {}


def innermost(model: Any, name: str) -> Any:
    """An attribute of a model or of the adapter that it wraps, None where neither has it."""
    while model is not None:
        if hasattr(model, name):
            return getattr(model, name)
        model = getattr(model, "adapter", None)
    return None
