"""``dmsbench fit`` for retrieval: items of the training split under simulated corruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dmsbench.data.base import Dataset, Sample
from dmsbench.errors import DataError, ModelError
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence
from dmsbench.models.base import Image
from dmsbench.models.evidence import MonteCarlo
from dmsbench.models.fitted import FittedFolder
from dmsbench.models.item_evidence import ItemReader, cosines
from dmsbench.models.retrieval import EncodedImage, EncodedText, Pair, RetrievalAdapter
from dmsbench.runner.plan import batches
from dmsbench.runner.views import ABSENT_HASH, Views
from dmsbench.suite import Suite
from dmsbench.training.collect import Collected
from dmsbench.training.fit import FitPlan, Progress, fitted_to
from dmsbench.training.simulated import Draw, draws, simulating
from dmsbench.training.validation import Figures

#: Texts of the bank that evidence is measured over, and of candidates beside the right one.
BANK, RIVALS = 256, 7
#: Draws whose views are in hand at once.
_PART = 64


@dataclass(frozen=True, slots=True)
class _Row:
    """An item under a condition, and the text that tells of it."""

    image: EncodedImage
    title: EncodedText
    right: EncodedText
    group: str
    condition: str


def fit(
    adapter: RetrievalAdapter,
    dataset: Dataset,
    suite: Suite,
    out: Path,
    plan: FitPlan,
    *,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> tuple[FittedFolder, Figures]:
    """Fits a scheduler of picture and title on ``dataset`` (a training split) and saves it to ``out``.

    Rows are items that have both. What is right is the item's own text, among the bank's where there is no
    second stage, and among the bank's nearest, judged anew, where there is one. Texts of the bank are of
    items that are no rows; they go into the card, since the evidence at run time is measured over them too.

    Raises DataError where items are too few, ModelError where the checkpoint's numbers are not finite.
    """
    items, bank = _split(dataset, plan.limit)
    reader = ItemReader(adapter.encode_texts(bank), adapter.scale, CORNERS_AND_UNIFORM)
    simulated = simulating(suite, plan.families)
    views = Views(plan.seed, dataset, simulated.profile, simulated.applied)
    texts = {sample.group: sample.question for sample in _texts(dataset)}
    drawn = draws(items, plan.families, plan.seed, plan.times, simulated.unprotected)
    parts: list[Collected] = []
    done = rows = 0
    for some in batches(drawn, _PART):
        found = list(_rows(adapter, views, some, texts))
        views.forget()
        if found:
            parts.append(_collected(adapter, reader, found))
        done, rows = done + len(some), rows + len(found)
        on_progress(Progress(done, len(drawn), rows))
    if not parts:
        raise DataError(f"data set '{dataset.name}' has no item to fit on")
    whole = _joined(parts)
    if not all(bool(torch.isfinite(each).all()) for each in (whole.log_likelihood, whole.image, whole.text)):
        raise ModelError("the checkpoint's numbers are not finite: try dtype=float32")
    more = {"bank": list(bank), "depth": adapter.depth}
    return fitted_to(adapter, whole, dataset, suite, out, plan, None, MonteCarlo(), more)


def _texts(dataset: Dataset) -> list[Sample]:
    return [s for s in dataset.samples if s.direction == "text_to_image" and s.fault is None]


def _split(dataset: Dataset, limit: int | None) -> tuple[list[Sample], tuple[str, ...]]:
    """The items to fit on, and the bank: texts of the last of the others.

    Raises DataError where there are too few of either.
    """
    items = [
        sample
        for sample in dataset.samples
        if sample.direction == "image_to_text" and sample.fault is None and sample.context
    ]
    texts = {sample.group: sample.question for sample in _texts(dataset)}
    size = min(BANK, len(items) // 4)
    kept = {sample.group for sample in items[len(items) - size :]}
    bank = tuple(dict.fromkeys(texts[group] for group in kept if group in texts))
    if len(bank) < 2:
        raise DataError(
            f"data set '{dataset.name}': {len(items)} items with picture, title and caption are too few to "
            "fit on"
        )
    rest = [sample for sample in items if sample.group not in kept and sample.group in texts]
    return rest[:limit], tuple(sorted(bank))


def _rows(
    adapter: RetrievalAdapter, views: Views, drawn: Sequence[Draw], texts: dict[str, str]
) -> Iterator[_Row]:
    pictures: list[Image] = []
    keys: list[str] = []
    shown: list[tuple[str, str, str]] = []
    for draw in drawn:
        image = views.image(draw.group, draw.condition.image)
        for sample in draw.samples:
            text = views.text(sample, draw.condition.text)
            if image.pixels is not None and image.hash != ABSENT_HASH and text.present and text.error is None:
                pictures.append(image.pixels)
                keys.append(image.hash)
                shown.append((text.context or "", sample.group, str(draw.condition)))
    images = adapter.encode_images(pictures, keys)
    titles = adapter.encode_texts([title for title, _, _ in shown])
    rights = adapter.encode_texts([texts[group] for _, group, _ in shown])
    for n, (_, group, condition) in enumerate(shown):
        yield _Row(images[n], titles[n], rights[n], group, condition)


def _collected(adapter: RetrievalAdapter, reader: ItemReader, rows: Sequence[_Row]) -> Collected:
    read = reader.read([row.image for row in rows], [row.title for row in rows])
    judged = _judged(adapter, reader, rows) if adapter.depth else _compared(adapter, reader, rows)
    right = torch.zeros(len(rows), judged.shape[2], dtype=torch.bool)
    right[:, 0] = True
    return Collected(
        read.evidence,
        torch.stack([row.image.features for row in rows]),
        torch.stack([row.title.features for row in rows]),
        judged[:, :, 0].clamp_min(1e-12).log(),
        right,
        tuple(row.group for row in rows),
        tuple(row.condition for row in rows),
        judged=judged,
    )


def _similar(reader: ItemReader, rows: Sequence[_Row]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines (N, M) with the right text, and (N, M, K) with the bank's, −1 for those that equal it."""
    pictures = torch.stack([row.image.embedding for row in rows])
    titles = torch.stack([row.title.embedding for row in rows])
    rights = torch.stack([row.right.embedding for row in rows])
    own = torch.stack(
        [torch.einsum("ned,nd->ne", pictures, rights).amax(dim=1), (titles * rights).sum(dim=1)], dim=1
    )
    others = torch.stack([cosines(pictures, reader.vectors), titles @ reader.vectors.T], dim=1)
    same = torch.tensor([[text == row.right.text for text in reader.texts] for row in rows])
    return own, torch.where(same[:, None], -1.0, others)


def _compared(adapter: RetrievalAdapter, reader: ItemReader, rows: Sequence[_Row]) -> torch.Tensor:
    """Distributions (N, P, 1 + K) over the right text and the bank, by the first stage."""
    own, others = _similar(reader, rows)
    cosine = torch.cat([own[:, :, None], others], dim=2)
    logits = adapter.scale * torch.einsum("pm,nmk->npk", reader.points.tensor, cosine)
    return logits.softmax(dim=-1)


def _judged(adapter: RetrievalAdapter, reader: ItemReader, rows: Sequence[_Row]) -> torch.Tensor:
    """Distributions (N, P, 1 + RIVALS) over the right text and the bank's nearest, by the second stage."""
    _, others = _similar(reader, rows)
    nearest = others.mean(dim=1).topk(min(RIVALS, others.shape[2]), dim=1).indices.tolist()
    pairs = []
    for row, near in zip(rows, nearest, strict=True):
        candidates = [row.right.text, *(reader.texts[k] for k in near)]
        # In the order of the points: the picture alone, the title alone, both.
        for image, title in ((row.image, None), (None, row.title.text), (row.image, row.title.text)):
            pairs += [Pair(image, title, text) for text in candidates]
    odds = adapter.match(pairs)
    return odds.reshape(len(rows), len(reader.points), -1).softmax(dim=-1)


def _joined(parts: Sequence[Collected]) -> Collected:
    def stacked(name: str) -> torch.Tensor:
        return torch.cat([getattr(part, name) for part in parts])

    def seen(name: str) -> torch.Tensor:
        return torch.cat([getattr(part.evidence, name) for part in parts])

    return Collected(
        Evidence(seen("probabilities"), seen("uncertainty"), seen("consistency"), energy=seen("energy")),
        stacked("image"),
        stacked("text"),
        stacked("log_likelihood"),
        stacked("right"),
        tuple(group for part in parts for group in part.groups),
        tuple(condition for part in parts for condition in part.conditions),
        judged=stacked("judged"),
    )
