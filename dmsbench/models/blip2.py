"""BLIP-2 checkpoints (OPT, Llama or T5 as text model), each image through tower and Q-Former once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Blip2ForConditionalGeneration

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import SUPPORTED_ATTENTION, check_attention, modality_bias
from dmsbench.models.base import MODALITIES, Answers, Image, Prompt
from dmsbench.models.blip2_prompts import Blip2Format
from dmsbench.models.blip2_text import Prefix, Rows, text_model
from dmsbench.models.decoding import answer_mixture, decode
from dmsbench.models.llava import DTYPES, _hash_processor, _hash_weights
from dmsbench.models.loading import load_checkpoint
from dmsbench.models.padding import mean_of, padded

#: The text models whose positions, masks and caches are known to be driven as stock does it.
TEXT_MODELS = ("opt", "llama", "t5")


@dataclass(frozen=True, slots=True)
class Blip2State:
    """N images after vision tower, Q-Former and projection; they do not depend on any question.

    ``tokens`` (N, Q, D): the query tokens as the text model reads them. ``prefix``: their keys and values
    in a decoder-only text model, empty for an encoder-decoder. ``tower`` (N, D'): the vision tower's mean
    token.
    """

    tokens: torch.Tensor
    prefix: Prefix
    tower: torch.Tensor


class Blip2Model:
    """A ``Blip2ForConditionalGeneration`` with its processor; static fusion unless given weights.

    ``checkpoint`` is a folder or a hub id. Generation is greedy; sampling settings of the checkpoint are
    not used. Raises ModelError for a checkpoint that does not load, is no BLIP-2, or has a text model
    other than ``TEXT_MODELS``.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        attention: str = "sdpa",
        revision: str | None = None,
        max_new_tokens: int = 16,
    ) -> None:
        if dtype not in DTYPES:
            raise ModelError(f"unknown dtype '{dtype}': use float32, float16 or bfloat16")
        if attention not in SUPPORTED_ATTENTION:
            raise ModelError(f"attention implementation '{attention}' takes no bias: use sdpa or eager")
        self.processor, self.model = load_checkpoint(
            checkpoint,
            revision or "main",
            DTYPES[dtype],
            attention,
            family="BLIP-2",
            model_class=Blip2ForConditionalGeneration,
            processor_class="Blip2Processor",
        )
        self.model.requires_grad_(False).train(False).to(device)
        self.device = torch.device(device)
        self.checkpoint = str(checkpoint)
        self.dtype = dtype
        self.attention = attention
        self.revision = revision
        self.max_new_tokens = max_new_tokens
        self.language_model = self.model.language_model
        config = self.language_model.config
        if config.model_type not in TEXT_MODELS:
            raise ModelError(
                f"BLIP-2 checkpoint '{checkpoint}' has the text model '{config.model_type}': "
                f"supported are {', '.join(TEXT_MODELS)}"
            )
        check_attention(self.language_model)
        self.text = text_model(self.language_model)
        self.format = Blip2Format(
            self.processor.tokenizer,
            str(self.processor.image_token),
            encoder_decoder=bool(config.is_encoder_decoder),
        )
        # The stock generate hands over to the text model, so it is the text model's settings that count.
        stops = self.language_model.generation_config.eos_token_id
        self.stops = frozenset([stops] if isinstance(stops, int) else stops or [])
        self.weights_hash = _hash_weights(self.model)
        self.processor_hash = _hash_processor(self.processor)
        self.state_key = f"{self.weights_hash}:{self.processor_hash}:{dtype}:{device}:{attention}"

    def settings(self) -> dict[str, Any]:
        """Weights, processor, dtype, prompt format and generation: all that decides the answers."""
        return {
            "family": "blip-2",
            "text_model": self.language_model.config.model_type,
            "weights": self.weights_hash,
            "processor": self.processor_hash,
            "dtype": self.dtype,
            "attention": self.attention,
            "device": self.device.type,
            "prompt": [self.format.before, self.format.after],
            "generation": {
                "method": "greedy",
                "max_new_tokens": self.max_new_tokens,
                "stops": sorted(self.stops),
            },
        }

    def length(self, prompt: Prompt) -> int:
        """Tokens after the image.

        Raises SampleError for a prompt that the model's positions cannot hold; T5's are relative and hold
        any.
        """
        length = len(self.format.suffix(prompt).ids)
        most = getattr(self.language_model.config, "max_position_embeddings", None)
        needed = self.model.config.num_query_tokens + length + self.max_new_tokens
        if most is not None and needed > most:
            raise SampleError(f"the prompt and its answer take {needed} tokens, the model holds {most}")
        return length

    def present(self, prompt: Prompt) -> tuple[bool, bool]:
        """Whether the row has an image and text evidence; an empty context is as absent as a dropped one."""
        suffix = self.format.suffix(prompt)
        return prompt.has_image, prompt.has_text and suffix.first < suffix.last

    @torch.inference_mode()
    def encode(self, images: Sequence[Image]) -> Blip2State:
        """Runs vision tower, Q-Former, projection and prefix once for N images (uint8, H×W×3)."""
        values = self.pixel_values(images).to(self.device, DTYPES[self.dtype])
        tower: list[torch.Tensor] = []
        watched = self.model.vision_model.register_forward_hook(
            lambda _tower, _given, found: tower.append(found.last_hidden_state.mean(dim=1))
        )
        with watched:
            tokens = self.model.get_image_features(values, return_dict=True).pooler_output
        tokens = tokens.to(self._embed(torch.zeros(1, dtype=torch.long, device=self.device)).dtype)
        return Blip2State(tokens, self.text.prefix(tokens), tower[0])

    def pixel_values(self, images: Sequence[Image]) -> torch.Tensor:
        """What the checkpoint's image processor makes of the images, N×3×H×W."""
        # Said outright: a picture one or three pixels high would be taken for channels first.
        values: torch.Tensor = self.processor.image_processor(
            images=list(images), return_tensors="pt", input_data_format="channels_last"
        )["pixel_values"]
        return values

    @torch.inference_mode()
    def answer(
        self,
        state: Blip2State,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Greedy answers to B prompts; ``weights`` (B, M) or None for static."""
        start = self.prefill(state, rows, prompts, weights)
        return decode(self, start, torch.arange(len(rows))[:, None], torch.ones(len(rows), 1))

    @torch.inference_mode()
    def answer_mixture(
        self,
        state: Blip2State,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        points: torch.Tensor,
        shares: torch.Tensor,
    ) -> Answers:
        """Greedy answers under Σ_p shares (B, P) · softmax(logits at points (P, M)); see ``decoding``."""
        return answer_mixture(self, state, rows, prompts, points, shares)

    @torch.inference_mode()
    def prefill(
        self,
        state: Blip2State,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
        *,
        pool: bool = False,
    ) -> Rows:
        """Reads the prompts behind their images' query tokens; the first half of ``answer``."""
        suffixes = [self.format.suffix(prompt) for prompt in prompts]
        width, queries = max(len(suffix.ids) for suffix in suffixes), state.tokens.shape[1]
        ids, real, evidence = padded(suffixes, width, self.processor.tokenizer.pad_token_id or 0)
        bias = modality_bias(weights, torch.tensor([self.present(prompt) for prompt in prompts]))
        key_bias = torch.zeros(len(prompts), queries + width)
        key_bias[:, :queries] = bias[:, :1]
        key_bias[:, queries:] = torch.where(evidence, bias[:, 1:], torch.zeros(()))
        start = self.text.start(
            state.tokens,
            state.prefix,
            torch.tensor(rows, device=self.device),
            ids.to(self.device),
            real.to(self.device),
            key_bias.to(self.device),
            self.max_new_tokens,
        )
        start.text = mean_of(start.states, evidence.to(self.device)) if pool else None
        return start

    def last_hidden(
        self, state: Blip2State, rows: Sequence[int], prompts: Sequence[Prompt], weights: torch.Tensor
    ) -> torch.Tensor:
        """What the first answer token is drawn from under the weights, (B, D)."""
        return self.prefill(state, rows, prompts, weights).hidden

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The output layer over the whole vocabulary, in float32."""
        scores: torch.Tensor = self.language_model.lm_head(hidden)
        return scores.float()

    def outcome_logits(self, hidden: torch.Tensor, outcomes: Sequence[int] | None) -> torch.Tensor:
        """Logits (…, K) of the outcome tokens (the whole vocabulary for None), in float32."""
        if outcomes is None:
            return self.logits(hidden)
        at = torch.tensor(outcomes, device=self.device)
        head = self.language_model.lm_head
        bias = None if head.bias is None else head.bias[at]
        return torch.nn.functional.linear(hidden, head.weight[at], bias).float()

    def first_tokens(self, answers: Sequence[str]) -> tuple[int, ...]:
        """The distinct tokens that the answers begin with, sorted."""
        return tuple(sorted({self.format.first_answer_token(answer) for answer in answers}))

    def embeddings(
        self, state: Blip2State, rows: Sequence[int], prompts: Sequence[Prompt]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and text evidence in the text model's input space, each (B, D).

        The mean projected query token, and the mean embedding of the evidence's tokens (zeros for none).
        """
        suffixes = [self.format.suffix(prompt) for prompt in prompts]
        ids, _, evidence = padded(suffixes, max(len(suffix.ids) for suffix in suffixes), 0)
        text = mean_of(self._embed(ids.to(self.device)), evidence.to(self.device))
        return state.tokens.mean(dim=1)[torch.tensor(rows, device=self.device)], text

    def corner_key(self, row: int, prompt: Prompt, modality: int) -> Hashable:
        """Equal for rows that one modality alone cannot tell apart."""
        suffix = self.format.suffix(prompt)
        if MODALITIES[modality] == "text":
            return suffix
        return row, suffix.ids[: suffix.first], suffix.last, suffix.ids[suffix.last :]

    def image_features(self, state: Blip2State, rows: Sequence[int]) -> torch.Tensor:
        """What tells a usual picture from an unusual one, (B, D): the mean token of the vision tower."""
        return state.tower[torch.tensor(rows, device=self.device)]

    def answer_tokens(self, answer: str) -> tuple[int, ...]:
        """The tokens of an answer right after the prompt."""
        return self.format.answer_tokens(answer)

    def select(self, start: Rows, streams: torch.Tensor) -> None:
        """Goes on with these rows of ``start``, in this order; a row may be taken more than once."""
        start.keep(streams)

    def feed(self, start: Rows, tokens: torch.Tensor) -> None:
        """Gives each row its next token (B,)."""
        start.step(tokens)

    def read(self, tokens: Sequence[Sequence[int]]) -> tuple[str, ...]:
        """Answers as text, without special tokens and blanks around them."""
        texts = self.processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return tuple(text.strip() for text in texts)

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.language_model.get_input_embeddings()(ids)
        return embedded
