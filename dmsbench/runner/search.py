"""One direction of retrieval under one condition: who is searched, who asks, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dmsbench.data.base import Dataset, Sample
from dmsbench.data.retrieval import DIRECTIONS
from dmsbench.grid import CLEAN, View
from dmsbench.models.retrieval import EncodedText, Item, Ranking, Retriever
from dmsbench.runner.encodings import Encodings
from dmsbench.runner.patience import Patience
from dmsbench.runner.rows import Outcome
from dmsbench.runner.views import ABSENT_HASH, ImageView, TextView, text_hash
from dmsbench.suite import RetrievalConfig
from dmsbench.tasks.retrieval import ranks

IMAGE_TO_TEXT, TEXT_TO_IMAGE = DIRECTIONS

#: A sample's text as shown under a view.
Reader = Callable[[Sample, View], TextView]


@dataclass(frozen=True, slots=True)
class Split:
    """All that can be found, whoever asks: items by group, texts by id, both sorted."""

    items: Mapping[str, Sample]
    texts: Mapping[str, Sample]

    @classmethod
    def of(cls, dataset: Dataset) -> Split:
        """A data set's, without the samples that have a fault."""
        sound = [sample for sample in dataset.samples if sample.fault is None]
        items = {sample.group: sample for sample in sound if sample.direction == IMAGE_TO_TEXT}
        texts = {sample.id: sample for sample in sound if sample.direction == TEXT_TO_IMAGE}
        return cls(dict(sorted(items.items())), dict(sorted(texts.items())))


@dataclass(frozen=True, slots=True)
class Sight:
    """Under which views a direction shows the pictures and titles of items, and the texts."""

    image: View
    title: View
    text: View

    @classmethod
    def of(cls, config: RetrievalConfig, direction: str, image: View, text: View) -> Sight:
        """A condition's views on the side that is corrupted, clean ones on the other."""
        side = config.side(direction)
        query, gallery = side in ("query", "both"), side in ("gallery", "both")
        items, texts = (query, gallery) if direction == IMAGE_TO_TEXT else (gallery, query)
        return cls(image if items else CLEAN, text if items else CLEAN, text if texts else CLEAN)


@dataclass(frozen=True, slots=True)
class Gallery:
    """The candidates in order, as a model keeps them; who cannot be one, and why.

    ``alike``: the places of those that show one and the same, two or more each.
    """

    place: Mapping[str, int]
    members: Sequence[Any]
    failed: Mapping[str, Outcome]
    alike: Sequence[Sequence[int]]


class Search:
    """A direction under a condition. ``pictures`` has every item that is shown, by group."""

    def __init__(
        self,
        direction: str,
        sight: Sight,
        split: Split,
        pictures: Mapping[str, ImageView],
        read: Reader,
        patience: Patience | None = None,
    ) -> None:
        self.direction, self.sight, self.split = direction, sight, split
        self._patience = patience or Patience()
        self.pictures, self.read = pictures, read
        self.finds_texts = direction == IMAGE_TO_TEXT
        self.candidates = split.texts if self.finds_texts else split.items

    def contents(self, queries: Sequence[Sample]) -> dict[str, bool]:
        """Every text that a model has to read for these queries and the gallery, and whether it is clean."""
        items = queries if self.finds_texts else self.candidates.values()
        texts = self.candidates.values() if self.finds_texts else queries
        found: dict[str, bool] = {}
        shown = [self._text(text) for text in texts]
        shown += [self._title(item) for item in items if item.context is not None]
        for text in shown:
            if text.present and text.error is None:
                content = text.question if text.context is None else text.context
                found[content] = found.get(content, False) or not text.changed
        return found

    def gallery(self, encodings: Encodings) -> Gallery:
        """All candidates that can be shown and encoded."""
        members: list[Any] = []
        place: dict[str, int] = {}
        failed: dict[str, Outcome] = {}
        for name, sample in self.candidates.items():
            found = self._encoded(sample, encodings, as_text=self.finds_texts)
            if isinstance(found, Outcome):
                failed[name] = found
            else:
                place[name] = len(members)
                members.append(found)
        alike: dict[object, list[int]] = {}
        for number, member in enumerate(members):
            alike.setdefault(_content(member), []).append(number)
        return Gallery(place, members, failed, [places for places in alike.values() if len(places) > 1])

    def shown(self, query: Sample) -> tuple[ImageView, TextView]:
        """What a record tells of a query: its item and text; changed where these or what it seeks are hit."""
        right = [self.candidates[name] for name in query.answers if name in self.candidates]
        if self.finds_texts:
            title = self._title(query)
            hit = title.changed or any(self._text(text).changed for text in right)
            return self.pictures[query.group], replace(title, changed=hit)
        own = self._text(query)
        hit = own.changed or any(self._title(item).changed for item in right)
        pictures = [self.pictures[item.group] for item in right]
        image = pictures[0] if pictures else ImageView(None, "", False)
        return (
            replace(image, changed=any(picture.changed for picture in pictures)),
            replace(own, changed=hit),
        )

    def outcomes(
        self, model: Retriever, queries: Sequence[Sample], gallery: Gallery, encodings: Encodings
    ) -> list[Outcome]:
        """What a model makes of the queries; those that can be judged are asked together."""
        found: dict[str, Outcome] = {}
        asked: list[tuple[Sample, Any]] = []
        for query in queries:
            encoded = self._encoded(query, encodings, as_text=not self.finds_texts)
            unjudged = self._unjudged(query, gallery)
            if isinstance(encoded, Outcome):
                found[query.id] = encoded
            elif unjudged is not None:
                found[query.id] = unjudged
            else:
                asked.append((query, encoded))
        if asked:
            answered = self._ask(model, asked, gallery)
            found.update((query.id, one) for (query, _), one in zip(asked, answered, strict=True))
        return [found[query.id] for query in queries]

    def _unjudged(self, query: Sample, gallery: Gallery) -> Outcome | None:
        """Why no rank of this query would be right, if so."""
        for name in query.answers:
            if name in gallery.failed:
                lost = gallery.failed[name]
                return Outcome.failed(lost.status, f"'{name}', which it seeks, is not there: {lost.error}")
        if not any(name in gallery.place for name in query.answers):
            return Outcome.failed("data_error", "nothing that it seeks is in the data set")
        return None

    def _ask(self, model: Retriever, asked: Sequence[tuple[Sample, Any]], gallery: Gallery) -> list[Outcome]:
        """Ranks the gallery for queries; those that fail together are halved, down to the one at fault."""
        own = [encoded for _, encoded in asked]
        items, texts = (own, gallery.members) if self.finds_texts else (gallery.members, own)
        ranking, trouble = self._patience.tried(
            lambda: model.rank(self.direction, items, texts, range(len(own)))
        )
        if trouble is not None and len(asked) == 1:
            return [Outcome.failed("model_error", trouble.reason)]
        if trouble is not None:
            half = len(asked) // 2
            return self._ask(model, asked[:half], gallery) + self._ask(model, asked[half:], gallery)
        # A product of matrices rounds equal rows differently: without this their place would decide.
        scores = np.array(ranking.scores)
        for places in gallery.alike:
            scores[:, places] = scores[:, places].max(axis=1, keepdims=True)
        ranking = replace(ranking, scores=scores)
        names = list(gallery.place)
        found = []
        for index, (query, _) in enumerate(asked):
            right = [gallery.place[name] for name in query.answers if name in gallery.place]
            item = index if self.finds_texts else right[0]
            found.append(_outcome(ranking, index, item, right, names))
        return found

    def _text(self, text: Sample) -> TextView:
        return self.read(text, self.sight.text)

    def _title(self, item: Sample) -> TextView:
        if item.context is None:
            return TextView(item.question, None, True, text_hash(item.question), False)
        return self.read(item, self.sight.title)

    def _encoded(self, sample: Sample, encodings: Encodings, *, as_text: bool) -> Any:
        """A sample as the model keeps it (None for a text that is absent), or the Outcome of why not."""
        return self._encoded_text(sample, encodings) if as_text else self._encoded_item(sample, encodings)

    def _encoded_text(self, sample: Sample, encodings: Encodings) -> EncodedText | Outcome | None:
        shown = self._text(sample)
        return _read(shown, shown.question, encodings)

    def _encoded_item(self, sample: Sample, encodings: Encodings) -> Item | Outcome:
        picture, shown = self.pictures[sample.group], self._title(sample)
        if picture.error is not None:
            return Outcome.failed(picture.status, picture.error)
        title = _read(shown, shown.context, encodings)
        if isinstance(title, Outcome):
            return title
        if picture.hash == ABSENT_HASH:
            return Item(None, title)
        image = encodings.image(picture.hash)
        return Outcome.failed("model_error", image) if isinstance(image, str) else Item(image, title)


def _read(shown: TextView, content: str | None, encodings: Encodings) -> EncodedText | Outcome | None:
    """A text as the model keeps it, None where it is absent, or why there is nothing to keep."""
    if shown.error is not None:
        return Outcome.failed("corruption_error", shown.error)
    if content is None or not shown.present:
        return None
    text = encodings.text(content)
    return Outcome.failed("model_error", text) if isinstance(text, str) else text


def _content(member: Item | EncodedText | None) -> object:
    """What a candidate shows."""
    if isinstance(member, Item):
        image, title = member.image, member.title
        return None if image is None else image.key, None if title is None else title.text
    return None if member is None else member.text


def _outcome(ranking: Ranking, query: int, item: int, right: Sequence[int], names: Sequence[str]) -> Outcome:
    """One query's ranking; ``item`` is whose weights and signals are recorded."""
    scores, signals = ranking.scores[query], ranking.signals
    sure, margin = float(ranking.confidence[query]), float(ranking.margin[query])
    nothing = bool(np.isneginf(scores).all())
    if np.isnan(scores).any() or np.isposinf(scores).any() or not (nothing or math.isfinite(sure)):
        return Outcome.failed("model_error", "the model's scores are not finite")
    return Outcome(
        "ok",
        prediction="" if nothing else names[int(scores.argmax())],
        confidence=sure if math.isfinite(sure) else None,
        margin=margin if math.isfinite(margin) else None,
        weights=None if ranking.weights is None else tuple(map(float, ranking.weights[item])),
        signals=None
        if signals is None
        else (
            *map(float, signals.confidence[item]),
            *map(float, signals.uncertainty[item]),
            float(signals.consistency[item]),
        ),
        rank=int(ranks(scores[None], [right])[0]),
    )
