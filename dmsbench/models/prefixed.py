"""The seam in decoder-only models: rows of prompts behind the key-value cache of their images' prefixes."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from dmsbench.fusion.attention_bias import additive_mask, modality_bias
from dmsbench.models.base import Image, Prompt
from dmsbench.models.cache import AllKeysKnownError, prefix_cache, row_cache
from dmsbench.models.decoder import DecoderAdapter, Prefill
from dmsbench.models.packs import Packs, packed
from dmsbench.models.padding import mean_of, padded

_Layer = tuple[torch.Tensor, torch.Tensor]
#: Answer tokens that a cache of several rows has room for before it grows.
STEPS_AT_ONCE = 8


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
        cache = prefix_cache(self.language_model.config)
        given = {} if positions is None else {"position_ids": positions}
        with contextlib.suppress(AllKeysKnownError):
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
        which = torch.tensor(rows)
        first, lengths = state.next_position[which], real.sum(dim=1)
        self._check_positions(int((first + lengths).max()))
        packs = packed(rows, lengths.tolist(), prefix)
        row, token = real.nonzero(as_tuple=True)
        place = packs.offset[row] + token
        exists = torch.cat([state.exists[which], real.new_zeros(len(rows), packs.width)], dim=1)
        key_bias = torch.where(state.image[which], bias[:, :1], torch.zeros(()))
        key_bias = torch.cat([key_bias, key_bias.new_zeros(len(rows), packs.width)], dim=1)
        exists[row, prefix + place] = True
        key_bias[row, prefix + place] = torch.where(evidence, bias[:, 1:], torch.zeros(()))[row, token]
        at = packs.pack[row], place
        # Places without a token are some row's: what they see is finite, and nobody looks at them.
        whose = torch.zeros(len(packs), packs.width, dtype=torch.long)
        positions = torch.zeros_like(whose)
        whose[at], positions[at] = row, first[row] + token
        exists, key_bias, whose, row, token = self._on_device(exists, key_bias, whose, row, token)
        ahead = torch.arange(prefix + packs.width, device=self.device)
        causal = ahead <= ahead[prefix:, None]
        mask = additive_mask(causal & exists[whose], key_bias[whose], self.loaded.torch_dtype)
        embedded = self._embed(ids.to(self.device))
        at = at[0].to(self.device), at[1].to(self.device)
        tokens = embedded.new_zeros(*whose.shape, embedded.shape[-1])
        tokens[at] = embedded[row, token]
        cache = row_cache(state.cache, packs.images.to(self.device), self._room(packs))
        hidden = self._run(tokens, mask, positions.to(self.device), cache)
        pack, offset, lengths = self._on_device(packs.pack, packs.offset, lengths)
        last = hidden[pack, offset + lengths - 1]
        text = None
        if pool:
            spread = hidden.new_zeros(*embedded.shape[:2], hidden.shape[-1])
            spread[row, token] = hidden[at]
            text = mean_of(spread, evidence.to(self.device))
        following = first.to(self.device) + lengths
        return Prefill(last, cache, key_bias, exists, following, pack, len(packs), text)

    def _room(self, packs: Packs) -> int:
        """Places for the rows' own tokens: where many rows share a cache most answers end early."""
        abreast = int(torch.bincount(packs.pack).max())
        steps = self.max_new_tokens if abreast == 1 else min(self.max_new_tokens, STEPS_AT_ONCE)
        return packs.width + abreast * steps

    def _on_device(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(tensor.to(self.device) for tensor in tensors)

    def corner_key(self, state: PrefixState, row: int, prompt: Prompt, modality: int) -> Hashable:
        """Equal for rows that one modality alone cannot tell apart.

        However much of an image is masked, its length parts the text from the template before it.
        """
        return int(state.next_position[row]), super().corner_key(state, row, prompt, modality)

    def pooled(self, state: PrefixState) -> torch.Tensor:
        """The mean projected image token, (N, D)."""
        return state.pooled
