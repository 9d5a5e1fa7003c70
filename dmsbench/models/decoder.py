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
    """S streams after their prompts: what the first answer token is drawn from, and the state to go on from.

    A stream is in ``pack[s]`` (S,) of the cache's G sequences, of whose K keys it sees ``exists`` (S, K) and
    adds ``key_bias`` (S, K) to their logits. Streams of one pack share its keys and do not see each other.
    """

    hidden: torch.Tensor
    cache: DynamicCache
    key_bias: torch.Tensor
    exists: torch.Tensor
    next_position: torch.Tensor
    pack: torch.Tensor
    packs: int
    #: The mean last hidden state over the text evidence's tokens (S, D), where it was asked for.
    text: torch.Tensor | None = None


class DecoderAdapter(Adapter):
    """An adapter whose text model reads image, prompt and answer as one sequence."""

    def select(self, start: Prefill, streams: torch.Tensor) -> None:
        """Goes on with these streams of ``start``, in this order; a stream may be taken more than once."""
        start.key_bias, start.exists = start.key_bias[streams], start.exists[streams]
        start.next_position = start.next_position[streams]
        start.pack = start.pack[streams]
        used, places = torch.unique(start.pack, return_inverse=True)
        # An idle pack costs a step what a busy one costs; taking it out copies all that stay.
        if 2 * len(used) <= start.packs:
            start.cache.batch_select_indices(used)
            start.pack, start.packs = places, len(used)

    def feed(self, start: Prefill, tokens: torch.Tensor) -> None:
        """Gives each stream its next token (S,)."""
        place, width = _side_by_side(start.pack)
        at = start.pack, place
        own = torch.nn.functional.one_hot(place, width).bool()
        start.exists = torch.cat([start.exists, own], dim=1)
        start.key_bias = torch.cat([start.key_bias, start.key_bias.new_zeros(own.shape)], dim=1)
        seen = additive_mask(start.exists, start.key_bias, self.loaded.torch_dtype)
        ids, positions = tokens.new_zeros(2, start.packs, width)
        ids[at], positions[at] = tokens, start.next_position
        mask = seen.new_zeros(start.packs, width, seen.shape[1])
        mask[at] = seen
        start.hidden = self._run(self._embed(ids), mask, positions, start.cache)[at]
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


def _side_by_side(pack: torch.Tensor) -> tuple[torch.Tensor, int]:
    """A place for each stream (S,), none twice in a pack, and how many places that takes."""
    order = torch.argsort(pack, stable=True)
    ranked = pack[order]
    place = torch.empty_like(pack)
    place[order] = torch.arange(len(pack), device=pack.device) - torch.searchsorted(ranked, ranked)
    return place, int(place.max()) + 1
