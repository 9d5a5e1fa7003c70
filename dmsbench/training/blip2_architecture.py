"""The small BLIP-2: an ordinary ``Blip2ForConditionalGeneration`` with the small LLaVA's language model."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from dmsbench.training.architecture import HEADS, IMAGE, IMAGE_SIZE, LAYERS, PATCH_SIZE, WIDTH

#: A query for each of the nine places of a scene.
QUERIES = 9
QFORMER_LAYERS = 2


def build_blip2_processor(tokenizer: PreTrainedTokenizerFast) -> Blip2Processor:
    """Tokenizer and image preprocessing in one, as ``AutoProcessor`` loads them."""
    # Blip2Processor adds <image> itself, and takes no tokenizer that names it an attribute.
    plain = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        bos_token=tokenizer.bos_token,
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token,
        padding_side="left",
        model_max_length=tokenizer.model_max_length,
        clean_up_tokenization_spaces=False,
    )
    image_processor = BlipImageProcessorPil(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        resample=3,
    )
    return Blip2Processor(image_processor=image_processor, tokenizer=plain, num_query_tokens=QUERIES)


def build_blip2(
    tokenizer: PreTrainedTokenizerFast, text_config: LlamaConfig, seed: int
) -> Blip2ForConditionalGeneration:
    """The untrained model, weights drawn from ``seed``; the global generator is left as it was."""
    sizes: dict[str, Any] = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_attention_heads": HEADS,
    }
    image_token: Any = tokenizer.convert_tokens_to_ids(IMAGE)
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
        ),
        text_config=text_config,
        num_query_tokens=QUERIES,
        image_token_index=image_token,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Blip2ForConditionalGeneration(config)
        # transformers leaves them at zero, where all queries are one; drawn as the BLIP-2 paper's code does.
        torch.nn.init.normal_(model.query_tokens, std=config.initializer_range)
    return model
