"""Tiny CLIP and SigLIP checkpoints with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    SiglipProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from dmsbench.training.architecture import build_tokenizer

KINDS = ("clip", "siglip")
POSITIONS = 16
CORPUS = [
    f"a {colour} {shape} beside a blue square"
    for shape in ("circle", "rectangle", "triangle")
    for colour in ("black", "blue", "brown", "green", "red")
] * 2
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def save_tiny_dual(folder: Path, kind: str, *, seed: int = 0) -> Path:
    """Writes a checkpoint of sixteen positions that looks at pictures of 32 pixels."""
    built = build_tokenizer(CORPUS)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built.backend_tokenizer,
        bos_token=built.bos_token,
        eos_token=built.eos_token,
        pad_token=built.pad_token,
        # CLIP's encodings must not hang on what side a tokenizer would pad by itself.
        padding_side="left" if kind == "clip" else "right",
        clean_up_tokenization_spaces=False,
    )
    # As the tokenizers of the published checkpoints: CLIP's has a token at both ends, the last one the
    # highest of all; SigLIP's has an end.
    if kind == "clip":
        tokenizer.add_special_tokens({"eos_token": "<|endoftext|>"})
    single = "<s> $A <|endoftext|>" if kind == "clip" else "$A </s>"
    names = ("<s>", "<|endoftext|>") if kind == "clip" else ("</s>",)
    ends = [(name, tokenizer.convert_tokens_to_ids(name)) for name in names]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=ends)
    text = {
        **_SIZES,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": POSITIONS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {**_SIZES, "image_size": 32, "patch_size": 8}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, processor = (
            _clip(text, vision, tokenizer) if kind == "clip" else _siglip(text, vision, tokenizer)
        )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        model.logit_scale.fill_(1.5)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _clip(text: dict[str, Any], vision: dict[str, Any], tokenizer: Any) -> tuple[Any, Any]:
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return CLIPModel(config), CLIPProcessor(image_processor=images, tokenizer=tokenizer)


def _siglip(text: dict[str, Any], vision: dict[str, Any], tokenizer: Any) -> tuple[Any, Any]:
    config = SiglipConfig(text_config=text, vision_config=vision)
    images = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    return SiglipModel(config), SiglipProcessor(image_processor=images, tokenizer=tokenizer)
