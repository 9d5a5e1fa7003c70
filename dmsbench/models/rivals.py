"""Models of the rivals and of the controls that had a fit's data, by specification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from dmsbench.errors import ModelError
from dmsbench.fusion.points import PointScheduler
from dmsbench.fusion.rivals import LateFusion, MlaEntropy, QmfEnergy, TrustedFusion
from dmsbench.models.blind import BlindModel, Mixing
from dmsbench.models.fitted import FittedFolder
from dmsbench.models.fitted_rivals import load_rivals
from dmsbench.models.mixed import STEPWISE, Mixable, MixedModel
from dmsbench.models.spec import ModelSpec
from dmsbench.tasks.catalogue import task_of

#: Rivals with nothing to fit, by the name that ``fusion=`` gives them.
_PLAIN: Mapping[str, Callable[..., PointScheduler]] = MappingProxyType(
    {"late": LateFusion, "mla": MlaEntropy, "qmf": QmfEnergy, "tmc": TrustedFusion}
)


class Rivalling(Mixable, Mixing, Protocol):
    """An adapter that every rival and control can be built on."""


def rival(
    adapter: Rivalling,
    spec: ModelSpec,
    answer_space: Sequence[str],
    fitted: FittedFolder | None,
    folder: Path | None,
    task: str,
) -> MixedModel | BlindModel:
    """The model of a rival or control; ``fitted`` is what the scheduler's ``folder`` holds.

    TMC joins opinions about the first token, and only the answer space's, if there is one: an answer of one
    token is the paper's. What follows in a longer one is the mixture by each opinion's 1 − u, since an
    opinion about the next token says nothing of those after it. QMF with logit pooling has its weights
    normalised: where none is negative the answer is the paper's, and only its confidence is another.

    Captions are weighed token by token, which TMC does not do.

    Raises ModelError for a folder without rivals, as one on probes: they are fitted to corners' evidence; and
    for TMC on captions.
    """
    experts = spec.options.get("points", "corners")
    pooling = spec.options.get("pooling", "probability")
    mixing = "log_pool" if pooling == "logit" else "mixture"
    if fitted is None or folder is None:
        scheduler = _PLAIN[spec.fusion](experts=experts)
        mixing = "join" if spec.fusion == "tmc" else mixing
        steps = task_of(task).steps
        if steps == "each" and mixing not in STEPWISE:
            raise ModelError(
                f"model '{spec.name}': fusion={spec.fusion} joins opinions about one token, and captions are "
                "weighed token by token: use late, mla or qmf"
            )
        return MixedModel(adapter, scheduler, answer_space=answer_space, mixing=mixing, steps=steps)
    if fitted.source != "corner":
        raise ModelError(
            f"model '{spec.name}': fusion={spec.fusion} needs what a fit with --source corner saves beside "
            f"its scheduler, and {folder} was fitted with --source {fitted.source}: use fusion=dms"
        )
    rivals = load_rivals(folder, fitted.scheduler.fingerprint, fitted.scheduler.points)
    if spec.fusion in ("constant", "permuted"):
        bank = rivals.constant if spec.fusion == "constant" else rivals.permuted
        return BlindModel(adapter, bank, fitted.fitted_on)
    schedulers: Mapping[str, PointScheduler] = {
        "rule": rivals.rule,
        "late": rivals.late[pooling, experts],
        "pdf": rivals.pdf[experts],
    }
    return MixedModel(
        adapter,
        schedulers[spec.fusion],
        outcomes=fitted.outcomes,
        monte_carlo=fitted.monte_carlo,
        mixing=mixing,
        steps=fitted.steps,
        fitted_on=fitted.fitted_on,
    )
