"""A LLaVA with random weights whose pictures take 576 tokens, as LLaVA-1.5's do: to time, not to ask."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from transformers import AutoConfig, LlavaForConditionalGeneration

from dmsbench.models.spec import checkpoint_folder

#: Patches of 14 pixels along a side of 336: 24² = 576.
SIDE, PATCH = 336, 14


def make(folder: Path, *, seed: int = 0) -> int:
    """Writes the checkpoint into a new folder; returns its parameters, about 100 million.

    Tokenizer, chat template and processor are those of the embedded LLaVA, with larger pictures.
    """
    source = checkpoint_folder("tiny-llava-scenes")
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(source / name, folder / name)
    processor = json.loads((source / "processor_config.json").read_text())
    images = processor["image_processor"]
    # All pictures fill the square, whatever the embedded processor does with its small ones.
    images.update(
        size={"height": SIDE, "width": SIDE}, do_resize=True, do_center_crop=False, image_seq_length=None
    )
    processor["patch_size"] = PATCH
    images = {key: value for key, value in images.items() if value is not None}
    (folder / "processor_config.json").write_text(json.dumps(processor | {"image_processor": images}))
    config = AutoConfig.from_pretrained(source)
    vision, text = config.vision_config, config.text_config
    vision.image_size, vision.patch_size = SIDE, PATCH
    vision.hidden_size, vision.intermediate_size = 512, 2048
    vision.num_hidden_layers, vision.num_attention_heads = 8, 8
    vision.projection_dim = 512
    text.hidden_size, text.intermediate_size = 768, 2048
    text.num_hidden_layers, text.num_attention_heads, text.num_key_value_heads = 10, 12, 12
    text.head_dim = 64
    text.max_position_embeddings = 2048
    config.image_seq_length = (SIDE // PATCH) ** 2
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config).eval()
    model.save_pretrained(folder)
    shutil.copyfile(source / "generation_config.json", folder / "generation_config.json")
    return sum(parameter.numel() for parameter in model.parameters())
