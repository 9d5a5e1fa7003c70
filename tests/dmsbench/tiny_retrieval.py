"""A tiny BLIP-2 for retrieval with random weights, and pictures and texts for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import Blip2Config, Blip2ForImageTextRetrieval, Blip2QFormerConfig, Blip2VisionConfig

from dmsbench.training.architecture import build_tokenizer
from dmsbench.training.retrieval_architecture import (
    build_blip2_retrieval_processor,
    build_retrieval_tokenizer,
)

TEXTS = (
    "a small red circle at the top left",
    "a large blue cross at the centre",
    "a green square",
    "a yellow triangle and a small blue circle",
    "a red cross at the bottom",
)


def save_tiny_blip2_retrieval(folder: Path, *, seed: int = 0, frequency: int = 2) -> Path:
    """Writes a checkpoint that looks at pictures of 64 pixels; ``frequency`` of cross-attention."""
    tokenizer = build_retrieval_tokenizer(build_tokenizer(TEXTS * 3))
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = Blip2Config(
        vision_config=Blip2VisionConfig(**sizes, image_size=64, patch_size=16),
        qformer_config=Blip2QFormerConfig(
            **sizes,
            encoder_hidden_size=32,
            cross_attention_frequency=frequency,
            use_qformer_text_input=True,
            vocab_size=len(tokenizer),
            max_position_embeddings=64,
            pad_token_id=tokenizer.pad_token_id,
        ),
        num_query_tokens=3,
        image_text_hidden_size=16,
        image_token_index=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Blip2ForImageTextRetrieval(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.4 if parameter.ndim > 1 else 0.1)
    model.save_pretrained(folder)
    build_blip2_retrieval_processor(tokenizer).save_pretrained(folder)
    return folder


def pictures(count: int, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """Random pictures of 64 × 64."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 7]))
    return [rng.integers(0, 256, size=(64, 64, 3), dtype=np.uint8) for _ in range(count)]
