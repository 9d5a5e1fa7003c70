"""Token scaling: modality weights as factors on the input embeddings, in place of a bias on attention."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import modality_bias
from dmsbench.fusion.probe import ProbeInput
from dmsbench.models.adapter import Adapter
from dmsbench.models.base import Answers, Image, Prompt
from dmsbench.models.decoding import decode
from dmsbench.models.padding import padded

#: By family the module whose output (N, T, D) the language model reads as image tokens.
PROJECTIONS: Mapping[str, str] = MappingProxyType(
    {"llava": "model.multi_modal_projector", "blip-2": "language_projection"}
)


@dataclass(frozen=True, slots=True)
class ScaledState:
    """The adapter's state of N images, and their pixels: a scaled image has a prefix of its own."""

    state: Any
    images: tuple[Image, ...]


class ScaledAdapter:
    """An adapter whose weights scale: modality m's input embeddings times M·w_m before the language model.

    Template tokens stay as they are. Uniform weights are static fusion, exactly. A weight of 0 leaves tokens
    of zeros, which attention still sees: unlike the bias, it does not remove a modality, and a language model
    that normalises its input first undoes much of a factor. Signals and points are the adapter's own, under
    the bias: only ``answer`` is another.

    The image prefix depends on the weight, so it is run anew for every image and weight, vision tower
    included: slow, and not for large runs. Raises ModelError for a family other than ``PROJECTIONS`` names.
    """

    #: What weights do, for the settings of models on top.
    action = "token_scaling"

    def __init__(self, adapter: Adapter) -> None:
        if adapter.family not in PROJECTIONS:
            raise ModelError(
                f"mixing=scale is there for {', '.join(sorted(PROJECTIONS))}, not for '{adapter.family}': "
                "use mixing=bias"
            )
        self.adapter = adapter
        self.projection = adapter.model.get_submodule(PROJECTIONS[adapter.family])
        self.state_key = f"{adapter.state_key}:pixels"
        self.device, self.stops = adapter.device, adapter.stops
        self.max_new_tokens = adapter.max_new_tokens

    def settings(self) -> dict[str, Any]:
        """The adapter's settings, and that weights scale."""
        return {**self.adapter.settings(), "action": self.action}

    def encode(self, images: Sequence[Image]) -> ScaledState:
        """The adapter's state, with the pixels."""
        return ScaledState(self.adapter.encode(images), tuple(images))

    def answer(
        self,
        state: ScaledState,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Greedy answers of B rows with embeddings scaled by M·w; ``weights`` (B, M) or None for static."""
        present = torch.tensor([self.adapter.present(prompt) for prompt in prompts])
        scale = torch.where(present, modality_bias(weights, present).exp(), 1.0)
        moved = (scale != 1.0).any(dim=1)
        parts: list[tuple[list[int], Answers]] = []
        for which, answered in ((~moved, self._static), (moved, self._scaled)):
            at = which.nonzero()[:, 0].tolist()
            if at:
                found = answered(state, [rows[i] for i in at], [prompts[i] for i in at], scale[which])
                parts.append((at, found))
        place = {row: (answers, i) for at, answers in parts for i, row in enumerate(at)}
        ordered = [place[row] for row in range(len(rows))]
        return Answers(
            texts=tuple(answers.texts[i] for answers, i in ordered),
            confidence=np.array([answers.confidence[i] for answers, i in ordered], dtype=np.float32),
            margin=np.array([answers.margin[i] for answers, i in ordered], dtype=np.float32),
        )

    def _static(
        self, state: ScaledState, rows: Sequence[int], prompts: Sequence[Prompt], _scale: torch.Tensor
    ) -> Answers:
        return self.adapter.answer(state.state, rows, prompts)

    @torch.inference_mode()
    def _scaled(
        self, state: ScaledState, rows: Sequence[int], prompts: Sequence[Prompt], scale: torch.Tensor
    ) -> Answers:
        places: dict[tuple[int, float], int] = {}
        keys = list(zip(rows, scale[:, 0].tolist(), strict=True))
        for key in keys:
            places.setdefault(key, len(places))
        with _scaling(self.projection, torch.tensor([factor for _, factor in places])[:, None]):
            scaled = self.adapter.encode([state.images[row] for row, _ in places])
        suffixes = [self.adapter.format.suffix(prompt) for prompt in prompts]
        _, _, evidence = padded(suffixes, max(len(suffix.ids) for suffix in suffixes), 0)
        with _scaling(self.adapter.embedding, torch.where(evidence, scale[:, 1:], 1.0)):
            start = self.adapter.prefill(scaled, [places[key] for key in keys], prompts)
        return decode(self.adapter, start, torch.arange(len(rows))[:, None], torch.ones(len(rows), 1))

    # What the models on top measure is the adapter's, of the images as they are.

    def present(self, prompt: Prompt) -> tuple[bool, bool]:
        """The adapter's."""
        return self.adapter.present(prompt)

    def length(self, prompt: Prompt) -> int:
        """The adapter's."""
        return self.adapter.length(prompt)

    def first_tokens(self, answers: Sequence[str]) -> tuple[int, ...]:
        """The adapter's."""
        return self.adapter.first_tokens(answers)

    def corner_key(self, state: ScaledState, row: int, prompt: Prompt, modality: int) -> Hashable:
        """The adapter's."""
        return self.adapter.corner_key(state.state, row, prompt, modality)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The adapter's."""
        return self.adapter.logits(hidden)

    def outcome_logits(self, hidden: torch.Tensor, outcomes: Sequence[int] | None) -> torch.Tensor:
        """The adapter's."""
        return self.adapter.outcome_logits(hidden, outcomes)

    def last_hidden(
        self, state: ScaledState, rows: Sequence[int], prompts: Sequence[Prompt], weights: torch.Tensor
    ) -> torch.Tensor:
        """The adapter's, under the bias: corners without the other modality."""
        return self.adapter.last_hidden(state.state, rows, prompts, weights)

    def embeddings(
        self, state: ScaledState, rows: Sequence[int], prompts: Sequence[Prompt]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The adapter's."""
        return self.adapter.embeddings(state.state, rows, prompts)

    def image_features(self, state: ScaledState, rows: Sequence[int]) -> torch.Tensor:
        """The adapter's."""
        return self.adapter.image_features(state.state, rows)

    def evidence_tokens(
        self, state: ScaledState, rows: Sequence[int], prompts: Sequence[Prompt]
    ) -> ProbeInput:
        """The adapter's."""
        return self.adapter.evidence_tokens(state.state, rows, prompts)

    def answer_mixture(
        self,
        state: ScaledState,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        points: torch.Tensor,
        shares: torch.Tensor,
    ) -> Answers:
        """The adapter's, under the bias."""
        return self.adapter.answer_mixture(state.state, rows, prompts, points, shares)

    def prefill(
        self,
        state: ScaledState,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
        *,
        pool: bool = False,
    ) -> Any:
        """The adapter's, under the bias."""
        return self.adapter.prefill(state.state, rows, prompts, weights, pool=pool)

    def select(self, start: Any, streams: torch.Tensor) -> None:
        """The adapter's."""
        self.adapter.select(start, streams)

    def feed(self, start: Any, tokens: torch.Tensor) -> None:
        """The adapter's."""
        self.adapter.feed(start, tokens)

    def read(self, tokens: Sequence[Sequence[int]]) -> tuple[str, ...]:
        """The adapter's."""
        return self.adapter.read(tokens)


@contextmanager
def _scaling(module: torch.nn.Module, factors: torch.Tensor) -> Iterator[None]:
    """While open, the module's first output (B, T, D) is multiplied by the factors (B, T) or (B, 1).

    The first alone: an encoder-decoder embeds its decoder's first token by the same module.
    """
    done: list[bool] = []

    def scaled(_module: torch.nn.Module, _given: Any, found: torch.Tensor) -> torch.Tensor:
        if done:
            return found
        done.append(True)
        return found * factors[:, :, None].to(found)

    handle = module.register_forward_hook(scaled)
    try:
        yield
    finally:
        handle.remove()
