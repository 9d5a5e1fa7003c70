"""The seam in decoder-only models: rows of prompts behind the key-value cache of their images' prefixes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from transformers import DynamicCache

from dmsbench.data.base import SampleError
from dmsbench.fusion.attention_bias import additive_mask, modality_bias
from dmsbench.models.adapter import Adapter
from dmsbench.models.base import Image, Prompt
from dmsbench.models.cache import row_cache
from dmsbench.models.padding import mean_of, padded

_Layer = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class PrefixState:
    """N images after vision tower, projector and the language model's pass over the prefix.

    ``cache``: per layer the keys and values, (N, heads, P, head width), P being the longest prefix.
    ``exists`` (N, P) bool: the tokens of each prefix, which come first; ``image`` (N, P) bool: those that
    carry the image. ``next_position`` (N,): the position of the first token behind. These three are on the
    CPU. ``pooled`` (N, D): the mean projected image token; ``tower`` (N, D'): the mean token that the
    vision tower gave to the projector.
    """

    cache: tuple[_Layer, ...]
    exists: torch.Tensor
    image: torch.Tensor
    next_position: torch.Tensor
    pooled: torch.Tensor
    tower: torch.Tensor


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


class PrefixAdapter(Adapter):
    """An adapter whose prompts stand behind their image, each token seeing only those before it.

    Keys and values of the prefix then depend on the image alone. Prefixes may have unlike lengths: behind a
    shorter one there are keys that do not exist.
    """

    @abstractmethod
    def length(self, prompt: Prompt) -> int:
        """Tokens after the image; raises SampleError for a prompt that the model's positions cannot hold."""

    @abstractmethod
    def encode(self, images: Sequence[Image]) -> PrefixState:
        """Runs vision tower, projector and prefix once for N images (uint8, H×W×3)."""

    def _run_prefixes(
        self, embeds: torch.Tensor, positions: torch.Tensor | None = None
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
        """Keys and values of the prefixes (N, P, D), by layer; whatever stands behind a prefix is unseen."""
        cache = DynamicCache(config=self.language_model.config)
        given = {} if positions is None else {"position_ids": positions}
        self.language_model(inputs_embeds=embeds, past_key_values=cache, use_cache=True, **given)
        return tuple(cast(_Layer, (layer.keys, layer.values)) for layer in cast(Any, cache.layers))

    @torch.inference_mode()
    def prefill(
        self,
        state: PrefixState,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
        *,
        pool: bool = False,
    ) -> Prefill:
        """Runs the prompts behind their images' prefixes; the first half of ``answer``.

        Raises SampleError for prompts that the model's positions cannot hold behind these images.
        """
        suffixes = [self.format.suffix(prompt) for prompt in prompts]
        width, prefix = max(len(suffix.ids) for suffix in suffixes), state.exists.shape[1]
        ids, real, evidence = padded(suffixes, width, self.processor.tokenizer.pad_token_id or 0)
        present = torch.tensor([self.present(prompt) for prompt in prompts])
        bias = modality_bias(weights, present)
        none = torch.zeros(())
        which = torch.tensor(rows)
        key_bias = torch.cat(
            [
                torch.where(state.image[which], bias[:, :1], none),
                torch.where(evidence, bias[:, 1:], none),
            ],
            dim=1,
        )
        exists = torch.cat([state.exists[which], real], dim=1)
        first, lengths = state.next_position[which], real.sum(dim=1)
        self._check_positions(int((first + lengths).max()))
        key_bias, exists = key_bias.to(self.device), exists.to(self.device)
        at = torch.arange(prefix, prefix + width, device=self.device)
        causal = torch.arange(prefix + width, device=self.device)[None, :] <= at[:, None]
        mask = additive_mask(causal[None] & exists[:, None], key_bias[:, None], self.model.dtype)
        cache = row_cache(state.cache, which.to(self.device), width + self.max_new_tokens)
        hidden = self.language_model(
            inputs_embeds=self._embed(ids.to(self.device)),
            attention_mask=mask[:, None],
            position_ids=(first[:, None] + torch.arange(width)).to(self.device),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        last = hidden[torch.arange(len(prompts), device=self.device), lengths.to(self.device) - 1]
        text = mean_of(hidden, evidence.to(self.device)) if pool else None
        return Prefill(last, cache, key_bias, exists, (first + lengths).to(self.device), text)

    def pooled(self, state: PrefixState) -> torch.Tensor:
        """The mean projected image token, (N, D)."""
        return state.pooled

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
        start.hidden = self.language_model(
            inputs_embeds=self._embed(tokens[:, None]),
            attention_mask=additive_mask(start.exists, start.key_bias, self.model.dtype)[:, None, None],
            position_ids=start.next_position[:, None],
            past_key_values=start.cache,
            use_cache=True,
        ).last_hidden_state[:, -1]
        start.next_position = start.next_position + 1

    def _check_positions(self, prompt: int) -> None:
        """Raises SampleError where image, prompt and answer take more positions than the model has."""
        most = getattr(self.language_model.config, "max_position_embeddings", None)
        needed = prompt + self.max_new_tokens
        if most is not None and needed > most:
            raise SampleError(f"the prompt and its answer take {needed} tokens, the model holds {most}")
