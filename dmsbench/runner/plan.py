"""From a suite's grid to pieces of work: one image view of one block of images at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from dmsbench.data.base import Dataset, Sample
from dmsbench.grid import CLEAN, Condition, View
from dmsbench.suite import RetrievalConfig

#: Images a block: what is corrupted, encoded and remembered together, and lost at most by a kill.
BLOCK_IMAGES = 128

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """An image view with every text view that is asked of it."""

    image: View
    texts: tuple[View, ...]


def strands(images: Sequence[ImagePlan]) -> Iterator[tuple[int, int]]:
    """Where image plans of one corruption begin and end, the clean one by itself.

    What a strand's severities show can be the same, as with a modality corruption that hits more and more
    samples; what two corruptions show is not expected to be.
    """
    start = 0
    for end in range(1, len(images) + 1):
        if end == len(images) or images[end].image.corruption != images[start].image.corruption:
            yield start, end
            start = end


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive images of the data set and all their samples."""

    index: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Blocks × image plans; the clean image view first, so that what it answers serves the others."""

    blocks: tuple[Block, ...]
    images: tuple[ImagePlan, ...]

    @property
    def samples(self) -> int:
        """Samples in all."""
        return sum(len(block.samples) for block in self.blocks)

    @property
    def conditions(self) -> int:
        """Conditions in all."""
        return sum(len(plan.texts) for plan in self.images)


def by_image(conditions: Iterable[Condition]) -> tuple[ImagePlan, ...]:
    """Groups conditions by image view, in order of first appearance, the clean one first."""
    texts: dict[View, list[View]] = {CLEAN: []}
    for condition in conditions:
        texts.setdefault(condition.image, []).append(condition.text)
    return tuple(ImagePlan(image, tuple(found)) for image, found in texts.items() if found)


def limited(
    dataset: Dataset, limit: int | None, retrieval: RetrievalConfig | None = None
) -> tuple[Sample, ...]:
    """The first ``limit`` samples; a larger limit contains a smaller one.

    Of retrieval those queries alone whose direction is asked.
    """
    if retrieval is None:
        return dataset.samples[:limit]
    return tuple(islice((s for s in dataset.samples if s.direction and retrieval.side(s.direction)), limit))


def in_blocks(samples: Sequence[Sample], images: int = BLOCK_IMAGES) -> tuple[Block, ...]:
    """Cuts samples, whole images together, into blocks of so many images."""
    groups = list(dict.fromkeys(sample.group for sample in samples))
    number = {group: index // images for index, group in enumerate(groups)}
    members: dict[int, list[Sample]] = {}
    for sample in samples:
        members.setdefault(number[sample.group], []).append(sample)
    return tuple(Block(index, tuple(found)) for index, found in sorted(members.items()))


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Consecutive runs of at most ``size`` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
