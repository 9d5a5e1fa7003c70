"""Model specifications: ``NAME[=SPEC]``, a SPEC being a checkpoint with options. No torch in here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.models.endpoint.options import PREFIX, EndpointOptions, checked_pairs, endpoint_options
from dmsbench.plugins import MODELS, Plugin, offered
from dmsbench.safe_names import RULE, shown, why_unsafe

#: Embedded checkpoints and what each is.
CHECKPOINTS: Mapping[str, str] = MappingProxyType(
    {
        "tiny-llava-easy-vqa": "LLaVA of 0.7 million parameters, trained on easy-VQA (clean pictures)",
        "tiny-llava-scenes": "LLaVA of 0.7 million parameters, trained on clean scenes with contexts; brings "
        "schedulers for vqa and captioning",
        "tiny-blip2-scenes": "BLIP-2 of 1 million parameters, trained on clean scenes with contexts; brings "
        "a scheduler for vqa",
        "tiny-blip2-retrieval": "BLIP-2 for retrieval of 1.3 million parameters, trained on clean scenes "
        "with titles; brings a scheduler",
        "tiny-clip-scenes": "CLIP of 0.8 million parameters, trained on clean scenes with titles; brings a "
        "scheduler",
    }
)
_WEIGHTS = Path(__file__).parent / "weights"
#: Where a checkpoint's folder keeps schedulers that were fitted for it, by task, and the file that makes one.
OWN_SCHEDULERS: Mapping[str, str] = MappingProxyType(
    {"vqa": "scheduler", "captioning": "scheduler-captioning", "retrieval": "scheduler-retrieval"}
)
FIT_FILE = "fit.json"
#: Builtin models: an embedded checkpoint with options.
BUILTIN: Mapping[str, str] = MappingProxyType(
    {
        "baseline": "tiny-llava-easy-vqa,fusion=static",
        "dms": "tiny-llava-easy-vqa,fusion=dms",
        "image-only": "tiny-llava-easy-vqa,fusion=image",
        "text-only": "tiny-llava-easy-vqa,fusion=text",
        "late-fusion": "tiny-llava-easy-vqa,fusion=late",
        "baseline-scenes": "tiny-llava-scenes,fusion=static",
        "dms-scenes": "tiny-llava-scenes,fusion=dms",
        "baseline-blip2": "tiny-blip2-scenes,fusion=static",
        "dms-blip2": "tiny-blip2-scenes,fusion=dms",
        "baseline-retrieval": "tiny-blip2-retrieval,fusion=static",
        "dms-retrieval": "tiny-blip2-retrieval,fusion=dms",
        "clip-retrieval": "tiny-clip-scenes,fusion=static",
    }
)
#: Model types, as a checkpoint's config names them, whose modalities can be weighted, and what each loads.
SCHEDULED_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "llava": "LlavaForConditionalGeneration",
        "blip-2": "Blip2ForConditionalGeneration with OPT, Llama or T5",
        "smolvlm": "SmolVLMForConditionalGeneration",
        "idefics3": "Idefics3ForConditionalGeneration with Llama",
        "qwen2_vl": "Qwen2VLForConditionalGeneration",
        "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration",
        "paligemma": "PaliGemmaForConditionalGeneration (PaliGemma 2 with attention=eager)",
    }
)
#: Model types of retrieval, and what is loaded of each.
RETRIEVAL_TYPES: Mapping[str, str] = MappingProxyType(
    {"blip-2": "Blip2ForImageTextRetrieval", "clip": "CLIPModel", "siglip": "SiglipModel"}
)
#: Those that answer whose pictures all have as many image tokens, as probes need it.
PROBED_TYPES = ("llava", "blip-2", "paligemma")
#: What else is loaded, static only.
STATIC_TYPES = "AutoModelForImageTextToText whose processor has a chat template"
#: What an endpoint is.
API = "what answers at URL/chat/completions as OpenAI's does: vLLM, SGLang, TGI, hosted models"
OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "fusion": "static, dms; a control: image (only), text (only), fixed; a rival: late, mla, qmf, tmc; "
        "with what dmsbench fit saved: rule, pdf, constant, permuted",
        "weight": "the image's weight, from 0 to 1; the text has the rest (fixed)",
        "scheduler": "folder that dmsbench fit made, by default what the checkpoint brings for a task (dms; "
        "rule, pdf, constant, permuted from corners), by default none (late, from corners)",
        "mixing": "mixture (of answers), bias (on attention), scale (of tokens), choice (of one point) (dms; "
        "bias, scale: fixed too)",
        "pooling": "probability or logit: what of the answers is averaged (late, mla, qmf, pdf)",
        "points": "corners or all: whether static fusion is an expert too (late, mla, qmf, tmc, pdf)",
        "alpha": "weight of confidence in the rule (dms)",
        "beta": "weight of uncertainty in the rule (dms)",
        "passes": "Monte Carlo dropout passes, at least 2 (dms)",
        "dtype": "float32, float16, bfloat16 or auto, the checkpoint's own; by default float32, of a "
        "checkpoint that is quantised already its own",
        "attention": "sdpa or eager; static fusion takes flash_attention_2, flash_attention_3, "
        "flash_attention_4 and flex_attention too, where the checkpoint does",
        "revision": "commit, branch or tag of a hub checkpoint",
        "device_map": "auto, balanced, balanced_low_0 or sequential: spread over the devices that there are, "
        "then RAM, then disk (accelerate)",
        "max_memory": "what a device may hold, as 0:20GiB+1:20GiB+cpu:60GiB (device_map)",
        "offload_folder": "folder for what goes to disk and has to be written anew (device_map)",
        "quantization": "bitsandbytes-8bit, bitsandbytes-4bit, torchao-int8, torchao-int8-dynamic, "
        "torchao-float8, quanto-int8 or fp8, while loading; what is quantised already (AWQ, "
        "GPTQ, FP8, compressed-tensors …) loads as it is",
        "max_new_tokens": "longest answer, in tokens",
        "depth": "how many of the first stage's best the second judges; 0: none (retrieval, BLIP-2)",
    }
)
#: Options that say how a checkpoint is loaded, and those and what else of it is not how modalities are fused.
HOW_LOADED = (
    "dtype",
    "attention",
    "revision",
    "device_map",
    "max_memory",
    "offload_folder",
    "quantization",
)
LOADING = (*HOW_LOADED, "max_new_tokens", "depth")
#: Attention implementations of transformers, the first two with a bias; which of them a checkpoint takes and
#: a machine has is found out when it is loaded.
ATTENTIONS = (
    "sdpa",
    "eager",
    "flash_attention_2",
    "flash_attention_3",
    "flash_attention_4",
    "flex_attention",
)
#: How accelerate spreads a model.
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")
#: How weights can be quantised while they are loaded: a library and what it makes of them.
QUANTIZATIONS = (
    "bitsandbytes-8bit",
    "bitsandbytes-4bit",
    "torchao-int8",
    "torchao-int8-dynamic",
    "torchao-float8",
    "quanto-int8",
    "fp8",
)
#: Rivals of DMS: what weighs the answers of the corners (``fusion.rivals``).
RIVALS = ("late", "mla", "qmf", "tmc")
#: Rivals and controls that a fit makes beside its scheduler.
FITTED = ("rule", "pdf", "constant", "permuted")
#: Options of the rule that is not fitted.
RULE_OPTIONS = ("alpha", "beta", "passes")
FUSIONS = ("static", "dms", "image", "text", "fixed", *RIVALS, *FITTED)
#: Options that belong to some kinds of fusion; elsewhere they would do nothing.
_BELONGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(RULE_OPTIONS, ("dms",)),
        "mixing": ("dms", "fixed"),
        "scheduler": ("dms", "late", *FITTED),
        "pooling": ("late", "mla", "qmf", "pdf"),
        "points": (*RIVALS, "pdf"),
        "weight": ("fixed",),
    }
)
_NUMBERS: Mapping[str, Callable[[str], float]] = MappingProxyType(
    {"alpha": float, "beta": float, "passes": int, "max_new_tokens": int, "weight": float, "depth": int}
)
#: The least value of each number.
_LEAST = MappingProxyType({"alpha": 0, "beta": 0, "passes": 2, "max_new_tokens": 1, "weight": 0, "depth": 0})
#: Options with a closed list of values.
_CHOICES = MappingProxyType(
    {
        "fusion": FUSIONS,
        "mixing": ("mixture", "bias", "scale", "choice"),
        "pooling": ("probability", "logit"),
        "points": ("corners", "all"),
        "dtype": ("float32", "float16", "bfloat16", "auto"),
        "attention": ATTENTIONS,
        "device_map": DEVICE_MAPS,
        "quantization": QUANTIZATIONS,
    }
)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as named on the command line: ``checkpoint`` is embedded, a folder, a hub id or an endpoint."""

    name: str
    checkpoint: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def fusion(self) -> str:
        """One of ``FUSIONS``."""
        return self.options.get("fusion", "static")

    @property
    def point(self) -> tuple[float, float] | None:
        """The weights of image and text where they are the same for all samples, as in the controls."""
        image = {"image": 1.0, "text": 0.0, "fixed": self.number("weight")}.get(self.fusion)
        return None if image is None else (image, 1.0 - image)

    def scheduler_for(self, task: str) -> Path | None:
        """The folder of the fit that is used: the one given, else the one that the checkpoint brings.

        None where the fusion takes none, and where an option of the rule asks for the rule.
        """
        if "scheduler" in self.options:
            return Path(self.options["scheduler"])
        if self.fusion not in ("dms", *FITTED) or set(RULE_OPTIONS) & set(self.options):
            return None
        return own_scheduler(self.checkpoint, task)

    @property
    def endpoint(self) -> EndpointOptions | None:
        """The server behind which the model is, None where it is loaded here."""
        if not self.checkpoint.startswith(PREFIX):
            return None
        return endpoint_options(str(self), self.checkpoint, self.options)

    @property
    def plugin(self) -> Plugin | None:
        """What another package offers under the checkpoint's name, None where it is a checkpoint."""
        own = self.checkpoint in CHECKPOINTS or _is_folder(self.checkpoint)  # an endpoint has slashes
        return None if own or "/" in self.checkpoint else offered(MODELS).get(self.checkpoint)

    def number(self, option: str) -> float | None:
        """A numeric option, None where it is not given."""
        return None if option not in self.options else _NUMBERS[option](self.options[option])

    def __str__(self) -> str:
        return ",".join([self.checkpoint, *(f"{key}={value}" for key, value in sorted(self.options.items()))])


def checkpoint_folder(name: str) -> Path:
    """The folder of an embedded checkpoint."""
    return _WEIGHTS / name


def own_scheduler(checkpoint: str, task: str) -> Path | None:
    """The scheduler for a task in a checkpoint's folder, None where there is none."""
    folder = checkpoint_folder(checkpoint) if checkpoint in CHECKPOINTS else Path(checkpoint)
    if task not in OWN_SCHEDULERS:
        return None
    found = folder / OWN_SCHEDULERS[task]
    return found if _is_folder(str(found)) and (found / FIT_FILE).is_file() else None


def parse(text: str) -> ModelSpec:
    """Reads ``NAME[=SPEC]``: a builtin name, an embedded checkpoint, a folder, a hub id, an endpoint or what
    a plug-in offers, with options.

    ``baseline``, ``mine=./checkpoint``, ``mine=llava-hf/llava-1.5-7b-hf,fusion=dms,dtype=float16``,
    ``mine=endpoint:http://localhost:8000/v1,model=llava``.

    Raises UnknownNameError or DmsbenchError.
    """
    head, _, rest = text.partition("=")
    if rest and not {",", "/"} & set(head):
        name, spec = head, rest
    else:
        name, spec = "", text
    if spec.startswith(PREFIX):
        return _behind_api(text, name, spec)
    _check_once(text, spec)
    spec = BUILTIN.get(spec, spec) if "," not in spec else _expand(spec)
    checkpoint, *pairs = spec.split(",")
    known = checkpoint in CHECKPOINTS or _is_folder(checkpoint) or _looks_like_hub_id(checkpoint)
    foreign = not known and checkpoint in offered(MODELS)
    options: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if foreign:
            # Whose model it is says what its options are.
            if not key.isidentifier() or not value:
                raise DmsbenchError(f"model '{text}': option '{pair}' is not of the form name=value")
            options[key] = value
            continue
        if key not in OPTIONS:
            raise UnknownNameError(f"option of model '{text}'", key, OPTIONS)
        if not equals or not value:
            raise DmsbenchError(f"model '{text}': option '{key}' needs a value ({OPTIONS[key]})")
        if key in _CHOICES and value not in _CHOICES[key]:
            raise UnknownNameError(key, value, _CHOICES[key])
        if key in _NUMBERS:
            _check_number(text, key, value)
        options[key] = value
    if not known and not foreign:
        raise UnknownNameError("model", checkpoint, [*BUILTIN, *CHECKPOINTS, *offered(MODELS)])
    if not foreign:
        _check_together(text, checkpoint, options)
    builtin = text.partition(",")[0]
    name = name or (builtin if builtin in BUILTIN else checkpoint.rstrip("/").rsplit("/", 1)[-1])
    return ModelSpec(_safe(name), checkpoint, MappingProxyType(options))


def _behind_api(text: str, name: str, spec: str) -> ModelSpec:
    checkpoint, *pairs = spec.split(",")
    options = checked_pairs(text, pairs)
    endpoint_options(text, checkpoint, options)
    name = name or options.get("model", "endpoint").rsplit("/", 1)[-1]
    return ModelSpec(_safe(name), checkpoint, MappingProxyType(options))


def _safe(name: str) -> str:
    unsafe = why_unsafe(name)
    if unsafe is not None:
        raise DmsbenchError(f"'{shown(name)}' cannot name a model: {unsafe}; {RULE}")
    return name


def _check_once(text: str, spec: str) -> None:
    # A builtin's own options may be given anew, those of the command line only once.
    given = [pair.partition("=")[0] for pair in spec.split(",")[1:]]
    for key in given:
        if given.count(key) > 1:
            raise DmsbenchError(f"model '{text}': option '{key}' is given twice")


def _check_together(text: str, checkpoint: str, options: Mapping[str, str]) -> None:
    fusion = options.get("fusion", "static")
    for key, needed in _BELONGS.items():
        if key in options and fusion not in needed:
            raise DmsbenchError(f"model '{text}': option '{key}' needs fusion={' or '.join(needed)}")
    if fusion == "fixed" and options.get("mixing") in ("mixture", "choice"):
        raise DmsbenchError(
            f"model '{text}': fusion=fixed has one point to answer at: use mixing=bias or mixing=scale"
        )
    if fusion == "fixed" and "weight" not in options:
        raise DmsbenchError(f"model '{text}': fusion=fixed needs weight=, the image's share from 0 to 1")
    for key in ("max_memory", "offload_folder"):
        if key in options and "device_map" not in options:
            raise DmsbenchError(f"model '{text}': option '{key}' needs device_map=auto")
    brought = any(own_scheduler(checkpoint, task) for task in OWN_SCHEDULERS)
    if fusion in FITTED and "scheduler" not in options and not brought:
        raise DmsbenchError(
            f"model '{text}': fusion={fusion} needs scheduler=DIR, a folder that dmsbench fit made"
        )
    if "scheduler" not in options:
        return
    for key in RULE_OPTIONS:
        if key in options:
            raise DmsbenchError(f"model '{text}': option '{key}' is the rule's, not a fitted scheduler's")
    if not _is_folder(options["scheduler"]):
        raise DmsbenchError(
            f"model '{text}': scheduler '{options['scheduler']}' is no folder: dmsbench fit makes one"
        )


def _check_number(text: str, option: str, value: str) -> None:
    try:
        number = _NUMBERS[option](value)
    except ValueError:
        raise DmsbenchError(f"model '{text}': option '{option}' needs a number, not '{value}'") from None
    if not _LEAST[option] <= number < math.inf:
        raise DmsbenchError(
            f"model '{text}': option '{option}' must be at least {_LEAST[option]} and finite, not {value}"
        )
    if option == "weight" and number > 1:
        raise DmsbenchError(f"model '{text}': option 'weight' must be at most 1, not {value}")


def _is_folder(text: str) -> bool:
    try:
        return bool(text) and Path(text).is_dir()
    except (OSError, ValueError):  # a name too long for a path, a folder that may not be read
        return False


def _expand(spec: str) -> str:
    head, _, rest = spec.partition(",")
    return f"{BUILTIN[head]},{rest}" if head in BUILTIN else spec


def _looks_like_hub_id(text: str) -> bool:
    owner, slash, name = text.partition("/")
    return bool(slash and owner and name and "/" not in name and not owner.startswith((".", "~")))
