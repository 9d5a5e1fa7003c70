"""Checkpoints from a folder or the hub: which family, then processor and model, or one line of why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    PreTrainedConfig,
    ProcessorMixin,
)

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import SUPPORTED_ATTENTION
from dmsbench.models.hub import commit_of, why_not_had
from dmsbench.models.load_options import DTYPES, LoadOptions
from dmsbench.models.loaded import Loaded
from dmsbench.models.placing import main_device, placing_options
from dmsbench.models.processors import load_processor
from dmsbench.models.quantization import Quantization, own_method, quantization_config, quantization_of
from dmsbench.models.safe_weights import ONLY_SAFE, check_weights, only_pickled
from dmsbench.models.spec import HOW_LOADED
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


class OtherProcessorError(ModelError):
    """A checkpoint of a known type whose processor is another than an adapter drives."""


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
    return _known(checkpoint, revision)[0]


def how_loaded(checkpoint: str | Path, options: Mapping[str, str]) -> dict[str, str]:
    """The options of loading in a specification, defaults filled in: equal ones load equal models.

    Raises ModelError where the checkpoint has no config.
    """
    config = _known(checkpoint, options.get("revision", "main"))[2]
    defaults = {"dtype": "float32" if own_method(config) is None else "auto", "attention": "sdpa"}
    given = {option: options[option] for option in HOW_LOADED if option in options}
    return {**defaults, **given}


def load_checkpoint(
    checkpoint: str | Path,
    how: LoadOptions,
    *,
    family: str,
    model_class: Any,
    processor_class: str | None,
) -> Loaded:
    """A checkpoint of one type, or ModelError; nothing is left at random values.

    ``processor_class``: the processor that is expected; None takes its parts for pictures and text alone.
    """
    what = f"cannot load '{checkpoint}' as a {family} checkpoint"
    found = model_type(checkpoint, how.revision or "main")
    if found != model_class.config_class.model_type:
        raise ModelError(f"{what}: its model type is '{found}'")

    def read(checkpoint: str | Path, revision: str, trusted: bool) -> Any:
        if processor_class is None:
            return _parts(checkpoint, revision, trusted)
        processor = _processor(checkpoint, revision, trusted)
        if (name := type(processor).__name__) != processor_class:
            raise OtherProcessorError(f"{what}: its processor is a {name}, not a {processor_class}")
        return processor

    return _loaded(checkpoint, how, what, read, model_class)


def load_any(checkpoint: str | Path, how: LoadOptions) -> Loaded:
    """Any checkpoint that takes image and text by a chat template, or ModelError."""
    what = f"cannot load '{checkpoint}' (model type '{model_type(checkpoint, how.revision or 'main')}')"
    loaded = _loaded(checkpoint, how, what, _processor, AutoModelForImageTextToText)
    processor = loaded.processor
    if getattr(processor, "image_processor", None) is None or getattr(processor, "tokenizer", None) is None:
        raise ModelError(f"{what}: it has no processor for images and text")
    if not processor.chat_template:
        raise ModelError(f"{what}: its processor has no chat template, which is what prompts are written by")
    return loaded


def _known(checkpoint: str | Path, revision: str) -> tuple[str, str | None, dict[str, Any]]:
    """A checkpoint's type, its commit where it is one of the hub, and its config."""
    try:
        commit = commit_of(checkpoint, revision)
        config = PreTrainedConfig.get_config_dict(checkpoint, revision=commit or revision)[0]
        found = config.get("model_type")
    except _TROUBLE as error:
        reason = why_not_had(_reason(error), checkpoint, revision)
        raise ModelError(f"cannot load '{checkpoint}': {reason}") from None
    if found is None:
        raise ModelError(f"cannot load '{checkpoint}': it has no config.json that names a model type")
    return str(found), commit, config


def _loaded(
    checkpoint: str | Path,
    how: LoadOptions,
    what: str,
    read_processor: Callable[[str | Path, str, bool], Any],
    model_class: Any,
) -> Loaded:
    check_weights(checkpoint)
    _, commit, config = _known(checkpoint, how.revision or "main")
    # A branch may move while its files are read one after the other: all are of one commit.
    revision = commit or how.revision or "main"
    trusted = may_run_code(checkpoint, revision)
    quantized = quantization_of(how.quantization, config, checkpoint)
    dtype = how.dtype or ("auto" if quantized is not None and quantized.own else "float32")
    placing = placing_options(how.device, how.device_map, how.max_memory, how.offload_folder)
    given: dict[str, Any] = {"dtype": DTYPES.get(dtype, "auto"), **placing}
    if quantized is not None and not placing and find_spec("accelerate") is not None:
        given["device_map"] = {"": how.device}  # straight to its place: some cannot be moved afterwards
    if quantized is not None and not quantized.own:
        given["quantization_config"] = quantization_config(quantized.method, _named_dtype(dtype, config))
    try:
        processor = read_processor(checkpoint, revision, trusted)
        model, report = model_class.from_pretrained(
            checkpoint,
            revision=revision,
            attn_implementation=how.attention,
            output_loading_info=True,
            trust_remote_code=trusted,
            **given,
            **ONLY_SAFE,
        )
        missing = sorted(report["missing_keys"])
        if missing:
            raise ValueError(f"{len(missing)} weights are missing, '{missing[0]}' among them")
        model.requires_grad_(False).train(False)
        if "device_map" not in given:
            model.to(how.device)
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{what}: {_reason(error)}; device_map=auto spreads it over all devices, quantization= makes it "
            "smaller"
        ) from None
    except _TROUBLE as error:
        reason = only_pickled(_loading_reason(error, how.attention, quantized), checkpoint)
        raise ModelError(f"{what}: {why_not_had(reason, checkpoint, revision)}") from None
    return Loaded(
        processor,
        model,
        main_device(model, how.device),
        _computed_in(model, dtype, quantized, what),
        str(getattr(model.config, "_attn_implementation", None) or how.attention),
        commit,
        None if quantized is None else quantized.as_loaded(model),
    )


def _named_dtype(asked: str, config: dict[str, Any]) -> torch.dtype:
    """The dtype that is asked for; of ``auto`` the one that the config, or its text model's, names."""
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    names = [asked, *(str(part.get("dtype") or part.get("torch_dtype")) for part in parts)]
    return next((DTYPES[name] for name in names if name in DTYPES), torch.bfloat16)


def _computed_in(model: Any, asked: str, quantized: Quantization | None, what: str) -> str:
    """The name of the dtype that activations have."""
    if asked != "auto":
        return asked
    # Of quantised weights the first may be of eight bits; the config says what they are read as.
    dtype = model.dtype if quantized is None else getattr(model.config, "dtype", None) or model.dtype
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise ModelError(f"{what}: its own dtype is {name}: give dtype=float32, float16 or bfloat16")
    return name


def _processor(checkpoint: str | Path, revision: str, trusted: bool) -> Any:
    return load_processor(checkpoint, revision, model_type(checkpoint, revision), trusted)


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


def _loading_reason(error: Exception, attention: str, quantized: Quantization | None) -> str:
    """Why a checkpoint does not load, and what helps where that is known."""
    reason = _reason(error)
    if isinstance(error, ImportError) and "torchvision" in str(error).lower():
        return "its processor needs torchvision: pip install torchvision"
    if attention != "eager" and "does not support an attention implementation" in reason:
        return f"{reason.split()[0]} does not support {attention}: use attention=eager"
    if isinstance(error, ImportError) and quantized is not None and "pip install" not in reason:
        return f"{reason}; its weights are quantised ({quantized.method}): {quantized.how_to_install}"
    if attention not in SUPPORTED_ATTENTION and not isinstance(error, OSError):
        return f"{reason.rstrip('.')}; attention=sdpa needs nothing beside torch"
    return reason


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
