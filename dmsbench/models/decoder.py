"""Adapters of decoder-only models: the additive mask, and rows that take their answers token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from dmsbench.data.base import SampleError
from dmsbench.fusion.attention_bias import additive_mask
from dmsbench.models.adapter import Adapter


@dataclass(slots=True)
class Prefill:
    """B rows after their prompts: what the first answer token is drawn from, and the state to go on from."""

    hidden: torch.Tensor
    cache: DynamicCache
    key_bias: torch.Tensor
    exists: torch.Tensor
    next_position: torch.Tensor
    #: The mean last hidden state over the text evidence's tokens (B, D), where it was asked for.
    text: torch.Tensor | None = None


class DecoderAdapter(Adapter):
    """An adapter whose text model reads image, prompt and answer as one sequence."""

    def select(self, start: Prefill, streams: torch.Tensor) -> None:
        """Goes on with these rows of ``start``, in this order; a row may be taken more than once."""
        start.cache.batch_select_indices(streams)
        start.key_bias, start.exists = start.key_bias[streams], start.exists[streams]
        start.next_position = start.next_position[streams]

    def feed(self, start: Prefill, tokens: torch.Tensor) -> None:
        """Gives each row its next token (B,)."""
        one = torch.ones(len(tokens), 1, dtype=torch.bool, device=self.device)
        start.exists = torch.cat([start.exists, one], dim=1)
        start.key_bias = torch.cat([start.key_bias, torch.zeros(one.shape, device=self.device)], dim=1)
        mask = additive_mask(start.exists, start.key_bias, self.loaded.torch_dtype)[:, None]
        start.hidden = self._run(
            self._embed(tokens[:, None]), mask, start.next_position[:, None], start.cache
        )[:, -1]
        start.next_position = start.next_position + 1

    def _run(
        self, embeds: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        """The last hidden states (B, T, D) of embedded tokens (B, T, D) behind the cache.

        ``mask`` (B, T, K): what is added to the attention logits; ``positions`` (B, T).
        """
        hidden: torch.Tensor = self.language_model(
            inputs_embeds=embeds,
            attention_mask=self._by_layer(mask[:, None]),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return hidden

    def _by_layer(self, mask: torch.Tensor) -> Any:
        """The mask (B, 1, T, K) as the text model takes it."""
        return mask

    def _check_positions(self, prompt: int) -> None:
        """Raises SampleError where image, prompt and answer take more positions than the model has."""
        most = getattr(self.language_model.config, "max_position_embeddings", None)
        needed = prompt + self.max_new_tokens
        if most is not None and needed > most:
            raise SampleError(f"the prompt and its answer take {needed} tokens, the model holds {most}")
