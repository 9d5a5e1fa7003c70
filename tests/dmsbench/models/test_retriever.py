"""Rankings at points of the simplex: static fusion, mixtures, absent modalities, the second stage."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.fusion.blind import ShareBank
from dmsbench.fusion.points import CORNERS_AND_UNIFORM
from dmsbench.models.item_evidence import ItemReader, cosines
from dmsbench.models.retrieval import EncodedImage, EncodedText, Item, Pair
from dmsbench.models.retriever import PointRetriever, _leading
from dmsbench.models.weighing import AtPoint, ByEvidence

WIDTH = 6


class Toy:
    """An adapter whose vectors are random, and whose second stage is a hash of what it judges."""

    state_key = weights_hash = config_hash = "toy"
    parameters = 0
    scale = 8.0

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.asked: list[Pair] = []

    def encode_images(self, images: Sequence[Any], keys: Sequence[str]) -> list[EncodedImage]:
        return [EncodedImage(key, _vectors(f"i{key}", 2), torch.zeros(2)) for key in keys]

    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        return [EncodedText(text, _vectors(f"t{text}", 1)[0], torch.zeros(2)) for text in texts]

    def match(self, pairs: Sequence[Pair]) -> torch.Tensor:
        self.asked += pairs
        return torch.tensor([self.odds(pair) for pair in pairs])

    def odds(self, pair: Pair) -> float:
        key = None if pair.image is None else pair.image.key
        return float(_vectors(f"{key}/{pair.title}/{pair.text}", 1)[0, 0]) * 6

    def settings(self) -> dict[str, Any]:
        return {"family": "toy"}


def _vectors(name: str, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(ord(c) * 31**n for n, c in enumerate(name)) % 2**31)
    return torch.nn.functional.normalize(torch.randn(count, WIDTH, generator=generator), dim=-1)


def _world(adapter: Toy, count: int = 7) -> tuple[list[Item], list[EncodedText | None]]:
    keys = [str(n) for n in range(count)]
    images, titles = (
        adapter.encode_images([None] * count, keys),
        adapter.encode_texts([f"title {k}" for k in keys]),
    )
    items = [Item(image, title) for image, title in zip(images, titles, strict=True)]
    return items, list(adapter.encode_texts([f"caption {key}" for key in keys]))


def _mixed(adapter: Toy, *shares: float) -> PointRetriever:
    reader = ItemReader(
        adapter.encode_texts([f"bank {n}" for n in range(9)]), adapter.scale, CORNERS_AND_UNIFORM
    )
    return PointRetriever(adapter, ByEvidence(reader, ShareBank((shares,))))


def _cosine(item: Item, text: EncodedText) -> tuple[float, float]:
    assert item.image is not None and item.title is not None
    return (
        float(cosines(item.image.embedding[None], text.embedding[None])[0, 0]),
        float(item.title.embedding @ text.embedding),
    )


def test_static_fusion_is_the_mean_of_both_similarities() -> None:
    adapter = Toy()
    items, texts = _world(adapter)
    found = PointRetriever(adapter, AtPoint()).rank("image_to_text", items, texts, range(len(items)))
    for i, item in enumerate(items):
        for t, text in enumerate(texts):
            assert text is not None
            assert found.scores[i, t] == pytest.approx(adapter.scale * sum(_cosine(item, text)) / 2, abs=1e-5)
    assert found.weights is not None and (found.weights == 0.5).all()


@pytest.mark.parametrize("depth", [0, 3])
def test_both_directions_score_a_pair_alike(depth: int) -> None:
    adapter = Toy(depth)
    items, texts = _world(adapter)
    for retriever in (PointRetriever(adapter, AtPoint()), _mixed(adapter, 0.3, 0.5, 0.2)):
        there = retriever.rank("image_to_text", items, texts, range(7)).scores
        back = retriever.rank("text_to_image", items, texts, range(7)).scores
        if depth == 0:
            np.testing.assert_allclose(there, back.T, atol=1e-5)
        elif not retriever.weigher.mixes:  # a mixture compares a query's candidates with one another
            judged = (there > 1e5) & (back.T > 1e5)
            assert judged.any()
            np.testing.assert_allclose(there[judged], back.T[judged], atol=1e-5)


@pytest.mark.parametrize("depth", [0, 3])
def test_all_share_on_the_uniform_point_is_static_fusion(depth: int) -> None:
    adapter = Toy(depth)
    items, texts = _world(adapter)
    items[2], items[4] = Item(items[2].image, None), Item(None, items[4].title)
    for direction in ("image_to_text", "text_to_image"):
        static = PointRetriever(adapter, AtPoint()).rank(direction, items, texts, range(7))
        mixed = _mixed(adapter, 0.0, 0.0, 1.0).rank(direction, items, texts, range(7))
        np.testing.assert_allclose(mixed.scores, static.scores, atol=1e-5)
        np.testing.assert_allclose(mixed.confidence, static.confidence, atol=1e-5)


def test_a_corners_share_gives_that_modalitys_order_of_texts() -> None:
    adapter = Toy()
    items, texts = _world(adapter)
    alone = PointRetriever(adapter, AtPoint((1.0, 0.0))).rank("image_to_text", items, texts, range(7)).scores
    mixed = _mixed(adapter, 1.0, 0.0, 0.0).rank("image_to_text", items, texts, range(7))
    assert (alone.argsort(axis=1) == mixed.scores.argsort(axis=1)).all()
    assert mixed.weights is not None and (mixed.weights == [1.0, 0.0]).all()


def test_the_mixture_is_the_formulas() -> None:
    adapter, shares = Toy(), (0.2, 0.5, 0.3)
    items, texts = _world(adapter)
    retriever = _mixed(adapter, *shares)
    found = retriever.rank("text_to_image", items, texts, range(7)).scores
    bank = adapter.encode_texts([f"bank {n}" for n in range(9)])

    def at(item: Item, text: EncodedText) -> list[float]:
        image, title = _cosine(item, text)
        return [adapter.scale * value for value in (image, title, (image + title) / 2)]

    for i, item in enumerate(items):
        norms = np.log(np.exp([at(item, text) for text in bank]).sum(axis=0))
        for t, text in enumerate(texts):
            assert text is not None
            logits = np.array(at(item, text))
            expected = np.log((np.array(shares) * np.exp(logits - norms)).sum()) + norms[2]
            assert found[t, i] == pytest.approx(expected, abs=1e-4)


def test_an_item_with_one_modality_is_seen_by_it_alone() -> None:
    adapter = Toy()
    items, texts = _world(adapter)
    untitled = [Item(item.image, None) for item in items]
    by_image = (
        PointRetriever(adapter, AtPoint((1.0, 0.0))).rank("image_to_text", items, texts, range(7)).scores
    )
    for retriever in (PointRetriever(adapter, AtPoint()), _mixed(adapter, 0.1, 0.8, 0.1)):
        found = retriever.rank("image_to_text", untitled, texts, range(7))
        np.testing.assert_allclose(found.scores, by_image, atol=1e-5)
        assert found.weights is not None and (found.weights == [1.0, 0.0]).all()


def test_what_is_not_there_scores_minus_infinity() -> None:
    adapter = Toy(depth=2)
    items, texts = _world(adapter)
    items[1], items[3], texts[5] = Item(None, None), Item(None, items[3].title), None
    static = PointRetriever(adapter, AtPoint())
    found = static.rank("image_to_text", items, texts, range(7)).scores
    assert np.isneginf(found[1]).all() and np.isneginf(found[:, 5]).all()
    assert np.isfinite(np.delete(np.delete(found, 1, 0), 5, 1)).all()
    back = static.rank("text_to_image", items, texts, range(7)).scores
    assert np.isneginf(back[5]).all() and np.isneginf(back[:, 1]).all()
    # As everywhere, a model of pictures alone sees what has none by its title.
    alone = PointRetriever(Toy(), AtPoint((1.0, 0.0))).rank("image_to_text", items, texts, [3])
    title = PointRetriever(Toy(), AtPoint((0.0, 1.0))).rank("image_to_text", items, texts, [3])
    np.testing.assert_allclose(alone.scores, title.scores)


def test_the_second_stage_orders_the_first_ones_best() -> None:
    adapter = Toy(depth=3)
    items, texts = _world(adapter)
    first = PointRetriever(Toy(), AtPoint()).rank("image_to_text", items, texts, range(7)).scores
    found = PointRetriever(adapter, AtPoint()).rank("image_to_text", items, texts, range(7)).scores
    for i, item in enumerate(items):
        best = list(np.argsort(-first[i]))[:3]
        said = {t: texts[t] for t in best}

        def judged(t: int, item: Item = item, said: dict[int, EncodedText | None] = said) -> float:
            text = said[t]
            assert text is not None and item.title is not None
            return adapter.odds(Pair(item.image, item.title.text, text.text)) + sum(_cosine(item, text)) / 2

        expected = sorted(best, key=judged, reverse=True) + list(np.argsort(-first[i]))[3:]
        assert list(np.argsort(-found[i])) == expected
    assert all(pair.image is not None and pair.title is not None for pair in adapter.asked)


def test_the_second_stage_mixes_what_each_sight_says_of_the_candidates() -> None:
    adapter, shares = Toy(depth=7), np.array([0.25, 0.35, 0.4])
    items, texts = _world(adapter)
    found = _mixed(adapter, *shares).rank("image_to_text", items, texts, [2]).scores[0]
    first = _mixed(Toy(), *shares).rank("image_to_text", items, texts, [2]).scores[0]
    item = items[2]
    assert item.title is not None
    odds = np.array(
        [
            [
                adapter.odds(Pair(item.image, None, text.text)),
                adapter.odds(Pair(None, item.title.text, text.text)),
                adapter.odds(Pair(item.image, item.title.text, text.text)),
            ]
            for text in texts
            if text is not None
        ]
    )
    sums = np.exp(odds).sum(axis=0)
    expected = np.log((shares * np.exp(odds) / sums).sum(axis=1) * sums[2]) + first / adapter.scale
    np.testing.assert_allclose(found - 1e6, expected, atol=1e-4)


def test_queries_asked_together_or_alone_are_ranked_alike() -> None:
    adapter = Toy(depth=3)
    items, texts = _world(adapter)
    retriever = _mixed(adapter, 0.2, 0.2, 0.6)
    for direction in ("image_to_text", "text_to_image"):
        together = retriever.rank(direction, items, texts, range(7))
        for query in range(7):
            alone = retriever.rank(direction, items, texts, [query])
            np.testing.assert_allclose(alone.scores[0], together.scores[query], atol=1e-6)
            assert alone.confidence[0] == pytest.approx(together.confidence[query], abs=1e-6)
            if direction == "image_to_text":
                assert alone.weights is not None and together.weights is not None
                np.testing.assert_allclose(alone.weights[query], together.weights[query], atol=1e-6)


def test_equals_at_the_edge_are_all_left_to_the_first_stage() -> None:
    scores = np.array([[3.0, 2.0, 2.0, 1.0]])
    assert _leading(scores, 2).tolist() == [[True, False, False, False]]
    assert _leading(np.full((1, 5), -np.inf), 2).sum() == 0
    for order in permutations(range(4)):
        assert (_leading(scores[:, order], 2) == _leading(scores, 2)[:, order]).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-np.inf, 0.0, 1.0, 2.0]), min_size=1, max_size=8), st.integers(1, 6))
def test_never_more_than_the_depth_are_judged(row: list[float], depth: int) -> None:
    found = _leading(np.array([row]), depth)[0]
    assert found.sum() <= depth or len(row) <= depth
    assert np.isfinite(np.array(row)[found]).all()


@pytest.mark.parametrize("point", [(0.5, 0.5), (0.0, 1.0)])
@pytest.mark.parametrize("depth", [0, 4])
def test_items_of_equal_content_tie_wherever_they_stand(point: tuple[float, float], depth: int) -> None:
    adapter = Toy(depth)
    items, texts = _world(adapter, 40)
    # A text-only model sees items of one title as one, whatever their pictures; others see equal items so.
    twin = Item(items[0].image if point[0] else items[1].image, items[0].title)
    crowd = [*items[:17], twin, *items[17:], twin]
    scores = PointRetriever(adapter, AtPoint(point)).rank("text_to_image", crowd, texts, range(40)).scores
    judged = (scores[:, [0, 17, 41]] > 1e5).sum(axis=1)
    same = scores[np.isin(judged, (0, 3))][:, [0, 17, 41]]
    assert len(same) == 40
    assert (same == same[:, :1]).all()


def test_a_second_stage_that_gives_no_number_is_not_hidden() -> None:
    adapter = Toy(depth=2)
    adapter.odds = lambda pair: float("nan")  # type: ignore[method-assign]
    items, texts = _world(adapter)
    found = PointRetriever(adapter, AtPoint()).rank("image_to_text", items, texts, range(7))
    assert (np.isnan(found.scores).sum(axis=1) == 2).all()
