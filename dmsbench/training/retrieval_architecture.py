"""The small retrieval checkpoints: ordinary ``Blip2ForImageTextRetrieval`` and ``CLIPModel``."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, processors
from transformers import (
    Blip2Config,
    Blip2ForImageTextRetrieval,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    CLIPTextConfig,
    CLIPVisionConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from dmsbench.training.architecture import BOS, EOS, HEADS, IMAGE_SIZE, LAYERS, PAD, PATCH_SIZE, WIDTH
from dmsbench.training.blip2_architecture import QUERIES

#: The first two, as tiny-blip2-scenes has them, read the picture; the others compare it with the text.
QFORMER_LAYERS = 4
#: Of the space where pictures and texts meet.
DIMENSIONS = 96
#: A title and a caption of three things, each letter a token at worst.
MAX_POSITIONS = 256


#: Ends a text for CLIP: the last of all tokens, since a config whose end is token 2 is taken for an old one
#: that looks for the largest number instead.
CLIP_END = "<end>"


def build_retrieval_tokenizer(scenes: Any, end: str = EOS) -> PreTrainedTokenizerFast:
    """The scenes checkpoints' byte pairs, framed as BERT does: ``<s> text </s>``, ``<s> one </s> two </s>``.

    ``end``: the token that ends a text; a new one becomes the last.
    """
    inner = Tokenizer.from_str(scenes.backend_tokenizer.to_str())
    inner.add_special_tokens([end])
    numbers = inner.get_vocab()
    first, last = numbers[BOS], numbers[end]
    inner.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {end}",
        pair=f"{BOS} $A {end} $B:0 {end}:0",
        special_tokens=[(BOS, first), (end, last)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=BOS,
        eos_token=end,
        pad_token=PAD,
        padding_side="right",
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
    )


def _size() -> dict[str, int]:
    return {"height": IMAGE_SIZE, "width": IMAGE_SIZE}


def build_blip2_retrieval_processor(tokenizer: PreTrainedTokenizerFast) -> Blip2Processor:
    """Tokenizer and image preprocessing in one, as ``AutoProcessor`` loads them."""
    images = BlipImageProcessorPil(
        size=_size(), image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5], resample=3
    )
    return Blip2Processor(image_processor=images, tokenizer=tokenizer)


def build_clip_processor(tokenizer: PreTrainedTokenizerFast) -> CLIPProcessor:
    """Tokenizer and image preprocessing in one, as ``AutoProcessor`` loads them."""
    images = CLIPImageProcessorPil(
        size={"shortest_edge": IMAGE_SIZE},
        crop_size=_size(),
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        resample=3,
    )
    return CLIPProcessor(image_processor=images, tokenizer=tokenizer)


def build_blip2_retrieval(tokenizer: PreTrainedTokenizerFast, seed: int) -> Blip2ForImageTextRetrieval:
    """The untrained model, weights drawn from ``seed``; the global generator is left as it was."""
    sizes: dict[str, Any] = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_attention_heads": HEADS,
    }
    config = Blip2Config(
        vision_config=Blip2VisionConfig(
            **sizes, num_hidden_layers=LAYERS, image_size=IMAGE_SIZE, patch_size=PATCH_SIZE
        ),
        qformer_config=Blip2QFormerConfig(
            **sizes,
            num_hidden_layers=QFORMER_LAYERS,
            encoder_hidden_size=WIDTH,
            cross_attention_frequency=1,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            use_qformer_text_input=True,
            vocab_size=len(tokenizer),
            max_position_embeddings=MAX_POSITIONS,
            pad_token_id=tokenizer.pad_token_id,
        ),
        num_query_tokens=QUERIES,
        image_text_hidden_size=DIMENSIONS,
        image_token_index=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Blip2ForImageTextRetrieval(config)
        torch.nn.init.normal_(model.query_tokens, std=config.initializer_range)
    return model


def build_clip(tokenizer: PreTrainedTokenizerFast, seed: int) -> CLIPModel:
    """The untrained model, weights drawn from ``seed``; the global generator is left as it was."""
    sizes: dict[str, Any] = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
    }
    config = CLIPConfig(
        text_config=CLIPTextConfig(
            **sizes,
            vocab_size=len(tokenizer),
            max_position_embeddings=MAX_POSITIONS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ).to_dict(),
        vision_config=CLIPVisionConfig(**sizes, image_size=IMAGE_SIZE, patch_size=PATCH_SIZE).to_dict(),
        projection_dim=DIMENSIONS,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CLIPModel(config)
