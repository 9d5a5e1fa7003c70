"""The BLIP-2 retrieval adapter against the stock model, and what a missing picture or title leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dmsbench.errors import ModelError
from dmsbench.models.blip2_retrieval import Blip2RetrievalModel
from dmsbench.models.item_evidence import cosines
from dmsbench.models.retrieval import Pair
from tests.dmsbench.tiny_retrieval import TEXTS, pictures, save_tiny_blip2_retrieval


@pytest.fixture(scope="module", params=[1, 2])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Blip2RetrievalModel:
    folder = tmp_path_factory.mktemp("blip2-retrieval")
    return Blip2RetrievalModel(save_tiny_blip2_retrieval(folder, frequency=request.param))


def _stock(model: Blip2RetrievalModel, *, matching: bool) -> torch.Tensor:
    """Each picture with each text, as the library's own forward scores them: (N, K) or (N, K, 2)."""
    values = model.processor.image_processor(
        images=pictures(3), return_tensors="pt", input_data_format="channels_last"
    )["pixel_values"]
    columns = []
    for text in TEXTS:
        tokens = model.processor.tokenizer(text, return_tensors="pt")
        ids, mask = (tokens[name].expand(3, -1) for name in ("input_ids", "attention_mask"))
        with torch.inference_mode():
            if matching:
                out = model.model(values, ids, mask, use_image_text_matching_head=True).logits_per_image
            else:
                rows = [model.model(values[n : n + 1], ids[:1], mask[:1]).logits_per_image for n in range(3)]
                out = torch.cat([row.reshape(1) for row in rows])
        columns.append(out)
    return torch.stack(columns, dim=1)


def test_first_stage_is_the_stock_models(model: Blip2RetrievalModel) -> None:
    images = model.encode_images(pictures(3), ["a", "b", "c"])
    texts = model.encode_texts(TEXTS)
    found = cosines(
        torch.stack([image.embedding for image in images]), torch.stack([text.embedding for text in texts])
    )
    torch.testing.assert_close(found, _stock(model, matching=False), atol=1e-5, rtol=0)


def test_second_stage_is_the_stock_models(model: Blip2RetrievalModel) -> None:
    images = model.encode_images(pictures(3), ["a", "b", "c"])
    found = model.match([Pair(image, None, text) for image in images for text in TEXTS]).reshape(3, -1)
    stock = _stock(model, matching=True)
    torch.testing.assert_close(found, stock[..., 1] - stock[..., 0], atol=1e-4, rtol=0)
    assert found.std() > 1e-3


def test_without_a_picture_only_title_and_text_count(model: Blip2RetrievalModel) -> None:
    first, second = model.encode_images(pictures(2), ["a", "b"])
    title, text = TEXTS[:2]
    blind = model.match([Pair(None, title, text)])
    # In one batch with pictures: those of the others must not leak in.
    mixed = model.match([Pair(first, title, text), Pair(None, title, text + " "), Pair(second, title, text)])
    fresh = Blip2RetrievalModel(model.checkpoint)
    fresh_first, _ = fresh.encode_images(pictures(2), ["a", "b"])
    together = fresh.match([Pair(fresh_first, title, text), Pair(None, title, text)])
    torch.testing.assert_close(together[1:], blind, atol=1e-5, rtol=0)
    assert len({round(value, 4) for value in (*mixed.tolist(), *blind.tolist())}) >= 3
    assert model.match([Pair(None, TEXTS[2], text)]) != blind


def test_a_title_is_read_before_the_text(model: Blip2RetrievalModel) -> None:
    (image,) = model.encode_images(pictures(1), ["a"])
    with_title, other, without = model.match(
        [Pair(image, TEXTS[0], TEXTS[1]), Pair(image, TEXTS[1], TEXTS[0]), Pair(image, None, TEXTS[1])]
    ).tolist()
    assert len({round(value, 5) for value in (with_title, other, without)}) == 3


def test_batches_and_padding_change_nothing(model: Blip2RetrievalModel) -> None:
    texts = [*TEXTS, "", "a " * 40]
    together = model.encode_texts(texts)
    for text, encoded in zip(texts, together, strict=True):
        (alone,) = model.encode_texts([text])
        torch.testing.assert_close(alone.embedding, encoded.embedding, atol=1e-5, rtol=0)
        assert encoded.embedding.norm().item() == pytest.approx(1.0, abs=1e-5)
    one, two = model.encode_images(pictures(2), ["a", "b"])
    (alone_two,) = model.encode_images(pictures(2)[1:], ["b"])
    torch.testing.assert_close(alone_two.embedding, two.embedding, atol=1e-5, rtol=0)
    assert not torch.allclose(one.embedding, two.embedding)


def test_texts_longer_than_the_positions_are_cut(model: Blip2RetrievalModel) -> None:
    (image,) = model.encode_images(pictures(1), ["a"])
    long = " ".join(TEXTS * 10)
    assert torch.isfinite(model.match([Pair(image, long, long)])).all()
    assert torch.isfinite(model.encode_texts([long])[0].embedding).all()


def test_a_pair_of_nothing_is_refused(model: Blip2RetrievalModel) -> None:
    with pytest.raises(ValueError, match="picture or a title"):
        model.match([Pair(None, None, "a")])


def test_settings_tell_depths_apart(tmp_path: Path) -> None:
    folder = save_tiny_blip2_retrieval(tmp_path)
    shallow, deep = (Blip2RetrievalModel(folder, depth=depth) for depth in (0, 4))
    assert shallow.settings() != deep.settings()
    assert shallow.state_key != deep.state_key  # encodings of the one lack what the other judges by
    assert shallow.encode_images(pictures(1), ["a"])[0].tokens is None


def test_what_generates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="weights are missing"):
        Blip2RetrievalModel("dmsbench/models/weights/tiny-blip2-scenes")
