"""Tiny PaliGemma checkpoints with random weights: Gemma or Gemma 2 reads sixteen image tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from dmsbench.training.architecture import build_tokenizer

KINDS = ("gemma", "gemma2")
IMAGE_TOKENS = 16
CORPUS = [
    f"answer en What color is the {shape}?\n{colour}"
    for shape in ("circle", "rectangle", "triangle", "shape")
    for colour in ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
] + ["answer en Is there a red shape in the image?\nyes", "Does it contain a circle? no"] * 2


def save_tiny_paligemma(folder: Path, kind: str = "gemma", *, seed: int = 0, **text: Any) -> Path:
    """Writes a checkpoint; ``text`` sets attributes of the text model's config."""
    built = build_tokenizer(CORPUS)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built.backend_tokenizer,
        bos_token=built.bos_token,
        eos_token=built.eos_token,
        pad_token=built.pad_token,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    images = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    images.image_seq_length = IMAGE_TOKENS
    processor = PaliGemmaProcessor(image_processor=images, tokenizer=tokenizer)
    vocabulary = len(processor.tokenizer)
    # A sixth of the vocabulary ends an answer: answers of a random model have different lengths.
    stops = [tokenizer.eos_token_id, *range(10, vocabulary, 6)]
    config = PaliGemmaConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
            "vision_use_head": False,
        },
        text_config={
            "model_type": kind,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "max_position_embeddings": 400,
            "vocab_size": vocabulary,
            "bos_token_id": tokenizer.bos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": stops,
            **text,
        },
        image_token_index=processor.image_token_id,
        projection_dim=32,
        hidden_size=32,
        # Tied, a random model says again and again what it last read.
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PaliGemmaForConditionalGeneration(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.generation_config.eos_token_id = stops
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
