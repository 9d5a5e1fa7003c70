"""What a checkpoint says at points of the simplex: outcome distributions, their spread, pooled features."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from dmsbench.fusion.points import Evidence, Points
from dmsbench.fusion.signals import consistency, dropout_masks, uncertainty
from dmsbench.models.base import Prompt
from dmsbench.models.decoding import Prefilling, Streams, prefill_points


class Measurable(Protocol):
    """What an adapter must offer for its answer distribution to be measured."""

    def outcome_logits(self, hidden: torch.Tensor, outcomes: Sequence[int] | None) -> torch.Tensor:
        """Logits (…, K) of the outcome tokens (the whole vocabulary for None)."""


class Readable(Measurable, Prefilling, Protocol):
    """What an adapter must offer for evidence at points."""

    state_key: str

    def first_tokens(self, answers: Sequence[str]) -> tuple[int, ...]:
        """The distinct tokens that the answers begin with."""

    def embeddings(
        self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and text evidence in the space where they meet, each (B, D)."""

    def image_features(self, state: Any, rows: Sequence[int]) -> torch.Tensor:
        """What tells a usual picture from an unusual one, (B, D)."""

    def corner_key(self, state: Any, row: int, prompt: Prompt, modality: int) -> Hashable:
        """Equal for rows whose answers with this modality alone cannot differ."""


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """Monte Carlo dropout on the features that the output layer reads: T passes of that layer alone.

    The embedded checkpoints were trained with dropout there; on a checkpoint that was not, the spread
    still says how much the answer hangs on single features, but it is no posterior variance.
    """

    passes: int = 8
    rate: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """Of S hidden states: ``probabilities`` (S, K), ``uncertainty`` (S,), ``energy`` (S,) = logsumexp."""

    probabilities: torch.Tensor
    uncertainty: torch.Tensor
    energy: torch.Tensor


class OutcomeHead:
    """The output layer over the outcomes, with and without dropout on what it reads."""

    def __init__(self, adapter: Measurable, outcomes: Sequence[int] | None, monte_carlo: MonteCarlo) -> None:
        self.adapter, self.outcomes, self.monte_carlo = adapter, outcomes, monte_carlo
        self._masks: torch.Tensor | None = None

    def __call__(self, hidden: torch.Tensor) -> Measured:
        """Distribution and spread of hidden states (S, D)."""
        if self._masks is None:
            how = self.monte_carlo
            self._masks = dropout_masks(how.passes, hidden.shape[-1], how.rate, how.seed).to(hidden)
        plain = self.adapter.outcome_logits(hidden, self.outcomes)
        passes = self.adapter.outcome_logits(hidden[None] * self._masks[:, None], self.outcomes)
        return Measured(
            plain.softmax(dim=-1).cpu(),
            uncertainty(passes.softmax(dim=-1).cpu()),
            plain.logsumexp(dim=-1).cpu(),
        )

    def settings(self) -> dict[str, Any]:
        """What identifies outcomes and passes in the key of a record."""
        how = self.monte_carlo
        return {"outcomes": _named(self.outcomes), "monte_carlo": [how.passes, how.rate, how.seed]}


@dataclass(frozen=True, slots=True)
class Reading:
    """B rows at the points: the streams to answer from, the evidence, and the features for typicality.

    ``pooled``: of image and text, (B, D) and (B, D'), where they were asked for.
    """

    streams: Streams
    evidence: Evidence
    pooled: tuple[torch.Tensor, torch.Tensor] | None


class PointReader:
    """Reads evidence off an adapter, always at the same points and over the same outcomes."""

    def __init__(
        self,
        adapter: Readable,
        points: Points,
        outcomes: Sequence[int] | None,
        monte_carlo: MonteCarlo | None = None,
    ) -> None:
        self.adapter, self.points, self.outcomes = adapter, points, outcomes
        self.head = OutcomeHead(adapter, outcomes, monte_carlo or MonteCarlo())

    @torch.inference_mode()
    def read(self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt], *, pool: bool) -> Reading:
        """The evidence of B rows that have both modalities; ``pool`` adds the features.

        The image's feature is the tower's mean token. The text's is the mean last hidden state over its
        tokens at the text corner: unlike the mean embedding it knows the order of the words, and it costs
        nothing beside the prompt that is run there anyway.
        """
        streams = prefill_points(self.adapter, state, rows, prompts, self.points.tensor, pool=pool)
        found, at = self.head(streams.start.hidden), streams.at
        image, text = self.adapter.embeddings(state, rows, prompts)
        pooled = None
        if pool:
            corner = at[:, self.points.corners[1]].to(streams.start.text.device)
            pooled = (
                self.adapter.image_features(state, rows).float().cpu(),
                streams.start.text[corner].float().cpu(),
            )
        evidence = Evidence(
            probabilities=found.probabilities[at],
            uncertainty=found.uncertainty[at],
            consistency=consistency(image.float().cpu(), text.float().cpu()),
            energy=found.energy[at],
        )
        return Reading(streams, evidence, pooled)


def _named(outcomes: Sequence[int] | None) -> str:
    """The outcomes in short: how many, and which."""
    if outcomes is None:
        return "vocabulary"
    digest = hashlib.blake2b(",".join(map(str, outcomes)).encode(), digest_size=8)
    return f"{len(outcomes)}:{digest.hexdigest()}"
