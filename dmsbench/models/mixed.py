"""A model under a scheduler of points: the same checkpoint asked at a few points, its answers mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

import numpy as np
import torch

from dmsbench.fusion.points import Evidence, FusionRule, PointScheduler, chosen
from dmsbench.fusion.signals import Signals
from dmsbench.fusion.typicality import Typicality
from dmsbench.models.base import MODALITIES, Answers, Image, Prompt, VisionLanguageModel
from dmsbench.models.decoding import check_shares, decode
from dmsbench.models.evidence import MonteCarlo, PointReader, Readable, Reading
from dmsbench.models.stepwise import EachToken

#: What shares do: mix the answers at the points, set the attention bias at their mean point ("scale": on an
#: adapter whose weights scale tokens instead), choose the one point with the largest share, or weigh the
#: points' logits; "join" draws the first token from the scheduler's own ``fuse`` and mixes after it.
MIXINGS = ("mixture", "bias", "scale", "choice", "log_pool", "join")
#: What has shares of its own: the answer, by the evidence at its first token, or each of its tokens.
STEPS = ("first", "each")
#: What can be done with shares that change from token to token.
STEPWISE = ("mixture", "log_pool")


class Mixable(Readable, VisionLanguageModel, Protocol):
    """An adapter whose answers at points can be mixed."""


class MixedModel:
    """Wraps an adapter; each row is answered by the mixture that the scheduler chooses from the evidence.

    The prompts are run once at every point: what the scheduler sees and what answers are the same pass.
    Where a sample has one modality only there is nothing to mix, and the row is the static one. Schedulers
    that look at typicality need ``typicality``, of image and text in this order. ``steps``: one of ``STEPS``.
    ``fitted_on`` names the corruptions that a learned scheduler was fitted on: reports tell them from the
    others.

    Unlike ``ScheduledModel`` it keeps nothing from one call to the next: an answer needs the prompt's
    states, not only the signals, and within a call everything that cannot differ is one stream.
    """

    def __init__(
        self,
        adapter: Mixable,
        scheduler: PointScheduler,
        *,
        answer_space: Sequence[str] = (),
        outcomes: Sequence[int] | None = None,
        monte_carlo: MonteCarlo | None = None,
        typicality: tuple[Typicality, Typicality] | None = None,
        mixing: str = "mixture",
        steps: str = "first",
        fitted_on: Sequence[str] = (),
    ) -> None:
        if mixing not in MIXINGS:
            raise ValueError(f"mixing must be one of {', '.join(MIXINGS)}, not '{mixing}'")
        if steps not in STEPS:
            raise ValueError(f"steps must be one of {', '.join(STEPS)}, not '{steps}'")
        if steps == "each" and mixing not in STEPWISE:
            raise ValueError(f"shares of each token can be mixed by {', '.join(STEPWISE)}, not '{mixing}'")
        if mixing == "join" and not isinstance(scheduler, FusionRule):
            raise ValueError("the scheduler has no fusion of its own to join answers by")
        if scheduler.needs_typicality and typicality is None:
            raise ValueError("the scheduler looks at typicality: give what it is measured by")
        if outcomes is None and answer_space:
            outcomes = adapter.first_tokens(answer_space)
        self.adapter, self.scheduler, self.mixing, self.steps = adapter, scheduler, mixing, steps
        self.fitted_on = tuple(sorted(fitted_on))
        self.typicality = typicality if scheduler.needs_typicality else None
        self.reader = PointReader(adapter, scheduler.points, outcomes, monte_carlo)
        self.state_key = adapter.state_key

    def settings(self) -> dict[str, Any]:
        """The adapter's settings, the scheduler's, and what the evidence is made of."""
        return {
            **self.adapter.settings(),
            "fusion": {
                "method": self.mixing,
                **self.scheduler.settings(),
                "points": [list(self.scheduler.points.names), self.scheduler.points.tensor.tolist()],
                **self.reader.head.settings(),
                **({"steps": self.steps} if self.steps != "first" else {}),
                **({"fitted_on": list(self.fitted_on)} if self.fitted_on else {}),
                **(
                    {}
                    if self.typicality is None
                    else {"typicality": [each.fingerprint for each in self.typicality]}
                ),
            },
        }

    def encode(self, images: Sequence[Image]) -> Any:
        """The adapter's state: the prefix does not depend on the weights."""
        return self.adapter.encode(images)

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
        """Answers of the scheduled mixture, or under ``weights`` where they are given.

        ``weights`` of the answers are the mixtures' mean points; for a choice the points chosen. Where each
        token has its shares, weights and signals are means over the tokens.
        """
        if weights is not None:
            return self.adapter.answer(state, rows, prompts, weights)
        present = [self.adapter.present(prompt) for prompt in prompts]
        both = [i for i, found in enumerate(present) if all(found)]
        single = [i for i, found in enumerate(present) if not all(found)]
        found = torch.tensor(present, dtype=torch.float32)
        found = torch.where(found.sum(dim=1, keepdim=True) > 0, found, torch.ones(()))
        weighed = found / found.sum(dim=1, keepdim=True)
        signals = unmeasured(len(prompts))
        parts: list[tuple[list[int], Answers]] = []
        if both:
            at = torch.tensor(both)
            answers, seen = self._mixed(state, [rows[i] for i in both], [prompts[i] for i in both])
            weighed[at] = seen.weights
            signals.confidence[at], signals.uncertainty[at] = seen.confidence, seen.uncertainty
            signals.consistency[at] = seen.evidence.consistency
            parts.append((both, answers))
        if single:
            static = self.adapter.answer(state, [rows[i] for i in single], [prompts[i] for i in single])
            parts.append((single, static))
        return replace(_joined(parts, len(prompts)), weights=weighed.numpy(), signals=signals)

    def evidence(self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]) -> Evidence:
        """What the scheduler sees of B rows that have both modalities."""
        reading = self.reader.read(state, rows, prompts, pool=self.typicality is not None)
        return self._with_typicality(reading.evidence, reading.pooled)

    def _mixed(self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]) -> tuple[Answers, EachToken]:
        reading = self.reader.read(state, rows, prompts, pool=self.typicality is not None)
        evidence = self._with_typicality(reading.evidence, reading.pooled)
        shares = self.scheduler.mixture(evidence).float()
        check_shares(shares)
        if self.mixing == "choice":
            # The prompt has run at every point already: the chosen one's streams go on alone.
            shares = chosen(shares)
        seen = EachToken(self.scheduler, self.reader.head, evidence, shares)
        if self.mixing in ("bias", "scale"):
            return self.adapter.answer(state, rows, prompts, seen.weights), seen
        answers = decode(
            self.adapter,
            reading.streams.start,
            reading.streams.at,
            shares,
            pooling="logit" if self.mixing == "log_pool" else "probability",
            first=self._first(reading, evidence) if self.mixing == "join" else None,
            reweigh=seen if self.steps == "each" else None,
        )
        return answers, seen

    def _first(self, reading: Reading, evidence: Evidence) -> torch.Tensor:
        """Log-probabilities (B, V) of the first token as the scheduler fuses it; outcomes alone have any."""
        rule = cast(FusionRule, self.scheduler)
        words = self.adapter.logits(reading.streams.start.hidden[:1]).shape[-1]
        said = rule.fuse(evidence).float()
        every = torch.zeros(len(said), words)
        every[:, slice(None) if self.reader.outcomes is None else list(self.reader.outcomes)] = said
        return every.log().to(self.adapter.device)

    def _with_typicality(
        self, evidence: Evidence, pooled: tuple[torch.Tensor, torch.Tensor] | None
    ) -> Evidence:
        if self.typicality is None or pooled is None:
            return evidence
        return replace(evidence, typicality=typicality_of(self.typicality, pooled))


def typicality_of(
    fitted: tuple[Typicality, Typicality], pooled: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """(B, M, 2): each modality's distances of its pooled features."""
    return torch.stack([each.distance(of) for each, of in zip(fitted, pooled, strict=True)], dim=1)


def unmeasured(count: int) -> Signals:
    """Signals that were not measured."""
    return Signals(
        confidence=torch.full((count, len(MODALITIES)), torch.nan),
        uncertainty=torch.full((count, len(MODALITIES)), torch.nan),
        consistency=torch.full((count,), torch.nan),
    )


def _joined(parts: Sequence[tuple[list[int], Answers]], count: int) -> Answers:
    """Answers of parts of the rows, each with its rows, in the order of the rows."""
    place = {row: (answers, i) for where, answers in parts for i, row in enumerate(where)}
    ordered = [place[row] for row in range(count)]
    return Answers(
        texts=tuple(answers.texts[i] for answers, i in ordered),
        confidence=np.array([answers.confidence[i] for answers, i in ordered], dtype=np.float32),
        margin=np.array([answers.margin[i] for answers, i in ordered], dtype=np.float32),
    )
