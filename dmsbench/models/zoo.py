"""Loads models by specification; adapters of the same checkpoint are shared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from dmsbench.errors import ModelError
from dmsbench.fusion.points import PointScheduler
from dmsbench.fusion.rivals import LateFusion, MlaEntropy, QmfEnergy
from dmsbench.fusion.rule_mixture import RuleMixture
from dmsbench.fusion.schedulers import RuleScheduler
from dmsbench.models.base import VisionLanguageModel
from dmsbench.models.blip2 import Blip2Model
from dmsbench.models.decoder import DecoderAdapter
from dmsbench.models.evidence import MonteCarlo
from dmsbench.models.fitted import load_fitted
from dmsbench.models.fixed import FixedModel
from dmsbench.models.idefics3 import Idefics3Model, SmolVlmModel
from dmsbench.models.llava import LlavaModel
from dmsbench.models.loading import model_type
from dmsbench.models.mixed import MixedModel
from dmsbench.models.paligemma import PaliGemmaModel
from dmsbench.models.qwen2_vl import Qwen2VlModel, Qwen25VlModel
from dmsbench.models.scheduled import ScheduledModel
from dmsbench.models.spec import CHECKPOINTS, ModelSpec

_WEIGHTS = Path(__file__).parent / "weights"
#: Where a checkpoint folder keeps the rule's hyperparameters, chosen on validation.
SCHEDULER_FILE = "scheduler.json"
#: The options that decide how a checkpoint is loaded; models that agree in them share its adapter.
_DEFAULTS = {"dtype": "float32", "attention": "sdpa", "revision": "", "max_new_tokens": "16"}
#: Rivals by the name that ``fusion=`` gives them; their answers are mixtures of the corners'.
_RIVALS: Mapping[str, Callable[[], PointScheduler]] = MappingProxyType(
    {"late": LateFusion, "mla": MlaEntropy, "qmf": QmfEnergy}
)
Adapter = DecoderAdapter | Blip2Model
#: The adapter of each model type, as a checkpoint's config names it.
_ADAPTERS: Mapping[str, type[Adapter]] = MappingProxyType(
    {
        "llava": LlavaModel,
        "blip-2": Blip2Model,
        "smolvlm": SmolVlmModel,
        "idefics3": Idefics3Model,
        "qwen2_vl": Qwen2VlModel,
        "qwen2_5_vl": Qwen25VlModel,
        "paligemma": PaliGemmaModel,
    }
)


def checkpoint_folder(name: str) -> Path:
    """The folder of an embedded checkpoint."""
    return _WEIGHTS / name


class Zoo:
    """Loads models for one device; ``answer_space`` lists the answers of a closed task, if it is one."""

    def __init__(self, device: str = "cpu", answer_space: Sequence[str] = ()) -> None:
        self.device, self.answer_space = device, tuple(answer_space)
        self._adapters: dict[tuple[str, ...], Adapter] = {}

    def load(self, spec: ModelSpec) -> VisionLanguageModel:
        """The model of a specification; raises ModelError where it, or its scheduler, cannot be loaded."""
        adapter = self._adapter(spec)
        if spec.fusion == "static":
            return adapter
        if spec.point is not None:
            return FixedModel(adapter, spec.point)
        if spec.fusion in _RIVALS:
            return MixedModel(adapter, _RIVALS[spec.fusion](), answer_space=self.answer_space)
        if "scheduler" in spec.options:
            return self._fitted(adapter, spec)
        alpha, beta, passes = (spec.number(option) for option in ("alpha", "beta", "passes"))
        if alpha is None or beta is None:
            default = default_rule(spec.checkpoint)
            alpha = default.alpha if alpha is None else alpha
            beta = default.beta if beta is None else beta
        if passes is not None and passes < 2:
            raise ModelError(f"model '{spec.name}': passes must be at least 2")
        rule = RuleScheduler(alpha, beta)
        monte_carlo = MonteCarlo() if passes is None else MonteCarlo(passes=int(passes))
        if spec.options.get("mixing") == "mixture":
            return MixedModel(
                adapter, RuleMixture(rule), answer_space=self.answer_space, monte_carlo=monte_carlo
            )
        return ScheduledModel(adapter, rule, answer_space=self.answer_space, monte_carlo=monte_carlo)

    def adapter(self, spec: ModelSpec) -> Adapter:
        """The checkpoint of a specification, without any scheduling."""
        return self._adapter(spec)

    def _fitted(self, adapter: Adapter, spec: ModelSpec) -> MixedModel:
        folder = Path(spec.options["scheduler"])
        fitted = load_fitted(folder, adapter.weights_hash)
        if fitted.outcomes is not None:
            for answer in self.answer_space:
                if not set(adapter.first_tokens([answer])) <= set(fitted.outcomes):
                    raise ModelError(
                        f"the scheduler in {folder} was fitted on other answers: '{answer}' is not among "
                        "them; fit one on this suite"
                    )
        return MixedModel(
            adapter,
            fitted.scheduler,
            outcomes=fitted.outcomes,
            monte_carlo=fitted.monte_carlo,
            typicality=fitted.typicality,
            mixing=spec.options.get("mixing", fitted.scheduler.mode),
        )

    def _adapter(self, spec: ModelSpec) -> Adapter:
        given = {option: spec.options.get(option, default) for option, default in _DEFAULTS.items()}
        key = (spec.checkpoint, *given.values())
        if key not in self._adapters:
            embedded = spec.checkpoint in CHECKPOINTS
            checkpoint = checkpoint_folder(spec.checkpoint) if embedded else spec.checkpoint
            self._adapters[key] = _adapter_class(checkpoint, given["revision"])(
                checkpoint,
                device=self.device,
                dtype=given["dtype"],
                attention=given["attention"],
                revision=given["revision"] or None,
                max_new_tokens=int(given["max_new_tokens"]),
            )
        return self._adapters[key]


def _adapter_class(checkpoint: str | Path, revision: str) -> type[Adapter]:
    kind = model_type(checkpoint, revision or "main")
    found = _ADAPTERS.get(kind)
    if found is None:
        raise ModelError(
            f"cannot load '{checkpoint}': its model type is '{kind}', and there is no adapter for it, static "
            f"or scheduled; supported are {', '.join(sorted(_ADAPTERS))}"
        )
    return found


def default_rule(checkpoint: str) -> RuleScheduler:
    """The rule that a checkpoint brings in its ``scheduler.json``, else the embedded checkpoint's."""
    for folder in (
        checkpoint_folder(checkpoint),
        Path(checkpoint),
        checkpoint_folder(next(iter(CHECKPOINTS))),
    ):
        path = folder / SCHEDULER_FILE
        if path.is_file():
            try:
                found = json.loads(path.read_text())
                return RuleScheduler(float(found["alpha"]), float(found["beta"]))
            except (ValueError, KeyError, TypeError) as error:
                raise ModelError(f"{path}: expected alpha and beta, two numbers ≥ 0 ({error})") from None
    raise ModelError(f"no {SCHEDULER_FILE} beside checkpoint '{checkpoint}': give alpha= and beta=")


def pick_device(wanted: str) -> str:
    """``auto`` is the first CUDA device, else MPS, else the CPU; other names are checked.

    Raises ModelError for a device that is not there.
    """
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device '{wanted}' cannot be used: {str(error).splitlines()[0]}") from None
    return wanted
