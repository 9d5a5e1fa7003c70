"""The seam in decoder-only models: rows of prompts behind the key-value cache of their images' prefixes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from transformers import DynamicCache

from dmsbench.fusion.attention_bias import additive_mask, modality_bias
from dmsbench.models.base import Image, Prompt
from dmsbench.models.cache import row_cache
from dmsbench.models.decoder import DecoderAdapter, Prefill
from dmsbench.models.padding import mean_of, padded

_Layer = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class PrefixState:
    """N images after vision tower, projector and the language model's pass over the prefix.

    ``cache``: per layer the keys and values, (N, heads, P, head width), P being the longest prefix.
    ``exists`` (N, P) bool: the tokens of each prefix, which come first; ``image`` (N, P) bool: those that
    carry the image. ``next_position`` (N,): the position of the first token behind. These three are on the
    CPU. ``pooled`` (N, D): the mean projected image token; ``tower`` (N, D'): the mean token that the
    vision tower gave to the projector. ``tokens`` (N, I, D): the projected image tokens, where every image
    has as many.
    """

    cache: tuple[_Layer, ...]
    exists: torch.Tensor
    image: torch.Tensor
    next_position: torch.Tensor
    pooled: torch.Tensor
    tower: torch.Tensor
    tokens: torch.Tensor | None = None


class PrefixAdapter(DecoderAdapter):
    """An adapter whose prompts stand behind their image, each token seeing only those before it.

    Keys and values of the prefix then depend on the image alone. Prefixes may have unlike lengths: behind a
    shorter one there are keys that do not exist.
    """

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
        mask = additive_mask(causal[None] & exists[:, None], key_bias[:, None], self.loaded.torch_dtype)
        cache = row_cache(state.cache, which.to(self.device), width + self.max_new_tokens)
        positions = first[:, None] + torch.arange(width)
        hidden = self._run(self._embed(ids.to(self.device)), mask, positions.to(self.device), cache)
        last = hidden[torch.arange(len(prompts), device=self.device), lengths.to(self.device) - 1]
        text = mean_of(hidden, evidence.to(self.device)) if pool else None
        return Prefill(last, cache, key_bias, exists, (first + lengths).to(self.device), text)

    def corner_key(self, state: PrefixState, row: int, prompt: Prompt, modality: int) -> Hashable:
        """Equal for rows that one modality alone cannot tell apart.

        However much of an image is masked, its length parts the text from the template before it.
        """
        return int(state.next_position[row]), super().corner_key(state, row, prompt, modality)

    def pooled(self, state: PrefixState) -> torch.Tensor:
        """The mean projected image token, (N, D)."""
        return state.pooled
