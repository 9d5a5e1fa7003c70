"""Tiny checkpoints with random weights, large enough that logits differ and answers end early."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

if TYPE_CHECKING:
    from dmsbench.models.blip2 import Blip2Model
    from dmsbench.models.llava import LlavaModel

Pixels = npt.NDArray[np.uint8]
COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
CORPUS = [
    f"USER: \nWhat color is the {shape}? ASSISTANT: {colour}"
    for shape in ("circle", "rectangle", "triangle", "shape")
    for colour in COLOURS
] + ["USER: \nIs there a red shape in the image? ASSISTANT: yes", "Does it contain a circle? no"] * 2


def save_tiny_llava(
    folder: Path, *, seed: int = 0, tokenizer: Any = None, template: str | None = "as built", **stock: Any
) -> Path:
    """Writes a checkpoint; ``stock`` sets attributes of its image processor, ``template`` None drops it."""
    import torch

    from dmsbench.training.architecture import build_model, build_processor, build_tokenizer

    tokenizer = tokenizer or build_tokenizer(CORPUS)
    model = build_model(tokenizer, seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(0.15 * torch.randn(parameter.shape, generator=generator))
    # A fifth of the vocabulary ends an answer: answers of a random model have different lengths.
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *range(10, len(tokenizer), 5)]
    processor = build_processor(tokenizer)
    if template != "as built":
        processor.chat_template = template
    for name, value in stock.items():
        setattr(processor.image_processor, name, value)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_tiny_llava() -> Callable[..., Path]:
    return save_tiny_llava


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One intra-op thread: the smallest rounding differences, and no fight for cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_llava(tiny_folder: Path) -> LlavaModel:
    from dmsbench.models.llava import LlavaModel

    return LlavaModel(tiny_folder)


@pytest.fixture(scope="session")
def tiny_llava_eager(tiny_folder: Path) -> LlavaModel:
    from dmsbench.models.llava import LlavaModel

    return LlavaModel(tiny_folder, attention="eager")


@pytest.fixture(scope="session")
def tiny_blip2_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny BLIP-2 by its text model: opt, llama or t5."""
    from tiny_blip2 import save_tiny_blip2

    @cache
    def folder(kind: str) -> Path:
        return save_tiny_blip2(tmp_path_factory.mktemp("blip2") / kind, kind)

    return folder


@pytest.fixture(scope="session")
def tiny_blip2(tiny_blip2_folder: Callable[[str], Path]) -> Callable[..., Blip2Model]:
    """A tiny BLIP-2 by its text model and, if not sdpa, its attention implementation."""
    from dmsbench.models.blip2 import Blip2Model

    @cache
    def model(kind: str, attention: str = "sdpa") -> Blip2Model:
        return Blip2Model(tiny_blip2_folder(kind), attention=attention)

    return model


@pytest.fixture(scope="session")
def noise_pictures() -> list[Pixels]:
    """Six pictures of the model's own size, random and unlike each other."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    pixels[1] //= 4
    pixels[2, :, 20:] = (200, 30, 30)
    return list(pixels)


@pytest.fixture
def rows_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows about a picture are one pack, though prefixes are short."""
    monkeypatch.setattr("dmsbench.models.packs.MOST_OF_PREFIX", 100.0)
    monkeypatch.setattr("dmsbench.models.packs.PREFIX_TOKENS_A_TOKEN", 0.01)
