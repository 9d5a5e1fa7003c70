"""LLaVA checkpoints, from 0.7 million parameters to many billions, through one image prefix a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from transformers import DynamicCache, LlavaForConditionalGeneration

from dmsbench.data.base import SampleError
from dmsbench.fusion.attention_bias import (
    additive_mask,
    check_attention,
    modality_bias,
)
from dmsbench.models.adapter import Adapter
from dmsbench.models.base import Image, Prompt
from dmsbench.models.cache import row_cache
from dmsbench.models.padding import mean_of, padded
from dmsbench.models.prompts import PromptFormat


@dataclass(frozen=True, slots=True)
class LlavaState:
    """N images after vision tower, projector and the language model's pass over the shared prefix.

    ``cache``: per layer the keys and values, (N, heads, P, head width). ``image``: where the image tokens
    lie among the P. ``pooled`` (N, D): the mean projected image token; ``tower`` (N, D'): the mean token
    that the vision tower gave to the projector.
    """

    cache: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    image: slice
    pooled: torch.Tensor
    tower: torch.Tensor

    @property
    def length(self) -> int:
        """P, the tokens of the prefix."""
        return int(self.cache[0][0].shape[2])


_Layer = tuple[torch.Tensor, torch.Tensor]


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


class LlavaModel(Adapter):
    """A ``LlavaForConditionalGeneration`` with its processor; static fusion unless given weights.

    ``checkpoint`` is a folder or a hub id. Generation is greedy; sampling settings of the checkpoint are
    not used. Raises ModelError for a checkpoint that does not load or is no LLaVA.
    """

    family, family_name = "llava", "LLaVA"
    model_class, processor_class = LlavaForConditionalGeneration, "LlavaProcessor"

    def _take_parts(self) -> None:
        self.language_model = self.model.model.language_model
        check_attention(self.language_model)
        self.head, self.embedding = self.model.lm_head, self.model.get_input_embeddings()
        self.format: PromptFormat = PromptFormat(
            self.processor.tokenizer,
            self.processor.image_token,
            self.processor.apply_chat_template if self.processor.chat_template else None,
        )
        stops = self.model.generation_config.eos_token_id
        self.stops = frozenset([stops] if isinstance(stops, int) else stops or [])
        prefix = "-".join(map(str, self.format.prefix_ids))
        self.state_key = f"{self._identity}:{prefix}"

    def length(self, prompt: Prompt) -> int:
        """Tokens after the image.

        Raises SampleError for a prompt that the model's positions cannot hold: past them it answers noise.
        """
        length = len(self.format.suffix(prompt).ids)
        most = getattr(self.language_model.config, "max_position_embeddings", None)
        needed = (
            length + self.model.config.image_seq_length + len(self.format.prefix_ids) + self.max_new_tokens
        )
        if most is not None and needed > most:
            raise SampleError(f"the prompt and its answer take {needed} tokens, the model holds {most}")
        return length

    @torch.inference_mode()
    def encode(self, images: Sequence[Image]) -> LlavaState:
        """Runs vision tower, projector and prefix once for N images (uint8, H×W×3)."""
        values = self.pixel_values(images).to(self.device, self.model.dtype)
        tower: list[torch.Tensor] = []
        watched = self.model.model.multi_modal_projector.register_forward_pre_hook(
            lambda _projector, given: tower.append(given[0].mean(dim=1))
        )
        with watched:
            features = self.model.get_image_features(values, return_dict=True).pooler_output
        tokens = torch.stack(list(features))
        start = self._embed(torch.tensor([self.format.prefix_ids], device=self.device))
        embeds = torch.cat([start.expand(len(tokens), -1, -1), tokens], dim=1)
        cache = DynamicCache(config=self.language_model.config)
        self.language_model(inputs_embeds=embeds, past_key_values=cache, use_cache=True)
        first = start.shape[1]
        return LlavaState(
            cache=tuple(cast(_Layer, (layer.keys, layer.values)) for layer in cast(Any, cache.layers)),
            image=slice(first, embeds.shape[1]),
            pooled=tokens.mean(dim=1),
            tower=tower[0],
        )

    def pixel_values(self, images: Sequence[Image]) -> torch.Tensor:
        """What the checkpoint's image processor makes of the images, N×3×H×W."""
        processor = self.processor.image_processor
        if _only_scales(processor, images):
            # The same arithmetic for each of the 256 levels; a processor call costs 0.7 ms a picture.
            scaled = (np.arange(256) * float(processor.rescale_factor)).astype(np.float32)
            pixels = np.stack(images)
            channels = [
                ((scaled - np.float32(mean)) / np.float32(std))[pixels[..., channel]]
                for channel, (mean, std) in enumerate(
                    zip(processor.image_mean, processor.image_std, strict=True)
                )
            ]
            return torch.from_numpy(np.stack(channels, axis=1))
        return super().pixel_values(images)

    @torch.inference_mode()
    def prefill(
        self,
        state: LlavaState,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
        *,
        pool: bool = False,
    ) -> Prefill:
        """Runs the prompts behind their images' prefixes; the first half of ``answer``."""
        suffixes = [self.format.suffix(prompt) for prompt in prompts]
        width, prefix = max(len(suffix.ids) for suffix in suffixes), state.length
        ids, real, evidence = padded(suffixes, width, self.processor.tokenizer.pad_token_id or 0)
        present = torch.tensor([self.present(prompt) for prompt in prompts])
        bias = modality_bias(weights, present)
        key_bias = torch.zeros(len(prompts), prefix + width)
        key_bias[:, state.image] = bias[:, :1]
        key_bias[:, prefix:] = torch.where(evidence, bias[:, 1:], torch.zeros(()))
        exists = torch.cat([torch.ones(len(prompts), prefix, dtype=torch.bool), real], dim=1)
        key_bias, exists = key_bias.to(self.device), exists.to(self.device)
        at = torch.arange(prefix, prefix + width, device=self.device)
        causal = torch.arange(prefix + width, device=self.device)[None, :] <= at[:, None]
        mask = additive_mask(causal[None] & exists[:, None], key_bias[:, None], self.model.dtype)
        picks = torch.tensor(rows, device=self.device)
        cache = row_cache(state.cache, picks, width + self.max_new_tokens)
        hidden = self.language_model(
            inputs_embeds=self._embed(ids.to(self.device)),
            attention_mask=mask[:, None],
            position_ids=at[None].expand(len(prompts), -1),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        lengths = real.sum(dim=1).to(self.device)
        last = hidden[torch.arange(len(prompts), device=self.device), lengths - 1]
        text = mean_of(hidden, evidence.to(self.device)) if pool else None
        return Prefill(last, cache, key_bias, exists, prefix + lengths, text)

    def pooled(self, state: LlavaState) -> torch.Tensor:
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


def _only_scales(processor: Any, images: Sequence[Image]) -> bool:
    """Whether the processor would only rescale and normalise: the images have its size already."""
    size = getattr(processor, "size", None) or {}
    crop = getattr(processor, "crop_size", None) or {}
    side = images[0].shape[0]
    return (
        type(processor).__name__ == "CLIPImageProcessorPil"
        and all(image.shape == (side, side, 3) for image in images)
        and dict(size) == {"shortest_edge": side}
        and (not processor.do_center_crop or dict(crop) == {"height": side, "width": side})
        and bool(processor.do_rescale and processor.do_normalize)
    )
