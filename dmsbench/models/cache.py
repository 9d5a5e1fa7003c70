"""The key-value cache of a batch of rows, each behind its image's prefix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

#: A cache that is too small becomes this many times as large.
GROWTH = 1.25


class RowLayer(DynamicLayer):
    """One layer's cache with room for the rows' own tokens.

    A growing cache copies everything at each growth, the shared prefix first of all. Here the prefix is
    gathered once, straight to its place, and new keys and values are written behind it.
    """

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, picks: torch.Tensor, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lazy_initialization(keys, values)
        self.used = keys.shape[2]
        self.keys, self.values = (_gathered(source, picks, room) for source in (keys, values))

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds keys and values (B, heads, T, head width); returns all so far. Grows where room is short."""
        until = self.used + key_states.shape[2]
        if until > self.keys.shape[2]:
            room = max(until, int(self.keys.shape[2] * GROWTH))
            self.keys, self.values = _grown(self.keys, room), _grown(self.values, room)
        self.keys[:, :, self.used : until] = key_states
        self.values[:, :, self.used : until] = value_states
        self.used = until
        return self.keys[:, :, :until], self.values[:, :, :until]

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Goes on with these rows (B,)."""
        super().batch_select_indices(indices.to(self.keys.device))

    def get_seq_length(self) -> int:
        """Tokens held so far."""
        return self.used


class AllKeysKnownError(Exception):
    """The last layer's keys and values are known: what follows of the pass would be thrown away."""


class _Last(DynamicLayer):
    """Ends a model's pass as soon as it holds this layer's keys and values."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        super().update(key_states, value_states, *args, **kwargs)
        raise AllKeysKnownError


def prefix_cache(config: Any) -> DynamicCache:
    """An empty cache for a pass that is made for its keys and values alone.

    The pass ends with AllKeysKnownError: attention and everything behind it in the last layer is saved. Where
    the last layer keeps a cache of another kind the pass is run to its end.
    """
    cache = DynamicCache(config=config)
    if cache.layers and type(cache.layers[-1]) is DynamicLayer:
        cache.layers[-1] = _Last()  # type: ignore[no-untyped-call]
    return cache


def row_cache(
    prefix: Sequence[tuple[torch.Tensor, torch.Tensor]], picks: torch.Tensor, room: int
) -> DynamicCache:
    """The cache of B rows: row b starts with the prefix of image ``picks[b]`` and may add ``room`` tokens.

    ``prefix``: per layer keys and values, (N, heads, P, head width).
    """
    cache = DynamicCache()
    cache.layers = [RowLayer(keys, values, picks, room) for keys, values in prefix]
    return cache


def _gathered(source: torch.Tensor, picks: torch.Tensor, room: int) -> torch.Tensor:
    _, heads, length, width = source.shape
    held = source.new_empty(len(picks), heads, length + room, width)
    # The layers of a spread model lie on devices of their own, and their keys with them.
    torch.index_select(source, 0, picks.to(source.device), out=held[:, :, :length])
    return held


def _grown(held: torch.Tensor, room: int) -> torch.Tensor:
    rows, heads, length, width = held.shape
    larger = held.new_empty(rows, heads, room, width)
    larger[:, :, :length] = held
    return larger
