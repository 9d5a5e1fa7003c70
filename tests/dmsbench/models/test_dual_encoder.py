"""CLIP and SigLIP as the stock models have them: the same cosines, whatever stands beside in a batch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_dual import KINDS, POSITIONS, save_tiny_dual
from transformers import AutoModel, AutoProcessor

from dmsbench.errors import ModelError
from dmsbench.models.dual_encoder import DualEncoder
from dmsbench.models.item_evidence import cosines
from dmsbench.models.retrieval import Pair

TEXTS = ["a red circle", "a black rectangle beside a blue square", "ünknown wörds", "x"]
LONG = "a black rectangle beside a blue square " * 20
PICTURES = [
    np.random.default_rng(seed).integers(0, 256, (high, wide, 3), dtype=np.uint8)
    for seed, (high, wide) in enumerate([(32, 32), (64, 40), (1, 50), (3, 3)])
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def made(kind: str) -> Path:
        return save_tiny_dual(tmp_path_factory.mktemp("dual") / kind, kind)

    return made


@pytest.fixture(scope="module")
def encoder(folder: Callable[[str], Path]) -> Callable[[str], DualEncoder]:
    @cache
    def made(kind: str) -> DualEncoder:
        return DualEncoder(folder(kind))

    return made


@pytest.mark.parametrize("kind", KINDS)
def test_cosines_are_those_of_the_stock_model(
    kind: str, folder: Callable[[str], Path], encoder: Callable[[str], DualEncoder]
) -> None:
    ours = encoder(kind)
    stock = AutoModel.from_pretrained(folder(kind)).eval()
    processor = AutoProcessor.from_pretrained(folder(kind), backend="pil")
    texts = [*TEXTS, LONG]
    read = processor.tokenizer(
        texts,
        padding="max_length",
        max_length=POSITIONS,
        padding_side="right",
        truncation=True,
        return_tensors="pt",
    )
    looked = processor.image_processor(PICTURES, return_tensors="pt", input_data_format="channels_last")
    with torch.no_grad():
        found = stock(input_ids=read["input_ids"], pixel_values=looked["pixel_values"])
    expected = found.logits_per_image - (stock.logit_bias if kind == "siglip" else 0.0)
    assert ours.scale == pytest.approx(math.exp(1.5), rel=1e-6)
    images = ours.encode_images(PICTURES, ["a", "b", "c", "d"])
    told = torch.stack([text.embedding for text in ours.encode_texts(texts)])
    similar = cosines(torch.stack([image.embedding for image in images]), told)
    torch.testing.assert_close(similar, expected / ours.scale, atol=2e-6, rtol=0)
    assert similar.std() > 0.01
    pooled = found.vision_model_output.pooler_output
    if kind == "siglip":
        torch.testing.assert_close(torch.stack([image.features for image in images]), pooled)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_returned_is_of_unit_length_and_in_order(
    kind: str, encoder: Callable[[str], DualEncoder]
) -> None:
    images = encoder(kind).encode_images(PICTURES, ["a", "b", "c", "d"])
    assert [image.key for image in images] == ["a", "b", "c", "d"]
    assert all(image.tokens is None and image.embedding.shape[0] == 1 for image in images)
    texts = encoder(kind).encode_texts([*TEXTS, ""])
    assert [text.text for text in texts] == [*TEXTS, ""]
    for one in (*images, *texts):
        assert one.embedding.dtype == one.features.dtype == torch.float32
        assert float(one.embedding.norm()) == pytest.approx(1.0, abs=1e-5)
        assert one.features.ndim == 1
        assert len(one.features) == 32
    assert encoder(kind).encode_images([], []) == encoder(kind).encode_texts([]) == []


@pytest.mark.parametrize("kind", KINDS)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), min_size=1, max_size=5)
)
def test_a_text_does_not_hang_on_those_beside_it(
    kind: str, encoder: Callable[[str], DualEncoder], texts: list[str]
) -> None:
    together = encoder(kind).encode_texts([*texts, "", LONG])
    for text, found in zip([*texts, "", LONG], together, strict=True):
        (alone,) = encoder(kind).encode_texts([text])
        torch.testing.assert_close(alone.embedding, found.embedding, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_does_not_hang_on_those_beside_it(kind: str, encoder: Callable[[str], DualEncoder]) -> None:
    together = encoder(kind).encode_images(PICTURES, ["a", "b", "c", "d"])
    for picture, found in zip(PICTURES, together, strict=True):
        (alone,) = encoder(kind).encode_images([picture], ["k"])
        torch.testing.assert_close(alone.embedding, found.embedding, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_identity_follows_weights_and_processor(
    kind: str, folder: Callable[[str], Path], encoder: Callable[[str], DualEncoder], tmp_path: Path
) -> None:
    ours, again = encoder(kind), DualEncoder(folder(kind))
    assert ours.state_key == again.state_key
    assert ours.settings() == again.settings()
    assert json.loads(json.dumps(ours.settings())) == ours.settings()
    assert ours.parameters == sum(p.numel() for p in ours.model.parameters())
    other = DualEncoder(save_tiny_dual(tmp_path / "other", kind, seed=1))
    assert other.state_key != ours.state_key
    assert other.weights_hash != ours.weights_hash
    assert DualEncoder(folder(kind), dtype="bfloat16").state_key != ours.state_key


def test_half_precision_is_near_and_float32_outside(
    folder: Callable[[str], Path], encoder: Callable[[str], DualEncoder]
) -> None:
    half = DualEncoder(folder("clip"), dtype="bfloat16", attention="eager")
    (found,), (exact,) = half.encode_texts(TEXTS[:1]), encoder("clip").encode_texts(TEXTS[:1])
    assert found.embedding.dtype == torch.float32
    assert float(found.embedding @ exact.embedding) > 0.99
    assert not torch.equal(found.embedding, exact.embedding)


def test_what_does_not_load_is_said_in_one_line(
    folder: Callable[[str], Path], tmp_path: Path, tiny_folder: Path
) -> None:
    with pytest.raises(ModelError, match=r"as a dual encoder: its model type is 'llava', not clip or siglip"):
        DualEncoder(tiny_folder)
    with pytest.raises(ModelError, match="cannot load") as nothing:
        DualEncoder(tmp_path)
    assert "\n" not in str(nothing.value)
    with pytest.raises(ModelError, match="unknown dtype 'int8'"):
        DualEncoder(folder("clip"), dtype="int8")
    with pytest.raises(ModelError, match="unknown attention implementation 'magic'"):
        DualEncoder(folder("clip"), attention="magic")
    from safetensors.torch import load_file, save_file

    broken = save_tiny_dual(tmp_path / "broken", "siglip")
    weights = load_file(broken / "model.safetensors")
    del weights["logit_scale"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 weights are missing, 'logit_scale' among them"):
        DualEncoder(broken)


def test_there_is_no_second_stage(encoder: Callable[[str], DualEncoder]) -> None:
    assert encoder("clip").depth == 0
    with pytest.raises(ValueError, match="no second stage"):
        encoder("clip").match([Pair(None, "a title", "a text")])
