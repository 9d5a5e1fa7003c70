"""Tiny SmolVLM, Idefics3, Qwen2-VL and Qwen2.5-VL checkpoints with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from dmsbench.training.architecture import build_tokenizer

KINDS = ("smolvlm", "idefics3", "qwen2_vl", "qwen2_5_vl")
CORPUS = [
    f"User: What color is the {shape}? Assistant: {colour}."
    for shape in ("circle", "rectangle", "triangle", "shape")
    for colour in ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
] + ["User: Is there a red shape in the image? Assistant: yes", "Does it contain a circle? no"] * 2
#: As the published checkpoints': the image comes where the conversation puts it.
SMOLVLM_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
QWEN_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ content['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_MARKERS = {
    "smolvlm": (
        "<|im_start|>",
        "<end_of_utterance>",
        "<fake_token_around_image>",
        "<global-img>",
        *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
    ),
    # The published Idefics3 has no tokens of their own for the tiles' names.
    "idefics3": ("<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>"),
    "qwen": (
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ),
}
_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 600,
}


def save_tiny(folder: Path, kind: str, *, seed: int = 0, template: str | None = None, **text: Any) -> Path:
    """Writes a checkpoint; ``text`` sets attributes of the text model's config."""
    built = build_tokenizer(CORPUS)
    # Without LLaVA's attribute image_token, which a stock processor would follow.
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built.backend_tokenizer,
        bos_token=built.bos_token,
        eos_token=built.eos_token,
        pad_token=built.pad_token,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    markers = _MARKERS.get(kind, _MARKERS["qwen"])
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [AddedToken(m, special=True) for m in markers]}
    )
    qwen = kind.startswith("qwen")
    if not qwen:
        tokenizer.add_special_tokens({"bos_token": "<|im_start|>"})
    tokenizer.chat_template = template or (QWEN_TEMPLATE if qwen else SMOLVLM_TEMPLATE)
    # A sixth of the vocabulary ends an answer: answers of a random model have different lengths.
    stops = [tokenizer.eos_token_id, *range(10, 300, 6)]
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": stops,
        "pad_token_id": tokenizer.pad_token_id,
    }
    sizes = {**_TEXT, **special, "vocab_size": len(tokenizer), **text}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = (_qwen if qwen else _idefics3)(kind, tokenizer, sizes).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(0.15 * torch.randn(parameter.shape, generator=generator))
    model.generation_config.eos_token_id = stops
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    image_processor(kind).save_pretrained(folder)
    return folder


def image_processor(kind: str) -> Any:
    """Pictures of 64 pixels: Idefics3 splits them into four tiles of 32, Qwen into 8 × 8 patches."""
    if kind.startswith("qwen"):
        return Qwen2VLImageProcessorPil(
            patch_size=8,
            merge_size=2,
            temporal_patch_size=2,
            size={"shortest_edge": 256, "longest_edge": 9216},
        )
    which = SmolVLMImageProcessorPil if kind == "smolvlm" else Idefics3ImageProcessorPil
    return which(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})


def _idefics3(kind: str, tokenizer: Any, sizes: dict[str, Any]) -> Any:
    config, model = {
        "smolvlm": (SmolVLMConfig, SmolVLMForConditionalGeneration),
        "idefics3": (Idefics3Config, Idefics3ForConditionalGeneration),
    }[kind]
    return model(
        config(
            vision_config={
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 32,
                # Sixteen tokens a tile; older stock SmolVLM wants a multiple of the patch size.
                "patch_size": 4,
            },
            text_config={"model_type": "llama", **sizes},
            scale_factor=2,
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )


def _qwen(kind: str, tokenizer: Any, sizes: dict[str, Any]) -> Any:
    tower: dict[str, Any] = {"depth": 2, "num_heads": 2, "patch_size": 8, "temporal_patch_size": 2}
    if kind == "qwen2_vl":
        config, model = Qwen2VLConfig, Qwen2VLForConditionalGeneration
        tower |= {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    else:
        config, model = Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
        tower |= {
            "hidden_size": 32,
            "out_hidden_size": 32,
            "intermediate_size": 48,
            "window_size": 32,
            "fullatt_block_indexes": [1],
        }
    tokens = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in (
            ("image", "image_pad"),
            ("video", "video_pad"),
            ("vision_start", "vision_start"),
            ("vision_end", "vision_end"),
        )
    }
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    return model(config(vision_config=tower, text_config={**sizes, "rope_parameters": rope}, **tokens))
