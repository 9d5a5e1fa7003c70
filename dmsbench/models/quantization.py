"""Checkpoints in fewer bits: quantised while they are loaded, or quantised already and loaded as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

from dmsbench.errors import ModelError, UnknownNameError
from dmsbench.models.spec import QUANTIZATIONS

#: The package of each library that quantises: the name before the first hyphen of ``QUANTIZATIONS``.
_PACKAGES: Mapping[str, str] = MappingProxyType(
    {"bitsandbytes": "bitsandbytes", "torchao": "torchao", "quanto": "optimum-quanto"}
)
#: Classes of torchao's own settings.
_TORCHAO: Mapping[str, str] = MappingProxyType(
    {
        "torchao-int8": "Int8WeightOnlyConfig",
        "torchao-int8-dynamic": "Int8DynamicActivationInt8WeightConfig",
        "torchao-float8": "Float8WeightOnlyConfig",
    }
)
#: Packages that kernels of checkpoints which are quantised already come from, by ``quant_method``.
_KERNELS: Mapping[str, str] = MappingProxyType(
    {
        "awq": "gptqmodel",
        "gptq": "gptqmodel",
        "compressed-tensors": "compressed-tensors",
        "bitsandbytes": "bitsandbytes",
        "torchao": "torchao",
        "quanto": "optimum-quanto",
    }
)


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the weights are quantised. ``own``: as they lie in the checkpoint, else while they are loaded."""

    method: str
    own: bool

    @property
    def how_to_install(self) -> str:
        """The command that installs what its kernels come from."""
        return f"pip install {_KERNELS.get(self.method, self.method)}"

    def as_loaded(self, model: Any) -> Quantization | None:
        """What the library made of it: None where it does not know the method and read plain numbers.

        Where a machine has no kernels for it the library may turn the weights back into plain numbers.
        """
        quantizer = getattr(model, "hf_quantizer", None)
        if quantizer is None:
            return None
        if getattr(quantizer.quantization_config, "dequantize", False):
            return Quantization(f"{self.method}, dequantised", self.own)
        return self

    def settings(self) -> dict[str, str]:
        """What decides the answers: the method, and the version of the library whose kernels run."""
        package = _KERNELS.get(self.method) if self.own else _PACKAGES.get(self.method.partition("-")[0])
        found = None if package is None else _version(package)
        return {"method": self.method, **({"library": f"{package} {found}"} if found else {})}


def quantization_of(asked: str | None, config: Mapping[str, Any], checkpoint: object) -> Quantization | None:
    """How a checkpoint with this ``config`` is to be quantised, None for not at all.

    Raises UnknownNameError for a method that is not there, ModelError where the checkpoint is quantised
    already and another is asked for.
    """
    if asked is not None and asked not in QUANTIZATIONS:
        raise UnknownNameError("quantization", asked, QUANTIZATIONS)
    own = own_method(config)
    if own is None:
        return None if asked is None else Quantization(asked, own=False)
    if asked is not None:
        raise ModelError(
            f"cannot load '{checkpoint}' with quantization={asked}: its weights are quantised already "
            f"({own}); leave quantization= out"
        )
    return Quantization(own, own=True)


def own_method(config: Mapping[str, Any]) -> str | None:
    """The ``quant_method`` (awq, gptq, fp8 …) that a config, or one of its parts, names."""
    own = config.get("quantization_config") or config.get("compression_config")
    if isinstance(own, Mapping):
        method = own.get("quant_method")
        if method is None and (own.get("load_in_8bit") or own.get("load_in_4bit")):
            method = "bitsandbytes"
        return str(method or "unknown")
    parts = (own_method(part) for part in config.values() if isinstance(part, Mapping))
    return next((method for method in parts if method is not None), None)


def quantization_config(asked: str, dtype: Any) -> Any:
    """The library's own settings of a method; ``dtype`` is what 4-bit products are computed in.

    Raises ModelError where the library is not installed.
    """
    import transformers

    library = asked.partition("-")[0]
    package = _PACKAGES.get(library)
    for needed in (package, "accelerate"):
        if needed is not None and _version(needed) is None:
            raise ModelError(
                f"quantization={asked} needs {needed}: pip install 'dmsbench[quantization]' "
                f"(or {needed} alone)"
            )
    if library == "bitsandbytes":
        if asked.endswith("8bit"):
            return transformers.BitsAndBytesConfig(load_in_8bit=True)
        return transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    if library == "quanto":
        return transformers.QuantoConfig(weights=asked.partition("-")[2])
    if library == "torchao":
        import torchao.quantization

        return transformers.TorchAoConfig(getattr(torchao.quantization, _TORCHAO[asked])())
    return transformers.FineGrainedFP8Config()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
