"""The retrieval checkpoints in training: pictures and texts as unit vectors, and judged pairs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch.nn import functional
from transformers import (
    AutoTokenizer,
    Blip2ForConditionalGeneration,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from dmsbench.errors import DataError, ModelError
from dmsbench.models.blip2_matching import (
    image_embeddings,
    match_logits,
    match_states,
    patches_of,
    queries_of,
    similarities,
    text_embeddings,
    texts_of,
)
from dmsbench.models.blip2_retrieval import SCALE
from dmsbench.models.loading import model_type
from dmsbench.training.retrieval_architecture import (
    CLIP_END,
    build_blip2_retrieval,
    build_blip2_retrieval_processor,
    build_clip,
    build_clip_processor,
    build_retrieval_tokenizer,
)
from dmsbench.training.saving import save


class Blip2RetrievalTrainee:
    """The small BLIP-2 for retrieval; tower, queries and Q-Former begin as tiny-blip2-scenes'."""

    name: ClassVar[str] = "tiny-blip2-retrieval"
    tuned: ClassVar[tuple[str, ...]] = ("vision_model.",)

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model, self.tokenizer = model, tokenizer

    @classmethod
    def begin(cls, start: Path, seed: int) -> Blip2RetrievalTrainee:
        """From a BLIP-2 that answers questions about scenes. DataError for another checkpoint."""
        other = _loaded(Blip2ForConditionalGeneration, start)
        tokenizer = build_retrieval_tokenizer(AutoTokenizer.from_pretrained(start))
        model = build_blip2_retrieval(tokenizer, seed)
        known, taken = other.state_dict(), {}
        for name in model.state_dict():
            # A text's half of each layer begins as the queries' half.
            twin = re.sub(r"(layer\.\d+\.)(intermediate|output)\.", r"\1\2_query.", name)
            if name in known or twin in known:
                taken[name] = known.get(name, known.get(twin))
        model.load_state_dict(taken, strict=False)
        return cls(model, tokenizer)

    @property
    def scale(self) -> float:
        """What cosines are multiplied by."""
        return SCALE

    def pictures(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tower tokens (N, T, V) and unit vectors (N, Q, D)."""
        patches = patches_of(self.model, pixels)
        return patches, image_embeddings(self.model, queries_of(self.model, patches))

    def texts(self, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Unit vectors (N, D)."""
        return text_embeddings(self.model, texts_of(self.model, ids, real))

    def similarities(self, pictures: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Cosines (N, K)."""
        return similarities(pictures, texts)

    def match(
        self, patches: torch.Tensor, seen: torch.Tensor, ids: torch.Tensor, real: torch.Tensor
    ) -> torch.Tensor:
        """Log-odds (P,)."""
        return match_logits(self.model, self.states(patches, seen, ids, real))

    def states(
        self, patches: torch.Tensor, seen: torch.Tensor, ids: torch.Tensor, real: torch.Tensor
    ) -> torch.Tensor:
        """What the queries, one a place of the scene, make of item and text, (P, 9, H)."""
        return match_states(self.model, patches, seen, ids, real)

    def judged(self, states: torch.Tensor) -> torch.Tensor:
        """Log-odds (P,) from the states."""
        return match_logits(self.model, states)

    def save(self, out: Path, facts: Mapping[str, Any]) -> None:
        """Writes the checkpoint with its processor."""
        save(self.model, build_blip2_retrieval_processor(self.tokenizer), out, facts)


class ClipTrainee:
    """The small CLIP; its tower begins as tiny-llava-scenes'."""

    name: ClassVar[str] = "tiny-clip-scenes"
    tuned: ClassVar[tuple[str, ...]] = ("vision_model.",)

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model, self.tokenizer = model, tokenizer

    @classmethod
    def begin(cls, start: Path, seed: int) -> ClipTrainee:
        """From a LLaVA that answers questions about scenes. DataError for another checkpoint."""
        other = _loaded(LlavaForConditionalGeneration, start)
        tokenizer = build_retrieval_tokenizer(AutoTokenizer.from_pretrained(start), CLIP_END)
        model = build_clip(tokenizer, seed)
        tower = {
            f"vision_model.{name.removeprefix('vision_model.')}": value
            for name, value in other.model.vision_tower.state_dict().items()
        }
        missing, _ = model.load_state_dict(tower, strict=False)
        if any(name.startswith("vision_model.") for name in missing):
            raise DataError(f"{start}: its tower is not the one that the recipe starts from")
        return cls(model, tokenizer)

    @property
    def scale(self) -> torch.Tensor:
        """What cosines are multiplied by; it is learnt, up to CLIP's bound of 100."""
        found: torch.Tensor = self.model.logit_scale.exp().clamp(max=100.0)
        return found

    def pictures(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tower tokens (N, T, V) and unit vectors (N, D)."""
        tower = self.model.vision_model(pixel_values=pixels)
        vectors = self.model.visual_projection(tower.pooler_output)
        return tower.last_hidden_state, functional.normalize(vectors, dim=-1)

    def texts(self, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Unit vectors (N, D)."""
        pooled = self.model.text_model(input_ids=ids, attention_mask=real).pooler_output
        return functional.normalize(self.model.text_projection(pooled), dim=-1)

    def similarities(self, pictures: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Cosines (N, K)."""
        return pictures @ texts.T

    def save(self, out: Path, facts: Mapping[str, Any]) -> None:
        """Writes the checkpoint with its processor."""
        save(self.model, build_clip_processor(self.tokenizer), out, facts)


#: By the model type that a checkpoint's config names.
TRAINEES: Mapping[str, type[Blip2RetrievalTrainee] | type[ClipTrainee]] = MappingProxyType(
    {"blip-2": Blip2RetrievalTrainee, "clip": ClipTrainee}
)


def _loaded(model_class: Any, folder: Path) -> Any:
    wanted = model_class.config_class.model_type
    try:
        found = model_type(folder, "main")
        if found != wanted:
            raise DataError(f"{folder} is a checkpoint of type {found}; the recipe starts from a {wanted}")
        return model_class.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, ModelError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DataError(f"{folder} is no checkpoint to start from: {reason}") from None
