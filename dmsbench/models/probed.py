"""A model under a scheduler on probes' signals: known before the prompt runs, so the prompt runs once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from dmsbench.errors import ModelError
from dmsbench.fusion.points import Evidence, PointScheduler, chosen, modality_weights
from dmsbench.fusion.probe import ProbeInput, Probes, text_signature
from dmsbench.fusion.signals import confidence, consistency
from dmsbench.fusion.typicality import Typicality
from dmsbench.models.base import Answers, Image, Prompt, VisionLanguageModel
from dmsbench.models.decoding import check_shares
from dmsbench.models.mixed import typicality_of, unmeasured
from dmsbench.models.spec import PROBED_TYPES

#: What shares on probes' signals do; points' logits and fusions of their own are the corners'.
MIXINGS = ("mixture", "bias", "scale", "choice")


class Probable(VisionLanguageModel, Protocol):
    """What an adapter must offer for its evidence to be probed."""

    device: torch.device

    def present(self, prompt: Prompt) -> tuple[bool, bool]:
        """Whether the row has an image and text evidence."""

    def evidence_tokens(self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]) -> ProbeInput:
        """What the language model reads of image and text evidence, before it does."""

    def embeddings(
        self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and text evidence in the space where they meet, each (B, D)."""

    def image_features(self, state: Any, rows: Sequence[int]) -> torch.Tensor:
        """What tells a usual picture from an unusual one, (B, D)."""

    def answer_mixture(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        points: torch.Tensor,
        shares: torch.Tensor,
    ) -> Answers:
        """Answers under the mixture with shares (B, P) of the points (P, M)."""


def check_probable(adapter: VisionLanguageModel) -> None:
    """Raises ModelError for an adapter whose pictures have unlike numbers of image tokens."""
    family = adapter.settings()["family"]
    if family not in PROBED_TYPES:
        raise ModelError(
            f"probes read pictures of one number of image tokens: there are none for checkpoints of type "
            f"'{family}', only for {', '.join(PROBED_TYPES)}; use --source corner"
        )


@dataclass(frozen=True, slots=True)
class ProbeReading:
    """The evidence of B rows at the corners, and the features for typicality, where they were asked for."""

    evidence: Evidence
    pooled: tuple[torch.Tensor, torch.Tensor] | None


class ProbeReader:
    """Reads probes' evidence off an adapter; nothing of the language model runs."""

    def __init__(self, adapter: Probable, probes: Probes) -> None:
        self.adapter, self.probes = adapter, probes.to(adapter.device)
        self._masks = self.probes.masks()

    @torch.inference_mode()
    def read(self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt], *, pool: bool) -> ProbeReading:
        """The evidence of B rows that have both modalities; ``pool`` adds the features.

        The image's feature is the tower's mean token, the text's ``text_signature``. Consistency is that of
        the mean projected image token and the mean embedding of the text's tokens, as at the corners.
        """
        given = self.adapter.evidence_tokens(state, rows, prompts)
        found = self.probes.read(given, self._masks)
        image, text = self.adapter.embeddings(state, rows, prompts)
        pooled = None
        if pool:
            pooled = (
                self.adapter.image_features(state, rows).float().cpu(),
                text_signature(given.text, given.exists).cpu(),
            )
        evidence = Evidence(
            probabilities=found.probabilities,
            uncertainty=found.uncertainty,
            consistency=consistency(image.float().cpu(), text.float().cpu()),
        )
        return ProbeReading(evidence, pooled)


class ProbedModel:
    """Wraps an adapter; each row is answered at the point that the scheduler chooses from probes' evidence.

    ``mixing``: "choice" asks once at the point with the largest share, "bias" once at the shares' mean point
    ("scale": on an adapter whose weights scale tokens instead), "mixture" at every point that has a share,
    which costs what corners cost. A choice of the uniform point is the static answer; so is a row that has
    one modality only. Rows are one batch: what one row is given changes no other. Schedulers that look at
    typicality need ``typicality``, of image and text.
    ``fitted_on`` names the corruptions that a scheduler was fitted on: reports tell them from the others.
    Raises ModelError for an adapter that has no probes (``check_probable``).
    """

    def __init__(
        self,
        adapter: Probable,
        scheduler: PointScheduler,
        probes: Probes,
        *,
        typicality: tuple[Typicality, Typicality] | None = None,
        mixing: str = "choice",
        fitted_on: Sequence[str] = (),
    ) -> None:
        if mixing not in MIXINGS:
            raise ValueError(f"mixing must be one of {', '.join(MIXINGS)}, not '{mixing}'")
        if scheduler.needs_typicality and typicality is None:
            raise ValueError("the scheduler looks at typicality: give what it is measured by")
        check_probable(adapter)
        self.adapter, self.scheduler, self.mixing = adapter, scheduler, mixing
        self.fitted_on = tuple(sorted(fitted_on))
        self.typicality = typicality if scheduler.needs_typicality else None
        self.reader = ProbeReader(adapter, probes)
        self.state_key = adapter.state_key
        self._points = scheduler.points.tensor

    def settings(self) -> dict[str, Any]:
        """The adapter's settings, the scheduler's and the probes'."""
        fitted = self.typicality or ()
        return {
            **self.adapter.settings(),
            "fusion": {
                "method": self.mixing,
                **self.scheduler.settings(),
                "points": [list(self.scheduler.points.names), self._points.tolist()],
                "signals": "probe",
                "probes": self.reader.probes.fingerprint,
                **({"fitted_on": list(self.fitted_on)} if self.fitted_on else {}),
                "typicality": [each.fingerprint for each in fitted],
            },
        }

    def encode(self, images: Sequence[Image]) -> Any:
        """The adapter's state."""
        return self.adapter.encode(images)

    def length(self, prompt: Prompt) -> int:
        """The adapter's prompt length."""
        return self.adapter.length(prompt)

    def evidence(self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]) -> Evidence:
        """What the scheduler sees of B rows that have both modalities."""
        reading = self.reader.read(state, rows, prompts, pool=self.typicality is not None)
        if self.typicality is None or reading.pooled is None:
            return reading.evidence
        return replace(reading.evidence, typicality=typicality_of(self.typicality, reading.pooled))

    def answer(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Answers at the scheduled points, or under ``weights`` where they are given.

        ``weights`` of the answers are what they were asked under; for a mixture its mean point.
        """
        if weights is not None:
            return self.adapter.answer(state, rows, prompts, weights)
        present = torch.tensor([self.adapter.present(prompt) for prompt in prompts])
        both = present.all(dim=1).nonzero()[:, 0]
        found = torch.where(present.any(dim=1, keepdim=True), present, True).float()
        found = found / found.sum(dim=1, keepdim=True)
        shares = torch.zeros(len(prompts), len(self._points))
        shares[:, self.scheduler.points.uniform] = 1.0
        signals = unmeasured(len(prompts))
        if len(both):
            at = both.tolist()
            evidence = self.evidence(state, [rows[i] for i in at], [prompts[i] for i in at])
            soft = self.scheduler.mixture(evidence).float()
            check_shares(soft)
            shares[both] = chosen(soft) if self.mixing == "choice" else soft
            found[both] = modality_weights(shares[both], self.scheduler.points)
            signals.confidence[both] = confidence(evidence.probabilities)
            signals.uncertainty[both] = evidence.uncertainty
            signals.consistency[both] = evidence.consistency
        if self.mixing == "mixture":
            answers = self.adapter.answer_mixture(state, rows, prompts, self._points, shares)
        else:
            answers = self.adapter.answer(state, rows, prompts, found)
        return replace(answers, weights=found.numpy(), signals=signals)
