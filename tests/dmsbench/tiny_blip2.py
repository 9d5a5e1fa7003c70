"""Tiny BLIP-2 checkpoints with random weights: OPT, Llama or T5 reads eight query tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoConfig,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from dmsbench.training.architecture import build_tokenizer

KINDS = ("opt", "llama", "t5")
QUERIES = 8
CORPUS = [
    f"Question: What color is the {shape}? Short answer: {colour}. Answer: {colour}"
    for shape in ("circle", "rectangle", "triangle", "shape")
    for colour in ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
] + ["Question: Is there a red shape in the image? Answer: yes", "Does it contain a circle? no"] * 2


def save_tiny_blip2(folder: Path, kind: str = "opt", *, seed: int = 0, **text: Any) -> Path:
    """Writes a checkpoint; ``text`` sets attributes of the text model's config."""
    # Blip2Processor takes a tokenizer that has <image> among its tokens, but no such attribute.
    built = build_tokenizer(CORPUS)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built.backend_tokenizer,
        bos_token=built.bos_token,
        eos_token=built.eos_token,
        pad_token=built.pad_token,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    # As the tokenizers of the published checkpoints: OPT and Llama begin with a BOS, T5 ends with an EOS.
    single, name = ("$A </s>", "</s>") if kind == "t5" else ("<s> $A", "<s>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=single, special_tokens=[(name, tokenizer.convert_tokens_to_ids(name))]
    )
    config = Blip2Config(
        vision_config=Blip2VisionConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=8,
        ),
        qformer_config=Blip2QFormerConfig(
            vocab_size=20,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ),
        text_config=AutoConfig.for_model(**(_text(kind, tokenizer) | text)),
        num_query_tokens=QUERIES,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Blip2ForConditionalGeneration(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                # The query tokens would stay at zero, and all images would look alike through them.
                scale = 0.5 if name == "query_tokens" else 0.2 if kind == "t5" else 0.15
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    processor = Blip2Processor(
        image_processor=BlipImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer=tokenizer,
        num_query_tokens=QUERIES,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _text(kind: str, tokenizer: Any) -> dict[str, Any]:
    shared = {
        "model_type": kind,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        # A sixth of the vocabulary ends an answer: answers of a random model have different lengths.
        "eos_token_id": [tokenizer.eos_token_id, *range(10, len(tokenizer), 6)],
    }
    if kind == "t5":
        return shared | {
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 48,
            "num_layers": 2,
            "num_decoder_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": tokenizer.pad_token_id,
            "feed_forward_proj": "gated-gelu",
            "tie_word_embeddings": False,
            "dropout_rate": 0.0,
        }
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 400,
    }
    if kind == "opt":
        return shared | sizes | {"ffn_dim": 48, "word_embed_proj_dim": 32, "dropout": 0.0}
    return shared | sizes | {"intermediate_size": 48}
