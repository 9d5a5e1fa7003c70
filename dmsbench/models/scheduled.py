"""A model under Dynamic Modality Scheduling: the same checkpoint, weights chosen sample by sample."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch

from dmsbench.fusion.schedulers import Scheduler
from dmsbench.fusion.signals import Signals, confidence, consistency
from dmsbench.models.base import MODALITIES, Answers, Image, Prompt, VisionLanguageModel
from dmsbench.models.evidence import Measurable, MonteCarlo, OutcomeHead

__all__ = ["MonteCarlo", "Schedulable", "ScheduledModel"]

#: Text corners that are kept; when there are more, all are forgotten.
_KEPT = 1 << 18


class Schedulable(Measurable, VisionLanguageModel, Protocol):
    """What a checkpoint's adapter must offer beyond answering for its modalities to be scheduled."""

    def present(self, prompt: Prompt) -> tuple[bool, bool]:
        """Whether the row has an image and text evidence."""

    def last_hidden(
        self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt], weights: torch.Tensor
    ) -> torch.Tensor:
        """What the first answer token is drawn from under the weights, (B, D)."""

    def first_tokens(self, answers: Sequence[str]) -> tuple[int, ...]:
        """The distinct tokens that the answers begin with."""

    def embeddings(
        self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and text evidence in the space where they meet, each (B, D)."""

    def corner_key(self, state: Any, row: int, prompt: Prompt, modality: int) -> Hashable:
        """Equal for rows whose answers with this modality alone cannot differ."""


class ScheduledModel:
    """Wraps an adapter; each row is answered under the weights that the scheduler gives it.

    The unimodal predictions are *corners*: the checkpoint itself with all weight on the image, and with
    all weight on the text. A corner is computed once for all rows that it cannot tell apart (a question
    without its image, an image without its question). Where a sample has one modality only, there is
    nothing to schedule and the row is the static one.
    """

    def __init__(
        self,
        adapter: Schedulable,
        scheduler: Scheduler,
        *,
        answer_space: Sequence[str] = (),
        monte_carlo: MonteCarlo | None = None,
    ) -> None:
        self.adapter, self.scheduler = adapter, scheduler
        self.monte_carlo = monte_carlo or MonteCarlo()
        self.outcomes = adapter.first_tokens(answer_space) if answer_space else None
        self.head = OutcomeHead(adapter, self.outcomes, self.monte_carlo)
        self.state_key = adapter.state_key
        self._text_corners: dict[Hashable, tuple[float, float]] = {}

    def settings(self) -> dict[str, Any]:
        """The adapter's settings and the scheduler's."""
        return {
            **self.adapter.settings(),
            "fusion": {
                "method": getattr(self.adapter, "action", "attention_bias"),
                **self.scheduler.settings(),
                "signals": "corner",
                **self.head.settings(),
            },
        }

    def encode(self, images: Sequence[Image]) -> Any:
        """The adapter's state: the prefix does not depend on the weights."""
        return self.adapter.encode(images)

    def forget(self) -> None:
        """Drops the text corners: what is answered next does not hang on what was answered before."""
        self._text_corners.clear()

    def length(self, prompt: Prompt) -> int:
        """The adapter's prompt length."""
        return self.adapter.length(prompt)

    def answer(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Answers under scheduled weights, or under ``weights`` where they are given."""
        if weights is not None:
            return self.adapter.answer(state, rows, prompts, weights)
        present = [self.adapter.present(prompt) for prompt in prompts]
        both = [i for i, found in enumerate(present) if all(found)]
        chosen = torch.tensor(present, dtype=torch.float32)
        chosen = torch.where(chosen.sum(dim=1, keepdim=True) > 0, chosen, torch.ones(()))
        chosen = chosen / chosen.sum(dim=1, keepdim=True)
        signals = Signals(
            confidence=torch.full((len(prompts), len(MODALITIES)), torch.nan),
            uncertainty=torch.full((len(prompts), len(MODALITIES)), torch.nan),
            consistency=torch.full((len(prompts),), torch.nan),
        )
        if both:
            measured = self.signals(state, [rows[i] for i in both], [prompts[i] for i in both])
            at = torch.tensor(both)
            signals.confidence[at] = measured.confidence
            signals.uncertainty[at] = measured.uncertainty
            signals.consistency[at] = measured.consistency
            chosen[at] = self.scheduler.weights(measured).float()
        answers = self.adapter.answer(state, rows, prompts, chosen)
        return replace(answers, weights=chosen.numpy(), signals=signals)

    @torch.inference_mode()
    def signals(self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]) -> Signals:
        """The three signals of B rows that have both modalities."""
        corners = [self._corner(state, rows, prompts, modality) for modality in range(len(MODALITIES))]
        image, text = self.adapter.embeddings(state, rows, prompts)
        return Signals(
            confidence=torch.stack([sure for sure, _ in corners], dim=1),
            uncertainty=torch.stack([spread for _, spread in corners], dim=1),
            consistency=consistency(image.float().cpu(), text.float().cpu()),
        )

    def _corner(
        self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt], modality: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Confidence and uncertainty (B,) of the model with all weight on one modality."""
        keys = [
            self.adapter.corner_key(state, row, prompt, modality)
            for row, prompt in zip(rows, prompts, strict=True)
        ]
        text = MODALITIES[modality] == "text"
        # Without its image a question has the same answer behind all of one length: known until forgotten.
        known = self._text_corners if text else {}
        if len(known) >= _KEPT:
            known.clear()
        first: dict[Hashable, int] = {}
        for i, key in enumerate(keys):
            if key not in known:
                first.setdefault(key, i)
        if first:
            picks = list(first.values())
            point = torch.zeros(len(picks), len(MODALITIES))
            point[:, modality] = 1.0
            hidden = self.adapter.last_hidden(
                state, [rows[i] for i in picks], [prompts[i] for i in picks], point
            )
            found = self.head(hidden)
            sure, spread = confidence(found.probabilities).tolist(), found.uncertainty.tolist()
            known.update(zip(first, zip(sure, spread, strict=True), strict=True))
        pairs = torch.tensor([known[key] for key in keys])
        return pairs[:, 0], pairs[:, 1]
