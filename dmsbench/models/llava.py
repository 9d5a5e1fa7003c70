"""LLaVA checkpoints, from 0.7 million parameters to many billions, through one image prefix a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import LlavaForConditionalGeneration

from dmsbench.fusion.attention_bias import check_attention
from dmsbench.models.adapter import stop_tokens
from dmsbench.models.base import Image, Prompt
from dmsbench.models.placing import to_device
from dmsbench.models.prefixed import PrefixAdapter, PrefixState
from dmsbench.models.prompts import PromptFormat


class LlavaModel(PrefixAdapter):
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
        self.stops = stop_tokens(self.model)
        prefix = "-".join(map(str, self.format.prefix_ids))
        self.state_key = f"{self._identity}:{prefix}"

    def length(self, prompt: Prompt) -> int:
        """Tokens after the image.

        Raises SampleError for a prompt that the model's positions cannot hold: past them it answers noise.
        """
        length = len(self.format.suffix(prompt).ids)
        self._check_positions(length + self.model.config.image_seq_length + len(self.format.prefix_ids))
        return length

    @torch.inference_mode()
    def encode(self, images: Sequence[Image]) -> PrefixState:
        """Runs vision tower, projector and prefix once for N images (uint8, H×W×3)."""
        values = to_device(self.pixel_values(images), self.device, self.loaded.torch_dtype)
        tower: list[torch.Tensor] = []
        watched = self.model.model.multi_modal_projector.register_forward_pre_hook(
            lambda _projector, given: tower.append(given[0].mean(dim=1))
        )
        with watched:
            features = self.model.get_image_features(values, return_dict=True).pooler_output
        tokens = torch.stack(list(features))
        start = self._embed(torch.tensor([self.format.prefix_ids], device=self.device))
        embeds = torch.cat([start.expand(len(tokens), -1, -1), tokens], dim=1)
        exists = torch.ones(embeds.shape[:2], dtype=torch.bool)
        image = exists.clone()
        image[:, : start.shape[1]] = False
        return PrefixState(
            cache=self._run_prefixes(embeds),
            exists=exists,
            image=image,
            next_position=exists.sum(dim=1),
            tokens=tokens,
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
