"""Loads models by specification; adapters of the same checkpoint are shared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import SUPPORTED_ATTENTION
from dmsbench.fusion.rule_mixture import RuleMixture
from dmsbench.fusion.schedulers import RuleScheduler
from dmsbench.models.adapter import Adapter
from dmsbench.models.base import VisionLanguageModel
from dmsbench.models.blip2 import Blip2Model
from dmsbench.models.endpoint.model import EndpointModel
from dmsbench.models.evidence import MonteCarlo
from dmsbench.models.fitted import FittedFolder, load_fitted
from dmsbench.models.fixed import FixedModel
from dmsbench.models.idefics3 import Idefics3Model, SmolVlmModel
from dmsbench.models.llava import LlavaModel
from dmsbench.models.loading import OtherProcessorError, how_loaded, model_type
from dmsbench.models.mixed import STEPWISE, MixedModel
from dmsbench.models.paligemma import PaliGemmaModel
from dmsbench.models.probed import ProbedModel
from dmsbench.models.qwen2_vl import Qwen2VlModel, Qwen25VlModel
from dmsbench.models.rivals import rival
from dmsbench.models.scaled import ScaledAdapter
from dmsbench.models.scheduled import ScheduledModel
from dmsbench.models.spec import (
    CHECKPOINTS,
    FITTED,
    OWN_SCHEDULERS,
    RIVALS,
    RULE_OPTIONS,
    ModelSpec,
    checkpoint_folder,
    own_scheduler,
)
from dmsbench.models.static import StaticModel
from dmsbench.tasks.catalogue import is_foreign, task_of

#: Where a checkpoint folder keeps the rule's hyperparameters, chosen on validation.
SCHEDULER_FILE = "scheduler.json"
#: The adapter of each model type, as a checkpoint's config names it; all others are ``StaticModel``.
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


_Model = TypeVar("_Model", Adapter, StaticModel)


class Zoo:
    """Loads models for one device and task; ``answer_space`` lists the answers of a closed one."""

    def __init__(self, device: str = "cpu", answer_space: Sequence[str] = (), task: str = "vqa") -> None:
        self.device, self.answer_space, self.task = device, tuple(answer_space), task
        self._adapters: dict[tuple[str, ...], Adapter] = {}
        self._static: dict[tuple[str, ...], StaticModel] = {}

    def load(self, spec: ModelSpec) -> VisionLanguageModel:
        """The model of a specification; raises ModelError where it, or its scheduler, cannot be loaded."""
        if (endpoint := spec.endpoint) is not None:
            return EndpointModel(endpoint, max_new_tokens=task_of(self.task).longest)
        if spec.fusion == "static":
            # Where nothing is weighted any attention will do.
            biased = spec.options.get("attention", "sdpa") in SUPPORTED_ATTENTION
            if _type_of(spec) not in _ADAPTERS or not biased:
                return self._kept(self._static, StaticModel, spec)
            try:
                return self.adapter(spec)
            except OtherProcessorError:  # as of Pixtral, a LLaVA by its type
                return self._kept(self._static, StaticModel, spec)
        adapter = self.adapter(spec)
        weighted = ScaledAdapter(adapter) if spec.options.get("mixing") == "scale" else adapter
        if spec.point is not None:
            return FixedModel(weighted, spec.point)
        folder = spec.scheduler_for(self.task)
        self._check_brought(spec, folder)
        fitted = None if folder is None else self._folder(adapter, folder)
        if spec.fusion in (*RIVALS, *FITTED):
            return rival(adapter, spec, self.answer_space, fitted, folder, self.task)
        if fitted is not None:
            mixing = spec.options.get("mixing", fitted.scheduler.mode)
            _check_steps(spec, mixing, fitted.steps)
            return _scheduled(weighted, fitted, mixing)
        alpha, beta, passes = (spec.number(option) for option in ("alpha", "beta", "passes"))
        if alpha is None or beta is None:
            default = default_rule(spec.checkpoint)
            alpha = default.alpha if alpha is None else alpha
            beta = default.beta if beta is None else beta
        if passes is not None and passes < 2:
            raise ModelError(f"model '{spec.name}': passes must be at least 2")
        rule = RuleScheduler(alpha, beta)
        monte_carlo = MonteCarlo() if passes is None else MonteCarlo(passes=int(passes))
        steps = task_of(self.task).steps
        mixing = spec.options.get("mixing", "bias" if steps == "first" else "mixture")
        _check_steps(spec, mixing, steps)
        if mixing in ("mixture", "choice"):
            return MixedModel(
                adapter,
                RuleMixture(rule),
                answer_space=self.answer_space,
                monte_carlo=monte_carlo,
                mixing=mixing,
                steps=steps,
            )
        return ScheduledModel(weighted, rule, answer_space=self.answer_space, monte_carlo=monte_carlo)

    def adapter(self, spec: ModelSpec) -> Adapter:
        """The checkpoint of a specification, without any scheduling.

        Raises ModelError, before anything is loaded, for one whose modalities cannot be weighted.
        """
        kind = _type_of(spec)
        if kind not in _ADAPTERS:
            raise ModelError(
                f"model '{spec.name}': checkpoints of type '{kind}' are static only, their modalities cannot "
                f"be weighted; use fusion=static, or a checkpoint of type {', '.join(_ADAPTERS)}"
            )
        return self._kept(self._adapters, _ADAPTERS[kind], spec)

    def _check_brought(self, spec: ModelSpec, folder: Path | None) -> None:
        """Raises ModelError where what was fitted is asked for, and there is a fit for another task only."""
        if folder is not None or set(RULE_OPTIONS) & set(spec.options):
            return
        others = [task for task in OWN_SCHEDULERS if own_scheduler(spec.checkpoint, task)]
        if spec.fusion in FITTED or (spec.fusion == "dms" and others):
            raise ModelError(
                f"model '{spec.name}': {spec.checkpoint} brings a scheduler for {' and '.join(others)}, none "
                f"for {self.task}: "
                + " or ".join(
                    [
                        *([] if is_foreign(self.task) else ["fit one (dmsbench fit) and give scheduler=DIR"]),
                        *(["ask for the rule by alpha= or beta="] if spec.fusion == "dms" else []),
                    ]
                    or ["use another fusion: there are no fits for tasks of other packages"]
                )
            )

    def _folder(self, adapter: Adapter, folder: Path) -> FittedFolder:
        fitted = load_fitted(folder, adapter.weights_hash, adapter.config_hash)
        if fitted.task != self.task:
            raise ModelError(f"the scheduler in {folder} was fitted for {fitted.task}, not for {self.task}")
        if fitted.outcomes is not None:
            for answer in self.answer_space:
                if not set(adapter.first_tokens([answer])) <= set(fitted.outcomes):
                    raise ModelError(
                        f"the scheduler in {folder} was fitted on other answers: '{answer}' is not among "
                        "them; fit one on this suite"
                    )
        return fitted

    def _kept(self, kept: dict[tuple[str, ...], _Model], family: type[_Model], spec: ModelSpec) -> _Model:
        how: dict[str, Any] = {**how_loaded(_folder_or_id(spec), spec.options)}
        longest = spec.options.get("max_new_tokens", str(task_of(self.task).longest))
        # Models that agree in how the checkpoint is loaded share its adapter.
        key = (spec.checkpoint, longest, *(f"{name}={value}" for name, value in sorted(how.items())))
        if key not in kept:
            kept[key] = family(_folder_or_id(spec), device=self.device, max_new_tokens=int(longest), **how)
        return kept[key]


def _check_steps(spec: ModelSpec, mixing: str, steps: str) -> None:
    if steps == "each" and mixing not in STEPWISE:
        raise ModelError(
            f"model '{spec.name}': captions are weighed token by token, and mixing={mixing} cannot change "
            "from one to the next: use mixing=mixture"
        )


def _scheduled(
    adapter: Adapter | ScaledAdapter, fitted: FittedFolder, mixing: str
) -> MixedModel | ProbedModel:
    if fitted.probes is not None:
        return ProbedModel(
            adapter,
            fitted.scheduler,
            fitted.probes,
            typicality=fitted.typicality,
            mixing=mixing,
            fitted_on=fitted.fitted_on,
        )
    return MixedModel(
        adapter,
        fitted.scheduler,
        outcomes=fitted.outcomes,
        monte_carlo=fitted.monte_carlo,
        typicality=fitted.typicality,
        mixing=mixing,
        steps=fitted.steps,
        fitted_on=fitted.fitted_on,
    )


def _folder_or_id(spec: ModelSpec) -> str | Path:
    return checkpoint_folder(spec.checkpoint) if spec.checkpoint in CHECKPOINTS else spec.checkpoint


def _type_of(spec: ModelSpec) -> str:
    return model_type(_folder_or_id(spec), spec.options.get("revision") or "main")


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
        # And back: there is a device (meta) of which nothing is computed.
        torch.zeros(1, device=wanted).tolist()
    except (RuntimeError, AssertionError, NotImplementedError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"device '{wanted}' cannot be used: {reason}") from None
    return wanted
