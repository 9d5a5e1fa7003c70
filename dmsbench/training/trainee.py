"""What the recipe of scenes needs of the model that it trains, a small LLaVA or a small BLIP-2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import (
    Blip2ForConditionalGeneration,
    LlavaForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from dmsbench.data.scenes.world import Scene
from dmsbench.training.architecture import IMAGE_SIZE, PATCH_SIZE, build_model, build_processor
from dmsbench.training.blip2_architecture import QUERIES, build_blip2, build_blip2_processor
from dmsbench.training.packing import BLIP2, LLAVA, Template
from dmsbench.training.saving import save
from dmsbench.training.scene_stream import patch_labels, place_labels


class Trainee(Protocol):
    """A model in training, with its tokenizer.

    ``name``: of its checkpoint. ``language``: the decoder without its ``head``; it reads ``image_tokens``
    vectors a picture. ``vision``: how names of parameters begin that see pictures, all of them, and those
    of them that are only tuned once the language model is asked.
    """

    name: ClassVar[str]
    template: ClassVar[Template]
    image_tokens: ClassVar[int]
    vision: ClassVar[tuple[str, ...]]
    tuned: ClassVar[tuple[str, ...]]

    model: Any
    tokenizer: PreTrainedTokenizerFast

    @property
    def language(self) -> nn.Module:
        """The decoder, from vectors to last hidden states."""

    @property
    def head(self) -> nn.Module:
        """From hidden states to logits."""

    def seen(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What stage 1 trains to lie near words, each (N, some, width); the image tokens first."""

    def labels(self, scenes: Sequence[Scene]) -> tuple[npt.NDArray[np.int64], ...]:
        """What each vector of ``seen`` should show, each (N, as many, 5), as in ``patch_labels``."""

    def save(self, out: Path, facts: Mapping[str, Any]) -> None:
        """Writes the checkpoint with its processor, as ``saving.save``."""


_Trained = TypeVar("_Trained", bound="_Checkpoint")


class _Checkpoint:
    """A model with its tokenizer, and how both are loaded."""

    model_class: ClassVar[Any]

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model: Any = model
        self.tokenizer = tokenizer

    @classmethod
    def load(cls: type[_Trained], folder: Path) -> _Trained:
        """A saved checkpoint, in float32."""
        model = cls.model_class.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        return cls(model, PreTrainedTokenizerFast.from_pretrained(folder))


class LlavaTrainee(_Checkpoint):
    """The small LLaVA: a token a patch."""

    model_class: ClassVar[Any] = LlavaForConditionalGeneration
    name: ClassVar[str] = "tiny-llava-scenes"
    template: ClassVar[Template] = LLAVA
    image_tokens: ClassVar[int] = (IMAGE_SIZE // PATCH_SIZE) ** 2
    vision: ClassVar[tuple[str, ...]] = ("model.vision_tower.", "model.multi_modal_projector.")
    tuned: ClassVar[tuple[str, ...]] = ("model.vision_tower.",)

    @classmethod
    def untrained(cls, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlavaTrainee:
        """All weights drawn from ``seed``."""
        return cls(build_model(tokenizer, seed), tokenizer)

    @property
    def language(self) -> nn.Module:
        """The decoder, from vectors to last hidden states."""
        found: nn.Module = self.model.model.language_model
        return found

    @property
    def head(self) -> nn.Module:
        """From hidden states to logits."""
        found: nn.Module = self.model.lm_head
        return found

    def seen(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The image tokens."""
        return (torch.stack(list(self.model.get_image_features(pixels, return_dict=True).pooler_output)),)

    def labels(self, scenes: Sequence[Scene]) -> tuple[npt.NDArray[np.int64], ...]:
        """What each patch shows."""
        return (patch_labels(scenes),)

    def fresh_vision(self, seed: int) -> None:
        """Draws tower and projector anew."""
        other = build_model(self.tokenizer, seed).state_dict()
        weights = {name: value for name, value in other.items() if name.startswith(self.vision)}
        self.model.load_state_dict(weights, strict=False)

    def save(self, out: Path, facts: Mapping[str, Any]) -> None:
        """Writes the checkpoint with its processor."""
        save(self.model, build_processor(self.tokenizer), out, facts)


class Blip2Trainee(_Checkpoint):
    """The small BLIP-2: a query token a place of the scene; its language model is a trained LLaVA's."""

    model_class: ClassVar[Any] = Blip2ForConditionalGeneration
    name: ClassVar[str] = "tiny-blip2-scenes"
    template: ClassVar[Template] = BLIP2
    image_tokens: ClassVar[int] = QUERIES
    vision: ClassVar[tuple[str, ...]] = ("vision_model.", "qformer.", "query_tokens", "language_projection.")
    tuned: ClassVar[tuple[str, ...]] = ("vision_model.", "qformer.", "query_tokens")

    @classmethod
    def from_reader(cls, reader: LlavaTrainee, seed: int) -> Blip2Trainee:
        """The reader's language model behind a vision side drawn from ``seed``."""
        text: Any = reader.model.config.text_config
        model = build_blip2(reader.tokenizer, text, seed)
        trainee = cls(model, reader.tokenizer)
        trainee.language.load_state_dict(reader.language.state_dict())
        return trainee

    @property
    def language(self) -> nn.Module:
        """The decoder, from vectors to last hidden states."""
        found: nn.Module = self.model.language_model.model
        return found

    @property
    def head(self) -> nn.Module:
        """From hidden states to logits."""
        found: nn.Module = self.model.language_model.lm_head
        return found

    def seen(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The query tokens, and the tower's patches through the same projection.

        A published BLIP-2 starts from a tower that sees already. This one learns it here: without the
        second, queries that look at all patches alike tell colours and sizes, and never shapes.
        """
        patches: list[torch.Tensor] = []
        watched = self.model.vision_model.register_forward_hook(
            lambda _tower, _given, found: patches.append(found.last_hidden_state[:, 1:])
        )
        with watched:
            tokens = self.model.get_image_features(pixels, return_dict=True).pooler_output
        return tokens, self.model.language_projection(patches[0])

    def labels(self, scenes: Sequence[Scene]) -> tuple[npt.NDArray[np.int64], ...]:
        """What lies at each place, and what each patch shows."""
        return place_labels(scenes), patch_labels(scenes)

    def save(self, out: Path, facts: Mapping[str, Any]) -> None:
        """Writes the checkpoint with its processor."""
        save(self.model, build_blip2_processor(self.tokenizer), out, facts)


#: By the model type that a checkpoint's config names.
TRAINEES: Mapping[str, type[LlavaTrainee] | type[Blip2Trainee]] = MappingProxyType(
    {"llava": LlavaTrainee, "blip-2": Blip2Trainee}
)
