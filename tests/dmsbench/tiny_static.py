"""Tiny checkpoints of types that are static only, with random weights: LLaVA-NeXT and Gemma 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

from dmsbench.training.architecture import CHAT_TEMPLATE, build_tokenizer

KINDS = ("llava_next", "gemma3")
CORPUS = [
    f"USER: \nWhat color is the {shape}? ASSISTANT: {colour}"
    for shape in ("circle", "rectangle", "triangle", "shape")
    for colour in ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
] + ["USER: \nIs there a red shape in the image? ASSISTANT: yes", "Does it contain a circle? no"] * 2
GEMMA3_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}user\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<start_of_image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n"
    "{% endfor %}{% if add_generation_prompt %}model\n{% endif %}"
)
_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 600,
}
_VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def save_tiny_static(folder: Path, kind: str, *, seed: int = 0, template: str | None = "as built") -> Path:
    """Writes a checkpoint; ``template`` None leaves it without one."""
    built = build_tokenizer(CORPUS)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built.backend_tokenizer,
        bos_token=built.bos_token,
        eos_token=built.eos_token,
        pad_token=built.pad_token,
        # Answers must not hang on the side that a checkpoint's tokenizer pads.
        padding_side="right",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image>",
        },
    )
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [AddedToken(f"<{side}_of_image>") for side in ("start", "end")]}
    )
    # A sixth of the vocabulary ends an answer: answers of a random model have different lengths.
    stops = [tokenizer.eos_token_id, *range(10, 300, 6)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, processor = (_llava_next if kind == "llava_next" else _gemma3)(tokenizer)
    model.train(False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    model.generation_config.eos_token_id = stops
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    # Published checkpoints bring settings such as these; they are not used.
    model.generation_config.do_sample = True
    model.generation_config.repetition_penalty = 1.5
    if template != "as built":
        processor.chat_template = template
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _llava_next(tokenizer: Any) -> tuple[Any, Any]:
    config = LlavaNextConfig(
        vision_config={"model_type": "clip_vision_model", **_VISION},
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **_TEXT},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=[[32, 64], [64, 32], [64, 64]],
        vision_feature_layer=-1,
        image_seq_length=16,
    )
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": 32},
        crop_size={"height": 32, "width": 32},
        image_grid_pinpoints=[[32, 64], [64, 32], [64, 64]],
    )
    processor = LlavaNextProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    return LlavaNextForConditionalGeneration(config), processor


def _gemma3(tokenizer: Any) -> tuple[Any, Any]:
    config = Gemma3Config(
        vision_config={"model_type": "siglip_vision_model", **_VISION, "vision_use_head": False},
        text_config={"vocab_size": len(tokenizer), "sliding_window": 16, **_TEXT},
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer=tokenizer,
        chat_template=GEMMA3_TEMPLATE,
        image_seq_length=4,
    )
    return Gemma3ForConditionalGeneration(config), processor
