"""What all adapters of Hugging Face checkpoints share: identity, outcomes, answers from prefilled rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from dmsbench.fusion.probe import ProbeInput
from dmsbench.models.base import MODALITIES, Answers, Image, Prompt
from dmsbench.models.decoding import answer_mixture, decode
from dmsbench.models.load_options import LoadOptions
from dmsbench.models.loading import load_checkpoint
from dmsbench.models.padding import id_rows, mean_of, padded
from dmsbench.models.placing import held_plainly
from dmsbench.models.prompts import Suffix


class Format(Protocol):
    """How a checkpoint's prompts are written and tokenised."""

    @property
    def before(self) -> str:
        """The template's text before the sample's."""

    @property
    def after(self) -> str:
        """The template's text after it."""

    def suffix(self, prompt: Prompt) -> Suffix:
        """The tokens after the image."""

    def first_answer_token(self, answer: str) -> int:
        """The token that an answer begins with."""

    def answer_tokens(self, answer: str) -> tuple[int, ...]:
        """The tokens of an answer right after the prompt."""


class Adapter(ABC):
    """A checkpoint with its processor, on a device; static fusion unless given weights.

    ``checkpoint`` is a folder or a hub id; how it is loaded is said by the fields of ``LoadOptions``.
    Generation is greedy; sampling settings of the checkpoint are not used. Subclasses set
    ``language_model``, ``head`` (its output layer), ``embedding`` (its input embeddings), ``format``,
    ``stops`` and ``state_key`` in ``_take_parts``. Raises ModelError for a checkpoint that does not load.
    """

    #: The family's name in ``settings``, and in words.
    family: str
    family_name: str
    model_class: Any
    #: None where only the parts of it are used that look at pictures and text (see ``loading``).
    processor_class: str | None

    language_model: Any
    head: Any
    embedding: Any
    format: Format
    stops: frozenset[int]
    state_key: str

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        max_new_tokens: int = 16,
        **how: Any,
    ) -> None:
        self.loaded = load_checkpoint(
            checkpoint,
            LoadOptions(**how).needing_bias(),
            family=self.family_name,
            model_class=self.model_class,
            processor_class=self.processor_class,
        )
        self.processor, self.model = self.loaded.processor, self.loaded.model
        self.device, self.dtype, self.attention = (
            self.loaded.device,
            self.loaded.dtype,
            self.loaded.attention,
        )
        self.checkpoint, self.max_new_tokens = str(checkpoint), max_new_tokens
        self.weights_hash, self.config_hash = self.loaded.hashes["weights"], self.loaded.hashes["config"]
        self._identity = self.loaded.key
        self._take_parts()

    @abstractmethod
    def _take_parts(self) -> None:
        """Finds the parts of the loaded model: what subclasses set."""

    def settings(self) -> dict[str, Any]:
        """Weights, config, processor, dtype, prompt format and generation: all that decides the answers."""
        return {
            "family": self.family,
            **self.loaded.settings(),
            "prompt": [self.format.before, self.format.after],
            "generation": {
                "method": "greedy",
                "max_new_tokens": self.max_new_tokens,
                "stops": sorted(self.stops),
            },
        }

    @property
    def ending(self) -> int | None:
        """The token that an answer ends with: of several stops the tokenizer's own end of sequence."""
        eos = self.processor.tokenizer.eos_token_id
        return eos if eos in self.stops else min(self.stops, default=None)

    def present(self, prompt: Prompt) -> tuple[bool, bool]:
        """Whether the row has an image and text evidence; an empty context is as absent as a dropped one."""
        suffix = self.format.suffix(prompt)
        return prompt.has_image, prompt.has_text and suffix.first < suffix.last

    def pixel_values(self, images: Sequence[Image]) -> torch.Tensor:
        """What the checkpoint's image processor makes of the images, N×3×H×W."""
        # Said outright: a picture one or three pixels high would be taken for channels first.
        values: torch.Tensor = self.processor.image_processor(
            images=list(images), return_tensors="pt", input_data_format="channels_last"
        )["pixel_values"]
        return values

    @abstractmethod
    def length(self, prompt: Prompt) -> int:
        """Tokens after the image; raises SampleError for a prompt that the model's positions cannot hold."""

    @abstractmethod
    def encode(self, images: Sequence[Image]) -> Any:
        """What can be computed once for N images (uint8, H×W×3) and all questions about them."""

    @abstractmethod
    def prefill(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
        *,
        pool: bool = False,
    ) -> Any:
        """Runs the prompts behind their images' prefixes; the first half of ``answer``."""

    @abstractmethod
    def select(self, start: Any, streams: torch.Tensor) -> None:
        """Goes on with these rows of ``start``, in this order; a row may be taken more than once."""

    @abstractmethod
    def feed(self, start: Any, tokens: torch.Tensor) -> None:
        """Gives each row its next token (B,)."""

    @abstractmethod
    def pooled(self, state: Any) -> torch.Tensor:
        """The mean token of each image as the text model reads it, (N, D)."""

    @torch.inference_mode()
    def answer(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Greedy answers to B prompts from the images' prefixes; ``weights`` (B, M) or None for static."""
        start = self.prefill(state, rows, prompts, weights)
        return decode(self, start, torch.arange(len(rows))[:, None], torch.ones(len(rows), 1))

    @torch.inference_mode()
    def answer_mixture(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        points: torch.Tensor,
        shares: torch.Tensor,
    ) -> Answers:
        """Greedy answers under Σ_p shares (B, P) · softmax(logits at points (P, M)); see ``decoding``."""
        return answer_mixture(self, state, rows, prompts, points, shares)

    def last_hidden(
        self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt], weights: torch.Tensor
    ) -> torch.Tensor:
        """What the first answer token is drawn from under the weights, (B, D)."""
        hidden: torch.Tensor = self.prefill(state, rows, prompts, weights).hidden
        return hidden

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The output layer over the whole vocabulary, in float32."""
        scores: torch.Tensor = self.head(hidden)
        return scores.float()

    def outcome_logits(self, hidden: torch.Tensor, outcomes: Sequence[int] | None) -> torch.Tensor:
        """Logits (…, K) of the outcome tokens (the whole vocabulary for None), in float32."""
        if outcomes is None:
            return self.logits(hidden)
        at = torch.tensor(outcomes, device=self.device)
        if not held_plainly(self.head, self.device):
            return self.logits(hidden)[..., at]
        bias = None if self.head.bias is None else self.head.bias[at]
        return torch.nn.functional.linear(hidden, self.head.weight[at], bias).float()

    def first_tokens(self, answers: Sequence[str]) -> tuple[int, ...]:
        """The distinct tokens that the answers begin with, sorted."""
        return tuple(sorted({self.format.first_answer_token(answer) for answer in answers}))

    def answer_tokens(self, answer: str) -> tuple[int, ...]:
        """The tokens of an answer right after the prompt."""
        return self.format.answer_tokens(answer)

    def embeddings(
        self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and text evidence in the language model's input space, each (B, D).

        The mean projected image token, and the mean embedding of the evidence's tokens (zeros for none).
        """
        suffixes = [self.format.suffix(prompt) for prompt in prompts]
        ids, _, evidence = padded(suffixes, max(len(suffix.ids) for suffix in suffixes), 0)
        text = mean_of(self._embed(ids.to(self.device)), evidence.to(self.device))
        return self.pooled(state)[torch.tensor(rows, device=self.device)], text

    def evidence_ids(self, prompts: Sequence[Prompt]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids of the text evidence (B, L) and of the question (B, L'), −1 where there is no token."""
        suffixes = [self.format.suffix(prompt) for prompt in prompts]
        evidence = [suffix.ids[suffix.first : suffix.last] for suffix in suffixes]
        return id_rows(evidence), id_rows([suffix.ids[slice(*suffix.asked)] for suffix in suffixes])

    def embedded(
        self, image: torch.Tensor, picks: torch.Tensor, text: torch.Tensor, question: torch.Tensor
    ) -> ProbeInput:
        """As probes read them: image tokens (N, I, D), each row's image (B,), ids of ``evidence_ids``."""
        text, question = text.to(self.device), question.to(self.device)
        return ProbeInput(
            image.to(self.device),
            picks.to(self.device),
            self._embed(text.clamp_min(0)),
            text >= 0,
            mean_of(self._embed(question.clamp_min(0)), question >= 0),
        )

    @torch.inference_mode()
    def evidence_tokens(self, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]) -> ProbeInput:
        """What the language model reads of image and text evidence, before it does: see ``ProbeInput``."""
        return self.embedded(state.tokens, torch.tensor(rows), *self.evidence_ids(prompts))

    def image_features(self, state: Any, rows: Sequence[int]) -> torch.Tensor:
        """What tells a usual picture from an unusual one, (B, D): the mean token of the vision tower."""
        features: torch.Tensor = state.tower[torch.tensor(rows, device=self.device)]
        return features

    def corner_key(self, state: Any, row: int, prompt: Prompt, modality: int) -> Hashable:
        """Equal for rows that one modality alone cannot tell apart."""
        suffix = self.format.suffix(prompt)
        if MODALITIES[modality] == "text":
            return suffix
        return row, suffix.ids[: suffix.first], suffix.last, suffix.ids[suffix.last :]

    def read(self, tokens: Sequence[Sequence[int]]) -> tuple[str, ...]:
        """Answers as text, without special tokens and blanks around them."""
        texts = self.processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return tuple(text.strip() for text in texts)

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.embedding(ids)
        return embedded


def stop_tokens(model: Any) -> frozenset[int]:
    """The tokens that end an answer, by the model's generation settings."""
    stops = model.generation_config.eos_token_id
    return frozenset([stops] if isinstance(stops, int) else stops or [])
