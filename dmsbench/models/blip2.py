"""BLIP-2 checkpoints (OPT, Llama or T5 as text model), each image through tower and Q-Former once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Blip2ForConditionalGeneration

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import check_attention, modality_bias
from dmsbench.models.adapter import Adapter, stop_tokens
from dmsbench.models.base import Image, Prompt
from dmsbench.models.blip2_prompts import Blip2Format
from dmsbench.models.blip2_text import Prefix, Rows, text_model
from dmsbench.models.padding import bias_of_keys, mean_of, padded
from dmsbench.models.placing import to_device

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


class Blip2Model(Adapter):
    """A ``Blip2ForConditionalGeneration`` with its processor; static fusion unless given weights.

    ``checkpoint`` is a folder or a hub id. Generation is greedy; sampling settings of the checkpoint are
    not used. Raises ModelError for a checkpoint that does not load, is no BLIP-2, or has a text model
    other than ``TEXT_MODELS``.
    """

    family, family_name = "blip-2", "BLIP-2"
    model_class, processor_class = Blip2ForConditionalGeneration, "Blip2Processor"

    def _take_parts(self) -> None:
        self.language_model = self.model.language_model
        config = self.language_model.config
        if config.model_type not in TEXT_MODELS:
            raise ModelError(
                f"BLIP-2 checkpoint '{self.checkpoint}' has the text model '{config.model_type}': "
                f"supported are {', '.join(TEXT_MODELS)}"
            )
        check_attention(self.language_model)
        self.head, self.embedding = self.language_model.lm_head, self.language_model.get_input_embeddings()
        self.text = text_model(self.language_model)
        self.format = Blip2Format(
            self.processor.tokenizer,
            str(self.processor.image_token),
            encoder_decoder=bool(config.is_encoder_decoder),
        )
        # The stock generate hands over to the text model, so it is the text model's settings that count.
        self.stops = stop_tokens(self.language_model)
        self.state_key = self._identity

    def settings(self) -> dict[str, Any]:
        """Those of every adapter, and which text model it is."""
        return {**super().settings(), "text_model": self.language_model.config.model_type}

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

    @torch.inference_mode()
    def encode(self, images: Sequence[Image]) -> Blip2State:
        """Runs vision tower, Q-Former, projection and prefix once for N images (uint8, H×W×3)."""
        values = to_device(self.pixel_values(images), self.device, self.loaded.torch_dtype)
        tower: list[torch.Tensor] = []
        watched = self.model.vision_model.register_forward_hook(
            lambda _tower, _given, found: tower.append(found.last_hidden_state.mean(dim=1))
        )
        with watched:
            tokens = self.model.get_image_features(values, return_dict=True).pooler_output
        tokens = tokens.to(self._embed(torch.zeros(1, dtype=torch.long, device=self.device)).dtype)
        return Blip2State(tokens, self.text.prefix(tokens), tower[0])

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
        key_bias = bias_of_keys(bias, queries, evidence)
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

    def pooled(self, state: Blip2State) -> torch.Tensor:
        """The mean query token, (N, D)."""
        return state.tokens.mean(dim=1)

    def select(self, start: Rows, streams: torch.Tensor) -> None:
        """Goes on with these rows of ``start``, in this order; a row may be taken more than once."""
        start.keep(streams)

    def feed(self, start: Rows, tokens: torch.Tensor) -> None:
        """Gives each row its next token (B,)."""
        start.step(tokens)
