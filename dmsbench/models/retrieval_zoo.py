"""Loads models of retrieval by specification; adapters of the same checkpoint are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from dmsbench.errors import ModelError
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, PointScheduler
from dmsbench.fusion.rivals import MlaEntropy, QmfEnergy
from dmsbench.models.blip2_retrieval import DEPTH, Blip2RetrievalModel
from dmsbench.models.dual_encoder import DualEncoder
from dmsbench.models.fitted import FittedFolder, load_fitted
from dmsbench.models.fitted_rivals import load_rivals
from dmsbench.models.item_evidence import ItemReader
from dmsbench.models.loading import how_loaded, model_type
from dmsbench.models.retrieval import RetrievalAdapter
from dmsbench.models.retriever import PointRetriever
from dmsbench.models.spec import (
    CHECKPOINTS,
    RETRIEVAL_TYPES,
    ModelSpec,
    checkpoint_folder,
    own_scheduler,
)
from dmsbench.models.weighing import AtPoint, ByEvidence, Weigher

TASK = "retrieval"
#: Options of answers that are generated.
_NOT_HERE = ("alpha", "beta", "passes", "max_new_tokens")
#: Rivals with nothing to fit; they read evidence all the same.
_PLAIN: Mapping[str, Callable[..., PointScheduler]] = MappingProxyType({"mla": MlaEntropy, "qmf": QmfEnergy})


class RetrievalZoo:
    """Loads models of retrieval for one device."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._adapters: dict[tuple[str, ...], RetrievalAdapter] = {}

    def load(self, spec: ModelSpec) -> PointRetriever:
        """The model of a specification; raises ModelError where it, or its scheduler, cannot be loaded."""
        if spec.endpoint is not None:
            raise ModelError(
                f"model '{spec.name}': a model behind an API answers and describes; it does not retrieve"
            )
        _check(spec)
        point = (0.5, 0.5) if spec.fusion == "static" else spec.point
        if point is not None:
            return PointRetriever(self.adapter(spec), AtPoint(point))
        folder = spec.scheduler_for(TASK) or own_scheduler(spec.checkpoint, TASK)
        if folder is None:
            raise ModelError(
                f"model '{spec.name}': fusion={spec.fusion} weighs items by a bank of texts, which comes "
                "with a fitted scheduler: fit one (dmsbench fit) and give scheduler=DIR"
            )
        adapter = self.adapter(spec)
        return PointRetriever(adapter, _weigher(spec, adapter, folder))

    def adapter(self, spec: ModelSpec) -> RetrievalAdapter:
        """The checkpoint of a specification, without any weighing."""
        place = checkpoint_folder(spec.checkpoint) if spec.checkpoint in CHECKPOINTS else spec.checkpoint
        kind = model_type(place, spec.options.get("revision", "main"))
        if kind not in RETRIEVAL_TYPES:
            raise ModelError(
                f"model '{spec.name}': checkpoints of type '{kind}' do not retrieve; use one of "
                f"{', '.join(RETRIEVAL_TYPES.values())}"
            )
        if kind != "blip-2" and "depth" in spec.options:
            raise ModelError(
                f"model '{spec.name}': option 'depth' is of a second stage, which only BLIP-2 has"
            )
        how = how_loaded(place, spec.options)
        depth = int(spec.options.get("depth", DEPTH))
        key = (spec.checkpoint, str(depth), *(f"{name}={value}" for name, value in sorted(how.items())))
        if key not in self._adapters:
            if kind == "blip-2":
                self._adapters[key] = Blip2RetrievalModel(place, device=self.device, depth=depth, **how)
            else:
                self._adapters[key] = DualEncoder(place, device=self.device, **how)
        return self._adapters[key]


def _check(spec: ModelSpec) -> None:
    for option in _NOT_HERE:
        if option in spec.options:
            raise ModelError(
                f"model '{spec.name}': option '{option}' is of models that answer, not of retrieval"
            )
    if spec.options.get("mixing") in ("bias", "scale"):
        raise ModelError(
            f"model '{spec.name}': in retrieval probabilities are mixed: use mixing=mixture or mixing=choice"
        )
    if spec.fusion == "tmc" or spec.options.get("pooling") == "logit":
        raise ModelError(
            f"model '{spec.name}': of retrieval, probabilities of single texts are mixed: tmc and "
            "pooling=logit need all outcomes at once; use late, mla or qmf"
        )


def _weigher(spec: ModelSpec, adapter: RetrievalAdapter, folder: Path) -> Weigher:
    fitted = load_fitted(folder, adapter.weights_hash, adapter.config_hash)
    if fitted.task != TASK or not fitted.bank:
        raise ModelError(f"the scheduler in {folder} was fitted for {fitted.task}, not for {TASK}")
    if fitted.scheduler.points != CORNERS_AND_UNIFORM:
        raise ModelError(f"the scheduler in {folder} is of points that items are not read at: fit it again")

    def reader(*, typical: bool) -> ItemReader:
        return ItemReader(
            adapter.encode_texts(fitted.bank),
            adapter.scale,
            CORNERS_AND_UNIFORM,
            fitted.monte_carlo,
            fitted.typicality if typical else None,
        )

    if spec.fusion == "dms":
        mixing = spec.options.get("mixing", fitted.scheduler.mode)
        return ByEvidence(
            reader(typical=fitted.scheduler.needs_typicality),
            fitted.scheduler,
            mixing=mixing,
            fitted_on=fitted.fitted_on,
        )
    experts = spec.options.get("points", "corners")
    if spec.fusion in _PLAIN:
        return ByEvidence(reader(typical=False), _PLAIN[spec.fusion](experts=experts))
    return _rival(spec, fitted, folder, reader(typical=False), experts)


def _rival(
    spec: ModelSpec, fitted: FittedFolder, folder: Path, reader: ItemReader, experts: str
) -> ByEvidence:
    rivals = load_rivals(folder, fitted.scheduler.fingerprint, fitted.scheduler.points)
    if spec.fusion in ("constant", "permuted"):
        bank = rivals.constant if spec.fusion == "constant" else rivals.permuted
        return ByEvidence(reader, bank, fitted_on=fitted.fitted_on)
    schedulers: Mapping[str, PointScheduler] = {
        "rule": rivals.rule,
        "late": rivals.late["probability", experts],
        "pdf": rivals.pdf[experts],
    }
    return ByEvidence(reader, schedulers[spec.fusion], fitted_on=fitted.fitted_on)
