"""Where a checkpoint's weights lie: on one device, or spread over several and to disk by accelerate."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from itertools import chain
from typing import Any

import torch

from dmsbench.errors import ModelError

#: Devices of a map that nothing is computed on where there is an accelerator: weights are fetched from them.
_STORES = ("cpu", "disk")


def placing_options(
    device: str, device_map: str | None, max_memory: str | None, offload_folder: str | None
) -> dict[str, Any]:
    """What ``from_pretrained`` is told of a map over several devices; nothing without a ``device_map``.

    ``max_memory`` is ``0:20GiB+1:20GiB+cpu:60GiB``. Raises ModelError where accelerate is not installed, for
    ``max_memory`` of another form, and for a device that a map contradicts.
    """
    if device_map is None:
        for option, given in (("max_memory", max_memory), ("offload_folder", offload_folder)):
            if given is not None:
                raise ModelError(f"option '{option}' needs device_map=auto")
        return {}
    if find_spec("accelerate") is None:
        raise ModelError(f"device_map={device_map} needs accelerate: pip install 'dmsbench[accelerate]'")
    if ":" in device:
        raise ModelError(
            f"device_map={device_map} places the model itself: leave out --device {device}; "
            "CUDA_VISIBLE_DEVICES says which devices there are, max_memory how much of each is taken"
        )
    memory = None if max_memory is None else memory_limits(max_memory)
    if device == "cpu":
        memory = _on_the_cpu(memory)
    return {
        "device_map": device_map,
        **({} if memory is None else {"max_memory": memory}),
        **({} if offload_folder is None else {"offload_folder": offload_folder}),
    }


def memory_limits(text: str) -> dict[int | str, str]:
    """``0:20GiB+cpu:60GiB`` as accelerate reads it; raises ModelError for another form."""
    found: dict[int | str, str] = {}
    for part in text.split("+"):
        device, colon, size = part.partition(":")
        known = device.isdecimal() or device in ("cpu", "mps")
        if not (colon and known and _is_size(size)):
            raise ModelError(
                f"max_memory '{text}': '{part}' is not of the form DEVICE:SIZE; use 0:20GiB+cpu:60GiB"
            )
        found[int(device) if device.isdecimal() else device] = size
    return found


def _is_size(text: str) -> bool:
    number = text.rstrip("GMKiB")
    return text[len(number) :] in ("GiB", "MiB", "KiB", "GB", "MB", "KB") and number.isdecimal()


def _on_the_cpu(memory: dict[int | str, str] | None) -> dict[int | str, Any]:
    """Limits without an accelerator, of which --device cpu asks to leave it alone."""
    if memory is not None and "cpu" in memory:
        return {"cpu": memory["cpu"]}
    from accelerate.utils import get_max_memory

    return {"cpu": get_max_memory().get("cpu", 2**63 - 1)}


def main_device(model: Any, fallback: str) -> torch.device:
    """The device that inputs go to: of a map the first that computes, else where the parameters lie."""
    places = getattr(model, "hf_device_map", None)
    if places is None:
        return torch.device(fallback)
    computing = [place for place in places.values() if str(place) not in _STORES]
    return torch.device(computing[0] if computing else "cpu")


def placement(model: Any) -> dict[str, int]:
    """How many of the map's modules lie on each device, ``{"cuda:0": 20, "disk": 2}``; empty without one."""
    places = getattr(model, "hf_device_map", None) or {}
    return dict(Counter(str(p) if str(p) in _STORES else str(torch.device(p)) for p in places.values()))


def held_plainly(layer: Any, device: torch.device) -> bool:
    """Whether a layer's weight can be read as it is: not fetched from a store, elsewhere, or quantised."""
    weight = layer.weight
    return (
        type(weight) is torch.nn.Parameter
        and weight.is_floating_point()
        and not hasattr(layer, "_hf_hook")
        and weight.device.type == device.type
    )


def keep_own_tensors(model: Any, device: torch.device) -> None:
    """Fetches for good what a model holds outside of its layers, such as query tokens and temperatures.

    Adapters read it without calling the model, and only a call fetches what lies in RAM or on disk.
    """
    held = list(chain(model.named_parameters(recurse=False), model.named_buffers(recurse=False)))
    names = [name for name, tensor in held if tensor.is_meta]
    if not names or not hasattr(model, "_hf_hook"):
        return
    from accelerate.utils import align_module_device

    with align_module_device(model, str(device)):
        found = {name: getattr(model, name).detach().clone() for name in names}
    for name, value in found.items():
        own = model._parameters if name in model._parameters else model._buffers
        own[name] = torch.nn.Parameter(value, requires_grad=False) if own is model._parameters else value


def bring_home(model: Any, device: torch.device) -> None:
    """Has the model's parts hand their outputs to ``device``, where a map spreads them over several.

    Adapters call parts of a model, and accelerate brings home only what the whole gives.
    """
    if len(set(placement(model)) - set(_STORES)) < 2:
        return
    from accelerate.utils import send_to_device

    def home(_module: Any, _given: Any, found: Any) -> Any:
        # A cache stays: each layer's keys lie where the layer does.
        return send_to_device(found, device, skip_keys="past_key_values")

    inner = getattr(model, "model", None)
    language = getattr(inner, "language_model", None) or getattr(model, "language_model", None)
    parts = chain.from_iterable(part.children() for part in (model, inner, language) if part is not None)
    # Of the text model itself its embeddings, not its layers: they hand on to one another.
    for part in {id(part): part for part in parts}.values():
        if not isinstance(part, torch.nn.ModuleList):
            part.register_forward_hook(home)


def to_device(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Pictures as the model takes them, where it is; on CUDA the host need not wait for the copy.

    Converted before they travel: half precision is half the bytes. Only pinned memory can be copied while
    the host goes on; elsewhere nothing is copied that need not be.
    """
    values = values.to(dtype)
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
