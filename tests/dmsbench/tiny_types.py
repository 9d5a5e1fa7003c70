"""Tiny checkpoints of more types that are static only, with random weights; some of them take videos too."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tiny_static import CORPUS
from tokenizers import AddedToken

from dmsbench.models.processors import without_videos
from dmsbench.training.architecture import build_tokenizer

_TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}
_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
#: Qwen's and GLM's towers have names of their own for the same.
_QWEN: dict[str, Any] = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_heads": 2,
    "patch_size": 8,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 32,
}
_SQUARE = {"height": 32, "width": 32}


def _tokenizer(*special: str, **named: str) -> Any:
    built = build_tokenizer(CORPUS)
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=built.backend_tokenizer,
        bos_token=built.bos_token,
        eos_token=built.eos_token,
        pad_token=built.pad_token,
        clean_up_tokenization_spaces=False,
        extra_special_tokens=named,
    )
    tokens: list[Any] = [AddedToken(token, special=True) for token in special]
    tokenizer.add_special_tokens({"additional_special_tokens": tokens})
    return tokenizer


def _template(image: str) -> str:
    return (
        "{{ bos_token }}{% for message in messages %}USER: {% for part in message['content'] %}"
        f"{{% if part['type'] == 'image' %}}{image}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
        "{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
    )


def _pictures(place: str, **settings: Any) -> Any:
    module, name = place.rsplit(".", 1)
    return getattr(importlib.import_module(f"transformers.models.{module}"), name)(**settings)


def _qwen3_vl() -> tuple[Any, Any]:
    names = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    tokenizer = _tokenizer(*names)
    image, video, start, end = tokenizer.convert_tokens_to_ids(list(names))
    config = hf.Qwen3VLConfig(
        vision_config={**_QWEN, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]},
        text_config={
            **_TEXT,
            "vocab_size": len(tokenizer),
            "rope_scaling": {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True},
        },
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    pictures = _pictures(
        "qwen2_vl.image_processing_pil_qwen2_vl.Qwen2VLImageProcessorPil",
        patch_size=8,
        merge_size=2,
        min_pixels=256,
        max_pixels=4096,
    )
    template = _template("<|vision_start|><|image_pad|><|vision_end|>")
    processor = without_videos(hf.Qwen3VLProcessor)(pictures, tokenizer, chat_template=template)
    return hf.Qwen3VLForConditionalGeneration(config), processor


def _glm4v() -> tuple[Any, Any]:
    names = ["<|image|>", "<|video|>"]
    names += [f"<|{side}_of_{kind}|>" for kind in ("image", "video") for side in ("begin", "end")]
    tokenizer = _tokenizer(*names)
    image, video, first, last, begin, end = tokenizer.convert_tokens_to_ids(names)
    config = hf.Glm4vConfig(
        vision_config={**_QWEN, "image_size": 64},
        text_config={
            **_TEXT,
            "vocab_size": len(tokenizer),
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 1, 1],
                "partial_rotary_factor": 1.0,
            },
        },
        image_token_id=image,
        video_token_id=video,
        image_start_token_id=first,
        image_end_token_id=last,
        video_start_token_id=begin,
        video_end_token_id=end,
    )
    pictures = _pictures(
        "glm4v.image_processing_pil_glm4v.Glm4vImageProcessorPil",
        patch_size=8,
        merge_size=2,
        size={"shortest_edge": 1024, "longest_edge": 8192},
    )
    template = _template("<|begin_of_image|><|image|><|end_of_image|>")
    processor = without_videos(hf.Glm4vProcessor)(pictures, tokenizer, chat_template=template)
    return hf.Glm4vForConditionalGeneration(config), processor


def _internvl() -> tuple[Any, Any]:
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = _tokenizer(*named.values(), **named)
    config = hf.InternVLConfig(
        vision_config={**_VISION, "image_size": [32, 32], "patch_size": [8, 8]},
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **_TEXT},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    pictures = _pictures(
        "got_ocr2.image_processing_pil_got_ocr2.GotOcr2ImageProcessorPil",
        size=_SQUARE,
        crop_to_patches=True,
        max_patches=2,
    )
    processor = without_videos(hf.InternVLProcessor)(
        pictures, tokenizer, image_seq_length=4, chat_template=_template("<IMG_CONTEXT>")
    )
    return hf.InternVLForConditionalGeneration(config), processor


def _llava_onevision() -> tuple[Any, Any]:
    tokenizer = _tokenizer("<image>", "<video>")
    image, video = tokenizer.convert_tokens_to_ids(["<image>", "<video>"])
    grid = [[32, 32], [64, 32], [32, 64]]
    config = hf.LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", **_VISION, "vision_use_head": False},
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **_TEXT},
        image_token_index=image,
        video_token_index=video,
        image_grid_pinpoints=grid,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
    )
    pictures = _pictures(
        "llava_onevision.image_processing_pil_llava_onevision.LlavaOnevisionImageProcessorPil",
        size=_SQUARE,
        image_grid_pinpoints=grid,
    )
    processor = without_videos(hf.LlavaOnevisionProcessor)(
        pictures,
        tokenizer,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=_template("<image>"),
    )
    return hf.LlavaOnevisionForConditionalGeneration(config), processor


def _aya_vision() -> tuple[Any, Any]:
    tokenizer = _tokenizer(
        "<image>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "TILE", "TILE_GLOBAL"
    )
    config = hf.AyaVisionConfig(
        vision_config={"model_type": "siglip_vision_model", **_VISION, "vision_use_head": False},
        text_config={"model_type": "cohere2", "vocab_size": len(tokenizer), **_TEXT},
        image_token_index=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"),
        downsample_factor=2,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        alignment_intermediate_size=64,
    )
    pictures = _pictures(
        "got_ocr2.image_processing_pil_got_ocr2.GotOcr2ImageProcessorPil",
        size=_SQUARE,
        crop_to_patches=True,
        max_patches=2,
    )
    processor = hf.AyaVisionProcessor(
        pictures,
        tokenizer,
        patch_size=8,
        img_size=32,
        downsample_factor=2,
        chat_template=_template("<image>"),
    )
    return hf.AyaVisionForConditionalGeneration(config), processor


def _idefics2() -> tuple[Any, Any]:
    tokenizer = _tokenizer("<image>", "<fake_token_around_image>", "<end_of_utterance>")
    config = hf.Idefics2Config(
        vision_config=_VISION,
        text_config={"model_type": "mistral", "vocab_size": len(tokenizer), "sliding_window": None, **_TEXT},
        perceiver_config={
            "hidden_size": 32,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 16,
            "num_key_value_heads": 2,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    pictures = _pictures(
        "idefics2.image_processing_pil_idefics2.Idefics2ImageProcessorPil",
        size={"shortest_edge": 16, "longest_edge": 32},
        do_image_splitting=False,
    )
    processor = hf.Idefics2Processor(pictures, tokenizer, image_seq_len=4, chat_template=_template("<image>"))
    return hf.Idefics2ForConditionalGeneration(config), processor


def _mllama() -> tuple[Any, Any]:
    tokenizer = _tokenizer("<|image|>", "<|python_tag|>")
    text = {key: value for key, value in _TEXT.items() if key not in ("head_dim", "tie_word_embeddings")}
    config = hf.MllamaConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
            "vision_output_dim": 64,
            "intermediate_layers_indices": [0],
            "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
            "max_num_tiles": 2,
        },
        text_config={
            **text,
            "vocab_size": len(tokenizer),
            "num_hidden_layers": 3,
            "cross_attention_layers": [1],
            "pad_token_id": tokenizer.pad_token_id,
            "rope_scaling": {"rope_type": "default"},
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<|image|>"),
    )
    pictures = _pictures(
        "mllama.image_processing_pil_mllama.MllamaImageProcessorPil", size=_SQUARE, max_image_tiles=2
    )
    processor = hf.MllamaProcessor(pictures, tokenizer, chat_template=_template("<|image|>"))
    return hf.MllamaForConditionalGeneration(config), processor


TYPES: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "aya_vision": _aya_vision,
    "glm4v": _glm4v,
    "idefics2": _idefics2,
    "internvl": _internvl,
    "llava_onevision": _llava_onevision,
    "mllama": _mllama,
    "qwen3_vl": _qwen3_vl,
}
#: Those whose stock processor needs torchvision, for its side for videos.
WITH_VIDEOS = ("glm4v", "internvl", "llava_onevision", "qwen3_vl")


def save_tiny_type(folder: Path, kind: str) -> Path:
    """Writes a checkpoint of one of ``TYPES``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, processor = TYPES[kind]()
    model.train(False)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    # A sixth of the vocabulary ends an answer: answers of a random model have different lengths.
    stops = [processor.tokenizer.eos_token_id, *range(10, 200, 6)]
    model.generation_config.eos_token_id = stops
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
