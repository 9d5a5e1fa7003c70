"""Qwen2-VL and Qwen2.5-VL checkpoints: image tokens by the picture's size, positions in three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2VLForConditionalGeneration

from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import check_attention
from dmsbench.models.adapter import stop_tokens
from dmsbench.models.base import Image, Prompt
from dmsbench.models.placing import to_device
from dmsbench.models.prefixed import PrefixAdapter, PrefixState
from dmsbench.models.prompts import PromptFormat


class Qwen2VlModel(PrefixAdapter):
    """A ``Qwen2VLForConditionalGeneration``; static fusion unless given weights.

    A token has a position in time, height and width (M-RoPE, arXiv:2409.12191): image tokens lie on a grid,
    text behind it counts on from the grid's longer side in all three. Pictures of one call may have unlike
    sizes. Raises ModelError for a checkpoint that does not load, is of another type, or attends through a
    sliding window, within which prefixes of unlike length would see unlike parts of the prompt.
    """

    family, family_name = "qwen2_vl", "Qwen2-VL"
    model_class: Any = Qwen2VLForConditionalGeneration
    processor_class = None

    format: PromptFormat

    def _take_parts(self) -> None:
        self.language_model = self.model.model.language_model
        if self.language_model.has_sliding_layers:
            raise ModelError(
                f"{self.family_name} checkpoint '{self.checkpoint}' attends through a sliding window, which "
                "takes no modality bias: set use_sliding_window to false in its config.json"
            )
        check_attention(self.language_model)
        self.head, self.embedding = self.model.lm_head, self.model.get_input_embeddings()
        tokenizer = self.processor.tokenizer
        image_token = str(tokenizer.convert_ids_to_tokens(self.model.config.image_token_id))
        self.format = PromptFormat(tokenizer, image_token, self.processor.apply_chat_template)
        self.stops = stop_tokens(self.model)
        prefix = "-".join(map(str, self.format.prefix_ids))
        self.state_key = f"{self._identity}:{prefix}"

    def length(self, prompt: Prompt) -> int:
        """Tokens after the image.

        Raises SampleError for a prompt that the model's positions cannot hold even behind the smallest
        picture; how many tokens a picture has is known in ``prefill`` only.
        """
        length = len(self.format.suffix(prompt).ids)
        self._check_positions(length + len(self.format.prefix_ids) + 1)
        return length

    @torch.inference_mode()
    def encode(self, images: Sequence[Image]) -> PrefixState:
        """Runs vision tower, merger and prefix once for N images (uint8, H×W×3)."""
        # Said outright: a picture one or three pixels high would be taken for channels first.
        made = self.processor.image_processor(
            images=list(images), return_tensors="pt", input_data_format="channels_last"
        )
        grids = made["image_grid_thw"]
        tower: list[torch.Tensor] = []
        watched = self.model.model.visual.merger.register_forward_pre_hook(
            lambda _merger, given: tower.append(given[0])
        )
        with watched:
            tokens = self.model.model.get_image_features(
                to_device(made["pixel_values"], self.device, self.loaded.torch_dtype),
                grids.to(self.device),
                return_dict=True,
            ).pooler_output
        start = self.format.prefix_ids
        ids = pad_sequence(
            [torch.tensor([*start, *[self.format.image_id] * len(each)]) for each in tokens],
            batch_first=True,
        )
        at = torch.arange(ids.shape[1])
        exists = at < torch.tensor([[len(start) + len(each)] for each in tokens])
        image = exists & (at >= len(start))
        # The stock arithmetic: 1 marks image tokens.
        positions, _ = self.model.model.get_rope_index(
            ids, mm_token_type_ids=image.int(), image_grid_thw=grids, attention_mask=exists.long()
        )
        embeds = self._embed(ids.to(self.device))
        read = torch.cat(list(tokens)).to(embeds.dtype)
        embeds = embeds.masked_scatter(image.to(self.device)[:, :, None], read)
        patches = grids.prod(dim=1).tolist()
        return PrefixState(
            cache=self._run_prefixes(embeds, positions.to(self.device)),
            exists=exists,
            image=image,
            next_position=positions.masked_fill(~exists, -1).amax(dim=(0, 2)) + 1,
            pooled=torch.stack([each.mean(dim=0) for each in tokens]),
            tower=torch.stack([each.mean(dim=0) for each in tower[0].split(patches)]),
        )


class Qwen25VlModel(Qwen2VlModel):
    """A ``Qwen2_5_VLForConditionalGeneration``: another vision tower, the rest as in Qwen2-VL."""

    family, family_name = "qwen2_5_vl", "Qwen2.5-VL"
    model_class = Qwen2_5_VLForConditionalGeneration
