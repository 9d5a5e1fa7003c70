"""BLIP-2's text models: what is computed once an image, and rows of prompts answered from it.

A decoder-only model (OPT, Llama) keeps the keys and values of the query tokens; rows go on behind them,
and the modality bias acts on these rows. An encoder-decoder (T5) reads image and text both ways, so nothing
but the projected query tokens can be shared; the bias acts on every row of its encoder and on the decoder's
attention to it. Else the image's rows would carry the text to the decoder after the text's own keys are
gone, and the other way round.
"""

from __future__ import annotations

import contextlib
from typing import Any, Protocol, cast

import torch
from transformers import DynamicCache, EncoderDecoderCache

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import additive_mask
from dmsbench.models.cache import AllKeysKnownError, prefix_cache, row_cache

#: Per layer the keys and values, (N, heads, P, head width).
Prefix = tuple[tuple[torch.Tensor, torch.Tensor], ...]


class Rows(Protocol):
    """B rows under way. ``hidden`` (B, D): what the next token is drawn from.

    ``states`` (B, T, D): what the model made of the prompt's tokens. ``text`` (B, D): their mean over the
    text evidence, where it was asked for.
    """

    hidden: torch.Tensor
    states: torch.Tensor
    text: torch.Tensor | None

    def keep(self, kept: torch.Tensor) -> None:
        """Goes on with the rows ``kept``, in this order; a row may be taken more than once."""

    def step(self, tokens: torch.Tensor) -> None:
        """Takes the token (B,) that each row chose."""


class TextModel(Protocol):
    """The text model behind the query tokens."""

    def prefix(self, tokens: torch.Tensor) -> Prefix:
        """What can be shared by all prompts about N images with the query tokens (N, Q, D)."""

    def start(
        self,
        tokens: torch.Tensor,
        prefix: Prefix,
        picks: torch.Tensor,
        ids: torch.Tensor,
        real: torch.Tensor,
        key_bias: torch.Tensor,
        room: int,
    ) -> Rows:
        """Reads B prompts: row b is about image ``picks[b]``.

        ``ids`` and ``real`` (B, T): the tokens after the image, right-padded, and which are no padding;
        ``key_bias`` (B, Q + T): the modality bias of every key; ``room``: the longest answer in tokens.
        """


class DecoderOnly:
    """OPT or Llama: rows behind the key-value cache of the query tokens."""

    def __init__(self, language_model: Any) -> None:
        self.language_model = language_model

    def prefix(self, tokens: torch.Tensor) -> Prefix:
        """Keys and values of the query tokens; they depend on the image alone."""
        cache = prefix_cache(self.language_model.config)
        with contextlib.suppress(AllKeysKnownError):
            self.language_model.model(inputs_embeds=tokens, past_key_values=cache, use_cache=True)
        return tuple((layer.keys, layer.values) for layer in cast(Any, cache.layers))

    def start(
        self,
        tokens: torch.Tensor,
        prefix: Prefix,
        picks: torch.Tensor,
        ids: torch.Tensor,
        real: torch.Tensor,
        key_bias: torch.Tensor,
        room: int,
    ) -> Rows:
        """Runs the prompts behind their images' prefixes."""
        held, width = tokens.shape[1], ids.shape[1]
        cache = row_cache(prefix, picks, width + room)
        exists = torch.cat([real.new_ones(len(picks), held), real], dim=1)
        rows = _DecoderRows(self.language_model, cache, key_bias, exists, held + real.sum(dim=1))
        at = torch.arange(held, held + width, device=ids.device)
        causal = torch.arange(held + width, device=ids.device)[None, :] <= at[:, None]
        mask = additive_mask(causal[None] & exists[:, None], key_bias[:, None], tokens.dtype)
        hidden = rows.run(ids, mask[:, None], at[None].expand(len(picks), -1))
        rows.states = hidden
        rows.hidden = hidden[torch.arange(len(picks), device=ids.device), real.sum(dim=1) - 1]
        return rows


class _DecoderRows:
    hidden: torch.Tensor
    states: torch.Tensor
    text: torch.Tensor | None = None

    def __init__(
        self,
        language_model: Any,
        cache: DynamicCache,
        key_bias: torch.Tensor,
        exists: torch.Tensor,
        position: torch.Tensor,
    ) -> None:
        self.language_model, self.cache = language_model, cache
        self.key_bias, self.exists, self.position = key_bias, exists, position

    def keep(self, kept: torch.Tensor) -> None:
        self.cache.batch_select_indices(kept)
        self.key_bias, self.exists = self.key_bias[kept], self.exists[kept]
        self.position = self.position[kept]

    def step(self, tokens: torch.Tensor) -> None:
        # The row's own answer is no evidence: its keys are visible and carry no bias.
        self.exists = torch.cat([self.exists, self.exists.new_ones(len(tokens), 1)], dim=1)
        self.key_bias = torch.cat([self.key_bias, self.key_bias.new_zeros(len(tokens), 1)], dim=1)
        mask = additive_mask(self.exists, self.key_bias, self.hidden.dtype)[:, None, None]
        self.hidden = self.run(tokens[:, None], mask, self.position[:, None])[:, -1]
        self.position = self.position + 1

    def run(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        # Positions are given outright: OPT would count them off a 2-D mask.
        hidden: torch.Tensor = self.language_model.model(
            inputs_embeds=self.language_model.get_input_embeddings()(ids),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        return hidden


class EncoderDecoder:
    """T5: the encoder reads query tokens and text together, row by row; the decoder starts afresh.

    Raises ModelError for a checkpoint that does not say what its decoder starts from.
    """

    def __init__(self, language_model: Any) -> None:
        self.language_model = language_model
        settings = language_model.generation_config
        start = settings.decoder_start_token_id
        # As stock does it: the BOS where no other token is named.
        start = settings.bos_token_id if start is None else start
        if start is None:
            raise ModelError("the text model's config has no decoder_start_token_id and no bos_token_id")
        self.first_token = int(start)

    def prefix(self, tokens: torch.Tensor) -> Prefix:
        """Nothing: in an encoder that looks both ways every key depends on the text."""
        return ()

    def start(
        self,
        tokens: torch.Tensor,
        prefix: Prefix,
        picks: torch.Tensor,
        ids: torch.Tensor,
        real: torch.Tensor,
        key_bias: torch.Tensor,
        room: int,
    ) -> Rows:
        """Runs the encoder over image and text, and the decoder's first step."""
        text = self.language_model.get_input_embeddings()(ids)
        exists = torch.cat([real.new_ones(len(picks), tokens.shape[1]), real], dim=1)
        mask = additive_mask(exists, key_bias, tokens.dtype)[:, None, None]
        memory = self.language_model.encoder(
            inputs_embeds=torch.cat([tokens[picks], text], dim=1), attention_mask=mask
        ).last_hidden_state
        rows = _EncodedRows(self.language_model, memory, mask, self.first_token)
        rows.states = memory[:, tokens.shape[1] :]
        return rows


class _EncodedRows:
    hidden: torch.Tensor
    states: torch.Tensor
    text: torch.Tensor | None = None

    def __init__(
        self, language_model: Any, memory: torch.Tensor, mask: torch.Tensor, first_token: int
    ) -> None:
        self.language_model, self.memory, self.mask = language_model, memory, mask
        config = language_model.decoder.config
        self.cache = EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))
        self.step(torch.full((len(memory),), first_token, device=memory.device))

    def keep(self, kept: torch.Tensor) -> None:
        self.cache.batch_select_indices(kept)
        self.memory, self.mask = self.memory[kept], self.mask[kept]

    def step(self, tokens: torch.Tensor) -> None:
        hidden = self.language_model.decoder(
            input_ids=tokens[:, None],
            encoder_hidden_states=self.memory,
            encoder_attention_mask=self.mask,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state[:, -1]
        scaled = self.language_model.config.scale_decoder_outputs
        self.hidden = hidden * self.language_model.model_dim**-0.5 if scaled else hidden


def text_model(language_model: Any) -> TextModel:
    """The text side of a BLIP-2 by what its text model is."""
    return (EncoderDecoder if language_model.config.is_encoder_decoder else DecoderOnly)(language_model)
