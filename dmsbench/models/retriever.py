"""Ranks items for texts and texts for items: by similarity, the best of them judged by a second stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import logsigmoid

from dmsbench.fusion.points import modality_weights
from dmsbench.fusion.signals import Signals
from dmsbench.models.base import MODALITIES, Image
from dmsbench.models.item_evidence import cosines
from dmsbench.models.mixed import unmeasured
from dmsbench.models.retrieval import EncodedImage, EncodedText, Item, Pair, Ranking, RetrievalAdapter
from dmsbench.models.weighing import Weigher

#: What is judged stands above what is not: more than any log-odds or similarity.
_ABOVE = 1e6
#: What a second stage may look at: the picture alone, the title alone, or what there is of both.
_PICTURE, _TITLE, _BOTH = range(3)
#: Decimals of a first-stage score.
_DIGITS = 9
#: Shares below this need no pass of their own.
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """I items as a model weighs them.

    ``weights`` (I, M): mean points, of what is there. ``odds`` (I, 3): shares of judging by the picture, by
    the title, by both. ``usable`` (I,) bool: whether there is anything to compare.
    """

    weights: torch.Tensor
    odds: torch.Tensor
    usable: torch.Tensor
    signals: Signals


class PointRetriever:
    """A checkpoint for retrieval whose items are seen at points of the simplex of picture and title.

    At a point w an item's similarity to a text is Σ_m w_m cos_m, over what the item has; static fusion is
    the mean. A weigher's shares π mix probabilities, log Σ_p π_p exp(l_p − Z_p) + Z_uniform, where l are
    similarities times the checkpoint's scale and Z_p their logsumexp over a fixed bank of texts: with all
    share on the uniform point it is static fusion, exactly, and points of one item are comparable however a
    modality's similarities lie. A second stage judges the ``depth`` best of each query, from the picture,
    from the title and from both: log Σ_p π_p exp(m_p − Z_p) + Z_both of log-odds m, Z_p their logsumexp over
    the candidates that are judged, plus the first stage's similarity as BLIP-2 adds it.

    An item that lacks a modality is seen by the other alone, by every model.
    """

    def __init__(self, adapter: RetrievalAdapter, weigher: Weigher) -> None:
        self.adapter, self.weigher = adapter, weigher
        self.state_key, self.parameters = adapter.state_key, adapter.parameters

    def settings(self) -> dict[str, Any]:
        """The adapter's settings and the weigher's."""
        return {**self.adapter.settings(), **self.weigher.settings()}

    def encode_images(self, images: Sequence[Image], keys: Sequence[str]) -> list[EncodedImage]:
        """The adapter's encodings: they do not depend on the weights."""
        return self.adapter.encode_images(images, keys)

    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        """The adapter's encodings."""
        return self.adapter.encode_texts(texts)

    @torch.inference_mode()
    def rank(
        self,
        direction: str,
        items: Sequence[Item],
        texts: Sequence[EncodedText | None],
        queries: Sequence[int],
    ) -> Ranking:
        """Scores (Q, C) as log-odds where judged, else similarities times the scale."""
        by_item = direction == "image_to_text"
        asked = [items[query] for query in queries] if by_item else list(items)
        searched = list(texts) if by_item else [texts[query] for query in queries]
        first, seen = self._first(asked, searched)
        scores = first if by_item else first.T.copy()
        confident = _best_share(scores)
        if self.adapter.depth:
            leading = _leading(scores, self.adapter.depth)
            judged = self._judged(asked, searched, seen, scores, leading, by_item=by_item)
            best = np.where(leading, judged, -np.inf).max(axis=1, initial=-np.inf) - _ABOVE
            confident = np.where(
                leading.any(axis=1), 1.0 / (1.0 + np.exp(-np.clip(best, -50, 50))), confident
            )
            # What was judged counts even where it is no number: a fault of the model is not hidden.
            scores = np.where(leading, judged, scores / self.adapter.scale)
        weights, signals = seen.weights, seen.signals
        if by_item and list(queries) != list(range(len(items))):
            weights, signals = _spread(weights, signals, queries, len(items))
        return Ranking(
            scores, confident.astype(np.float32), _margins(scores), weights.float().numpy(), signals
        )

    def _first(
        self, items: Sequence[Item], texts: Sequence[EncodedText | None]
    ) -> tuple[npt.NDArray[np.float64], _Seen]:
        """Scaled similarities (I, T), −inf where there is nothing to compare, and how items were weighed."""
        told = [n for n, text in enumerate(texts) if text is not None]
        scores = np.full((len(items), len(texts)), -np.inf)
        vectors = [text.embedding for text in texts if text is not None]
        there = torch.tensor([[item.image is not None, item.title is not None] for item in items])
        there = there.reshape(len(items), len(MODALITIES))
        seen = self._seen(items, there)
        if not told or not len(items):
            return scores, seen
        against = torch.stack(vectors).double()
        cosine = torch.zeros(len(items), len(MODALITIES), len(told), dtype=torch.float64)
        pictured, named = there[:, 0].nonzero()[:, 0].tolist(), there[:, 1].nonzero()[:, 0].tolist()
        if pictured:
            pictures = torch.stack([_vectors(items[n].image) for n in pictured]).double()
            cosine[pictured, 0] = cosines(pictures, against)
        if named:
            cosine[named, 1] = torch.stack([_vectors(items[n].title) for n in named]).double() @ against.T
        found = self._mixed(items, there, cosine, seen)
        # Equal candidates have to tie, wherever they stand: sums of products differ in their last bits.
        scores[np.ix_(range(len(items)), told)] = np.round(found.numpy(), _DIGITS)
        return scores, seen

    def _mixed(
        self, items: Sequence[Item], there: torch.Tensor, cosine: torch.Tensor, seen: _Seen
    ) -> torch.Tensor:
        """Scaled similarities (I, T') from cosines (I, M, T')."""
        scale = self.adapter.scale
        found = scale * torch.einsum("im,imt->it", seen.weights.double(), cosine)
        if self.weigher.mixes:
            both = there.all(dim=1).nonzero()[:, 0]
            if len(both):
                weighed = self._weighed([items[n] for n in both.tolist()])
                points = self.weigher.points
                uniform = points.uniform
                logits = scale * torch.einsum("pm,bmt->bpt", points.tensor.double(), cosine[both])
                shift = weighed.normaliser.double() - weighed.normaliser[:, uniform : uniform + 1]
                logs = weighed.shares.double().log()[:, :, None] + logits - shift[:, :, None]
                found[both] = torch.logsumexp(logs, dim=1)
        found[~seen.usable] = -torch.inf
        return found

    def _seen(self, items: Sequence[Item], there: torch.Tensor) -> _Seen:
        points = self.weigher.points
        # What lacks a modality is seen by the other; what lacks both has no weights to speak of.
        weights = torch.where(there.any(dim=1, keepdim=True), there.float(), 1.0)
        weights = weights / weights.sum(dim=1, keepdim=True)
        odds = torch.zeros(len(items), 3)
        odds[:, :2] = there.float()
        signals = unmeasured(len(items))
        both = there.all(dim=1).nonzero()[:, 0]
        if len(both):
            weighed = self._weighed([items[n] for n in both.tolist()])
            weights[both] = modality_weights(weighed.shares, points)
            odds[both] = weighed.shares @ _by_sight(points.tensor)
            signals.confidence[both] = weighed.signals.confidence
            signals.uncertainty[both] = weighed.signals.uncertainty
            signals.consistency[both] = weighed.signals.consistency
        return _Seen(weights, odds, there.any(dim=1), signals)

    def _weighed(self, items: Sequence[Item]) -> Any:
        images = [item.image for item in items if item.image is not None]
        titles = [item.title for item in items if item.title is not None]
        return self.weigher.weigh(images, titles)

    def _judged(
        self,
        items: Sequence[Item],
        texts: Sequence[EncodedText | None],
        seen: _Seen,
        scores: npt.NDArray[np.float64],
        leading: npt.NDArray[np.bool_],
        *,
        by_item: bool,
    ) -> npt.NDArray[np.float64]:
        """Second-stage scores (Q, C) of the ``leading``, raised above all others; 0 elsewhere."""
        found = np.zeros(scores.shape)
        rows = [(int(q), int(c)) for q, c in zip(*np.nonzero(leading), strict=True)]
        if not rows:
            return found
        if self.weigher.mixes:
            mixed = self._mixed_odds(items, texts, seen, rows, by_item=by_item)
        else:
            mixed = self._odds(items, texts, seen, rows, by_item=by_item)
        for (query, candidate), value in zip(rows, mixed.tolist(), strict=True):
            found[query, candidate] = _ABOVE + value + scores[query, candidate] / self.adapter.scale
        return found

    def _odds(
        self,
        items: Sequence[Item],
        texts: Sequence[EncodedText | None],
        seen: _Seen,
        rows: Sequence[tuple[int, int]],
        *,
        by_item: bool,
    ) -> torch.Tensor:
        """Log-odds (R,) of pairs of query and candidate; several sights with a share as one probability."""
        pairs: list[Pair] = []
        where: list[tuple[int, float]] = []
        for row, (query, candidate) in enumerate(rows):
            item, text = (query, candidate) if by_item else (candidate, query)
            for sight, share in enumerate(seen.odds[item].tolist()):
                if share > _LEAST:
                    pairs.append(_pair(items[item], texts[text], sight))
                    where.append((row, share))
        odds = self.adapter.match(pairs).double()
        at = torch.tensor([row for row, _ in where])
        logs = torch.tensor([share for _, share in where], dtype=torch.float64).log()
        return _log_sums(logs + logsigmoid(odds), at, len(rows)) - _log_sums(
            logs + logsigmoid(-odds), at, len(rows)
        )

    def _mixed_odds(
        self,
        items: Sequence[Item],
        texts: Sequence[EncodedText | None],
        seen: _Seen,
        rows: Sequence[tuple[int, int]],
        *,
        by_item: bool,
    ) -> torch.Tensor:
        """As ``_odds``, by mixing what each sight says of a query's candidates beside one another."""
        pairs: list[Pair] = []
        columns = torch.zeros(len(rows), 3, dtype=torch.long)
        shares = torch.zeros(len(rows), 3, dtype=torch.float64)
        for row, (query, candidate) in enumerate(rows):
            item, text = (query, candidate) if by_item else (candidate, query)
            of = items[item]
            if of.image is not None and of.title is not None:
                columns[row] = torch.arange(len(pairs), len(pairs) + 3)
                pairs += [_pair(of, texts[text], sight) for sight in range(3)]
                shares[row] = seen.odds[item].double()
            else:
                # Of one modality there is one sight, whichever is asked for.
                columns[row] = len(pairs)
                pairs.append(_pair(of, texts[text], _BOTH))
                shares[row, _BOTH] = 1.0
        odds = self.adapter.match(pairs).double()[columns]
        at = torch.tensor([query for query, _ in rows])
        sums = torch.stack([_log_sums(odds[:, sight], at, int(at.max()) + 1) for sight in range(3)], dim=1)
        return torch.logsumexp(shares.log() + odds - sums[at], dim=1) + sums[at, _BOTH]


def _pair(item: Item, text: EncodedText | None, sight: int) -> Pair:
    """Item and text as a second stage sees them: the picture alone, the title alone, or what there is."""
    if text is None:
        raise ValueError("a text that is not there cannot be judged")
    title = None if item.title is None or sight == _PICTURE else item.title.text
    return Pair(None if sight == _TITLE else item.image, title, text.text)


def _vectors(encoded: EncodedImage | EncodedText | None) -> torch.Tensor:
    if encoded is None:
        raise ValueError("what is absent has no vectors")
    return encoded.embedding


def _by_sight(points: torch.Tensor) -> torch.Tensor:
    """Points (P, 2) as shares (P, 3) of picture alone, title alone and both: the two nearest of these."""
    image, text = points[:, 0], points[:, 1]
    return torch.stack(
        [(image - text).clamp_min(0), (text - image).clamp_min(0), 2 * torch.minimum(image, text)], 1
    )


def _log_sums(values: torch.Tensor, at: torch.Tensor, count: int) -> torch.Tensor:
    """logsumexp of the values of each of ``count`` rows, −inf of a row without any."""
    most = torch.full((count,), -torch.inf, dtype=values.dtype).scatter_reduce(0, at, values, "amax")
    most = torch.where(most == -torch.inf, 0.0, most)
    return most + torch.zeros(count, dtype=values.dtype).index_add(0, at, (values - most[at]).exp()).log()


def _leading(scores: npt.NDArray[np.float64], depth: int) -> npt.NDArray[np.bool_]:
    """The ``depth`` best of each row; of equals at the edge none, so that order decides nothing."""
    if scores.shape[1] <= depth:
        return np.isfinite(scores)
    edge = -np.partition(-scores, depth, axis=1)[:, depth]
    return np.isfinite(scores) & (scores > edge[:, None])


def _best_share(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Per row the softmax's largest probability; 1/C where there is nothing to compare."""
    most = scores.max(axis=1, keepdims=True, initial=-np.inf)
    known = np.isfinite(most[:, 0])
    with np.errstate(invalid="ignore"):
        total = np.exp(scores - most).sum(axis=1)
    return np.where(known, 1.0 / np.where(known, total, 1.0), 1.0 / max(1, scores.shape[1]))


def _margins(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Per row the gap between the best two; NaN where there are no two, or only one of them was judged."""
    if scores.shape[1] < 2:
        return np.full(len(scores), np.nan, dtype=np.float32)
    best = -np.partition(-scores, 1, axis=1)[:, :2]
    with np.errstate(invalid="ignore"):
        gap = best[:, 0] - best[:, 1]
    return np.where(np.isfinite(gap) & (gap < _ABOVE / 2), gap, np.nan).astype(np.float32)


def _spread(
    weights: torch.Tensor, signals: Signals, queries: Sequence[int], count: int
) -> tuple[torch.Tensor, Signals]:
    """Weights and signals of the queries at their places among all items; the others were not looked at."""
    at = torch.tensor(queries, dtype=torch.long)
    every, measured = torch.full((count, len(MODALITIES)), torch.nan), unmeasured(count)
    every[at] = weights
    for name in ("confidence", "uncertainty", "consistency"):
        getattr(measured, name)[at] = getattr(signals, name)
    return every, measured
