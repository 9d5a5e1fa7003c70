"""Fitting a learned scheduler to a frozen checkpoint's answers at the points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from dmsbench.fusion.features import Standardiser, check_groups, columns, raw_features
from dmsbench.fusion.learned import STATIC_SHARE, LearnedScheduler, Network, offset, shares
from dmsbench.fusion.loss import weight_consistency
from dmsbench.fusion.objective import condition_weights, mixture_log_likelihood, split_by_group
from dmsbench.fusion.points import Evidence, Points, modality_weights

#: No row may cost more than an answer of probability 1e-12: a single hopeless row must not rule the fit.
LEAST_LOG_LIKELIHOOD = math.log(1e-12)


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a learned scheduler is fitted; all of it is written into the card."""

    hidden: int = 32
    activation: str = "tanh"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    batch_rows: int = 512
    epochs: int = 100
    patience: int = 10
    """Epochs without a better validation before the fit ends."""
    held_out: float = 0.2
    """The fraction of groups for validation where no split is given."""
    mwcl: float = 0.0
    """λ of the Modality Weight Consistency Loss, weights attached; needs embeddings."""
    static_share: float = STATIC_SHARE
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.hidden, self.batch_rows, self.epochs, self.patience)
        if min(counts) < 1:
            raise ValueError("hidden, batch_rows, epochs and patience must be at least 1")
        rates = (self.learning_rate, self.weight_decay, self.mwcl)
        if not all(0.0 <= rate < math.inf for rate in rates) or self.learning_rate == 0:
            raise ValueError("learning rate, weight decay and mwcl must be finite and not negative")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the history; epoch 0 is the untrained scheduler, static fusion but for 1 − static_share.

    ``training`` and ``validation``: mean over conditions of the mixture's log-probability of the right
    answer. ``weight_entropy``: mean H(w)/ln M of the modality weights on the validation rows, in [0, 1].
    """

    epoch: int
    training: float
    validation: float
    weight_entropy: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The scheduler of the epoch with the best validation, and how all epochs went."""

    scheduler: LearnedScheduler
    history: tuple[Epoch, ...]

    @property
    def best(self) -> Epoch:
        """The epoch that the scheduler comes from: the first with the highest validation."""
        return _best(self.history)


def fit_learned(
    evidence: Evidence,
    log_likelihood: torch.Tensor,
    *,
    points: Points,
    features: Sequence[str],
    conditions: Sequence[str],
    groups: Sequence[str],
    held_out: torch.Tensor | None = None,
    embeddings: torch.Tensor | None = None,
    settings: FitSettings | None = None,
    mode: str = "mixture",
    seen: Points | None = None,
) -> Fitted:
    """Maximises the mean over conditions of ln Σ_p π_p exp(ll_p), ll (B, P) of the right answer per point.

    Every condition counts the same, however many rows it has. ``groups``: rows of one group (image) are all
    in training or all in validation. ``held_out`` (B,) bool names the validation rows instead of a split by
    group. ``embeddings`` (B, M, D) for the MWCL. The mode "bias" is fitted to the same mixture: the bias's
    own likelihood would need the model inside the loop. So is "choice": ln Σ_p π_p exp(ll_p) is ln of how
    likely a point drawn by its share answers rightly. Neither Σ_p π_p ll_p nor Σ_p π_p exp(ll_p) gave better
    choices on validation rows of a checkpoint for scenes: means of three seeds were up to 0.6 points of
    accuracy below the mixture's, with all signals and with the paper's. AdamW, its own generator, the best
    epoch wins; equal inputs and seed give equal schedulers. ``seen``: the points that the evidence holds,
    where they are not those of the shares.

    Raises ValueError for inputs that do not fit together, and for likelihoods that are NaN or above 0.
    """
    settings = settings or FitSettings()
    wanted = check_groups(features)
    _check(len(evidence), log_likelihood, points, conditions, groups, held_out, embeddings, settings)
    if held_out is None:
        held_out = split_by_group(groups, settings.held_out, settings.seed)
    if held_out.all() or not held_out.any():
        raise ValueError("both training and validation need rows")
    # Evidence may have been measured in inference mode, whose tensors no gradient may touch.
    with torch.inference_mode(False), torch.enable_grad():
        observed = points if seen is None else seen
        raw = raw_features(evidence, observed, wanted)
        standardiser = Standardiser.fit(columns(observed, wanted), raw[~held_out])
        inputs = standardiser(raw)
        training, validation = (
            _Part.of(rows.nonzero()[:, 0], inputs, log_likelihood, conditions, embeddings)
            for rows in (~held_out, held_out)
        )
        network, history = _train(training, validation, points, settings)
    best = _best(history)
    scheduler = LearnedScheduler(
        points=points,
        features=wanted,
        standardiser=standardiser,
        network=network,
        static_share=settings.static_share,
        mode=mode,
        fitted={
            **asdict(settings),
            "training_rows": len(training),
            "validation_rows": len(validation),
            "conditions": len(set(conditions)),
            "epoch": best.epoch,
            "validation": best.validation,
            "validation_static": history[0].validation,
        },
        seen=seen,
    )
    return Fitted(scheduler, tuple(history))


@dataclass(frozen=True, slots=True)
class _Part:
    """Training or validation rows; the weights give every condition the same total."""

    inputs: torch.Tensor
    likelihood: torch.Tensor
    weights: torch.Tensor
    embeddings: torch.Tensor | None

    @classmethod
    def of(
        cls,
        rows: torch.Tensor,
        inputs: torch.Tensor,
        log_likelihood: torch.Tensor,
        conditions: Sequence[str],
        embeddings: torch.Tensor | None,
    ) -> _Part:
        return cls(
            inputs[rows],
            log_likelihood.cpu()[rows].detach().float().clamp_min(LEAST_LOG_LIKELIHOOD),
            condition_weights([conditions[row] for row in rows.tolist()]).float(),
            None if embeddings is None else embeddings.cpu()[rows].detach().float(),
        )

    def __len__(self) -> int:
        return len(self.weights)


def _train(
    training: _Part, validation: _Part, points: Points, settings: FitSettings
) -> tuple[Network, list[Epoch]]:
    """The network of the best epoch, and all epochs."""
    generator = torch.Generator().manual_seed(settings.seed)
    start = offset(points, settings.static_share)
    network = Network.initial(
        training.inputs.shape[1],
        len(points),
        hidden=settings.hidden,
        activation=settings.activation,
        generator=generator,
    )
    tensors = {name: tensor.clone().requires_grad_() for name, tensor in network.tensors().items()}
    network = Network.from_tensors(tensors, settings.activation)
    groups: list[dict[str, Any]] = [
        {"params": [network.hidden_weight, network.output_weight], "weight_decay": settings.weight_decay},
        {"params": [network.hidden_bias, network.output_bias], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
    history = [_epoch(0, network, training, validation, points, start)]
    kept = _copy(network)
    for number in range(1, settings.epochs + 1):
        for batch in torch.randperm(len(training), generator=generator).split(settings.batch_rows):
            optimiser.zero_grad()
            _loss(network, training, batch, points, start, settings.mwcl).backward()
            optimiser.step()
        history.append(_epoch(number, network, training, validation, points, start))
        best = _best(history).epoch
        if best == number:
            kept = _copy(network)
        elif number - best >= settings.patience:
            break
    return kept, history


def _loss(
    network: Network, part: _Part, batch: torch.Tensor, points: Points, start: torch.Tensor, mwcl: float
) -> torch.Tensor:
    share = shares(network, part.inputs[batch], start)
    gain = mixture_log_likelihood(share, part.likelihood[batch])
    # Scaled to the size of the whole, so that a batch's loss estimates the epoch's.
    loss = -(part.weights[batch] * gain).sum() * (len(part) / len(batch))
    if mwcl and part.embeddings is not None:
        weights = modality_weights(share, points)
        term = weight_consistency(weights, part.embeddings[batch], scale=mwcl, detach_weights=False)
        loss = loss + term.loss
    return loss


@torch.no_grad()
def _epoch(
    number: int, network: Network, training: _Part, validation: _Part, points: Points, start: torch.Tensor
) -> Epoch:
    score, entropy = [], 0.0
    for part in (training, validation):
        share = shares(network, part.inputs, start)
        gain = mixture_log_likelihood(share, part.likelihood).double()
        score.append(float((part.weights.double() * gain).sum()))
        weights = modality_weights(share, points)
        entropy = float(torch.special.entr(weights).sum(dim=1).mean()) / math.log(max(2, weights.shape[1]))
    return Epoch(number, score[0], score[1], entropy)


def _best(history: Sequence[Epoch]) -> Epoch:
    return max(history, key=lambda epoch: epoch.validation)


def _copy(network: Network) -> Network:
    tensors = {name: tensor.clone() for name, tensor in network.tensors().items()}
    return Network.from_tensors(tensors, network.activation)


def _check(
    rows: int,
    log_likelihood: torch.Tensor,
    points: Points,
    conditions: Sequence[str],
    groups: Sequence[str],
    held_out: torch.Tensor | None,
    embeddings: torch.Tensor | None,
    settings: FitSettings,
) -> None:
    if log_likelihood.shape != (rows, len(points)):
        raise ValueError(f"log-likelihoods {tuple(log_likelihood.shape)}, not {(rows, len(points))}")
    if log_likelihood.isnan().any() or (log_likelihood > 1e-4).any():
        raise ValueError("log-likelihoods must not be NaN or above 0")
    if len(conditions) != rows or len(groups) != rows:
        raise ValueError(f"{len(conditions)} conditions and {len(groups)} groups for {rows} rows")
    if held_out is not None and (held_out.shape != (rows,) or held_out.dtype != torch.bool):
        raise ValueError(f"held_out must be a bool tensor of {rows} rows")
    if settings.mwcl and embeddings is None:
        raise ValueError("the weight consistency loss needs embeddings")
    if embeddings is not None and embeddings.shape[:2] != (rows, points.tensor.shape[1]):
        raise ValueError(f"embeddings {tuple(embeddings.shape)} for {rows} rows")
