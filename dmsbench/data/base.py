"""Samples and data sets."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from corruptions import Topic
from dmsbench.errors import DataError
from dmsbench.tasks.vqa import normalise

Direction = Literal["image_to_text", "text_to_image"]


class SampleError(DataError):
    """One sample that cannot be used; the runner records it and goes on."""


class Drawn(Protocol):
    """A picture without a file: drawn whenever it is looked at, each time the same."""

    def draw(self) -> npt.NDArray[np.uint8]:
        """Its pixels, RGB, H×W×3; raises SampleError where there are none."""
        ...


@runtime_checkable
class Kept(Drawn, Protocol):
    """A picture that lies inside of a larger file: read and decoded whenever it is looked at.

    It goes to worker processes as what it is: where it lies, without its pixels.
    """

    def identity(self) -> bytes:
        """What tells it from another picture: of data that never change where it lies, else its bytes.

        Raises OSError or ValueError where nothing is there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One question about one image, or one query of retrieval.

    A query ``image_to_text`` is an item: ``image`` and ``context``, its title, None where it has none; its
    ``question`` is empty. A query ``text_to_image`` is a text: ``question``, with ``context`` None; ``group``
    names the item that it belongs to. ``answers`` are the ids of what should be found: of the texts' queries,
    or the groups of the items.

    ``group`` names the image: samples of one group are not independent, and every interval is
    clustered by it. ``fault`` says why a sample cannot be asked at all (an empty question, no
    answers); such a sample is recorded as a ``data_error``.

    ``about`` says what question and answer hang on (``colour``, ``position`` …): what a corruption must not
    make false. Empty: on nothing that is named; None: not declared, which leaves out as little.
    """

    id: str
    group: str
    image: Path | Drawn
    question: str
    answers: tuple[str, ...]
    context: str | None = None
    fault: str | None = None
    about: tuple[Topic, ...] | None = None
    #: Of a query of retrieval what is searched with what; see ``retrieval``.
    direction: Direction | None = None

    @property
    def evidence(self) -> str:
        """The text that a corruption acts on: the context where there is one, else the question."""
        return self.question if self.context is None else self.context


@dataclass(frozen=True, slots=True)
class Chance:
    """The score of guessing without the evidence, and how it was found."""

    value: float
    definition: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples in a fixed order, whole images together.

    ``order`` is chosen so that the first N samples of a data set are a fair draw of it: a limit
    takes a prefix, and a larger limit contains a smaller one. ``answer_space`` lists every answer
    of a closed task, else it is empty. ``fingerprint`` covers the samples and the image bytes, of
    pictures without a file their pixels, of ``Kept`` ones their identity. ``source``: where public data come
    from, as ``repository``, ``config``, ``revision`` and the like.
    """

    name: str
    split: str
    samples: tuple[Sample, ...]
    fingerprint: str
    licence: str
    answer_space: tuple[str, ...] = ()
    chance: Chance | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    #: All images by name, in order; ``donors`` are those that a mismatched sample may be shown: they have
    #: at least one sample without a fault.
    groups: tuple[str, ...] = field(init=False)
    donors: tuple[str, ...] = field(init=False)
    _images: Mapping[str, Path | Drawn] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sound = (sample.group for sample in self.samples if sample.fault is None)
        object.__setattr__(self, "groups", tuple(dict.fromkeys(sample.group for sample in self.samples)))
        object.__setattr__(self, "donors", tuple(dict.fromkeys(sound)))
        object.__setattr__(self, "_images", {sample.group: sample.image for sample in self.samples})

    def image_of(self, group: str) -> Path | Drawn:
        """The image of a group, a file or drawn; raises KeyError for a group that is not in the set."""
        return self._images[group]


def shuffled(items: Iterable[str], seed: int) -> list[str]:
    """Items in an order that depends on their names and the seed alone, not on the set's other items."""

    def rank(item: str) -> bytes:
        return hashlib.blake2b(item.encode("utf-8", "surrogatepass"), key=str(seed).encode()).digest()

    return sorted(items, key=lambda item: (rank(item), item))


def order_by_group(samples: Sequence[Sample], seed: int) -> tuple[Sample, ...]:
    """Samples with whole images together, the images in a seeded order."""
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        members[sample.group].append(sample)
    return tuple(sample for group in shuffled(members, seed) for sample in members[group])


def fingerprint(samples: Sequence[Sample]) -> str:
    """A hash (32 hex digits) of every sample's text and of every image's bytes.

    A file that cannot be read counts as absent: putting it in place later changes the fingerprint. Of a
    picture without a file the pixels count, of ``Kept`` ones their identity.
    """
    digest = hashlib.blake2b(digest_size=16)
    for sample in sorted(samples, key=lambda sample: sample.id):
        row: list[object] = [sample.id, sample.group, sample.question, sample.answers, sample.context]
        if sample.fault is not None:
            row.append(sample.fault)  # what could be read of a mended row may be the same
        if sample.about is not None:
            row.append({"about": sorted(sample.about)})
        if sample.direction is not None:
            row.append({"direction": sample.direction})
        digest.update(json.dumps(row, ensure_ascii=True).encode())
    images = {sample.group: sample.image for sample in samples}
    for group in sorted(images):
        try:
            content = hashlib.blake2b(_content(images[group]), digest_size=16).digest()
        except (OSError, ValueError):
            content = b"absent"
        digest.update(json.dumps(group).encode() + content)
    return digest.hexdigest()


def _content(image: Path | Drawn) -> bytes:
    if isinstance(image, Path):
        from dmsbench.data.image_files import content

        return content(image)
    if isinstance(image, Kept):
        return image.identity()
    pixels = image.draw()
    return repr(pixels.shape).encode() + pixels.tobytes()


def question_prior(train: Iterable[tuple[str, str]], test: Sequence[Sample]) -> Chance:
    """Chance as the accuracy on ``test`` of the commonest training answer to the same question.

    It is what a model reaches that reads the question and never looks at the image: the floor that
    above-chance retention is measured from.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    for question, answer in train:
        counts[question][answer] += 1
        overall[answer] += 1

    def guess(question: str) -> str:
        known = counts.get(question, overall)
        return min(known, key=lambda answer: (-known[answer], answer))

    right = [guess(sample.question) in sample.answers for sample in test if sample.fault is None]
    return Chance(float(np.mean(right)), "the training split's commonest answer to the same question")


def commonest_answer(samples: Sequence[Sample]) -> Chance | None:
    """Chance as the accuracy of always giving the set's own commonest answer; None for an empty set."""
    usable = [sample for sample in samples if sample.fault is None]
    if not usable:
        return None
    # Of 200,000 questions the two million answers are a few thousand words.
    told = functools.cache(normalise)
    counts = Counter(answer for sample in usable for answer in {told(answer) for answer in sample.answers})
    best = max(counts.values())
    return Chance(best / len(usable), "the commonest answer of the set, always given")


def load_image(image: Path | Drawn) -> npt.NDArray[np.uint8]:
    """An image as uint8 RGB, H×W×3: drawn, or read as ``image_files.read`` does.

    Raises SampleError where a file holds no picture that can be used.
    """
    if not isinstance(image, Path):
        return image.draw()
    from dmsbench.data.image_files import UnusablePictureError, read

    try:
        return read(image)
    except UnusablePictureError as error:
        raise SampleError(str(error)) from None
