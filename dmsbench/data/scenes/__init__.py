"""Scenes: pictures of a few coloured shapes, questions about them, and a context that tells part of the same.

All is drawn from a seed, without end and without files: no picture, question or text is anybody's (CC0).
A split holds scenes whose things are in no other split, by a hash of the things. Levels 1, 2 and 3 show
1 to 2, 2 to 3 and 3 to 5 things.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corruptions import Topic
from dmsbench.data.base import Dataset, Sample, fingerprint, question_prior
from dmsbench.data.retrieval import Item, Text, item_id, queries
from dmsbench.data.scenes import language, world
from dmsbench.data.scenes.render import render
from dmsbench.errors import DataError

SPLITS = tuple(world.SPLITS)
LEVELS = tuple(world.LEVELS)
#: Pictures of a split where no other number is asked for.
PICTURES = {"train": 2000, "validation": 400, "test": 400}
QUESTIONS = len(language.KINDS)
LICENCE = "generated, CC0"
#: The chance of a thing to be named in a title: a title tells less than a context.
TITLED = 0.6

#: Fixes the data; not the suite's seed.
DATA_SEED = 20261101
#: Training pictures that chance is counted from.
_PRIOR_PICTURES = 2000
#: A caption names shapes, colours, sizes and places, and all that there is.
_CAPTIONS_TELL: tuple[Topic, ...] = ("colour", "position", "count", "size")


@dataclass(frozen=True, slots=True)
class Picture:
    """A scene's picture: drawn when it is looked at."""

    scene: world.Scene

    def draw(self) -> npt.NDArray[np.uint8]:
        """64 × 64 RGB pixels."""
        return render(self.scene)


def check_split(split: str) -> None:
    """Raises DataError for a split that there is not."""
    if split not in SPLITS:
        raise DataError(f"scenes has no split '{split}': use one of {', '.join(SPLITS)}")


def load(split: str = "test", level: int = 1, count: int | None = None, task: str = "vqa") -> Dataset:
    """The first ``count`` pictures of a split, with five questions each, or as many as can be asked.

    For captioning each picture has one sample: what there is, a context, and the caption that tells it all.

    For retrieval each picture is an item with a title that tells part of it, and has one text, its caption.

    Pictures are independent draws in the order drawn, so that a limit takes a fair prefix and more pictures
    contain fewer. A context belongs to one question: another question about the same picture has its own,
    which may leave out another thing. Of one thing alone there are few scenes: at level 1 a split shows the
    same things again on another grey, a pixel aside.

    Raises DataError for an unknown split or level, or a count below 1.
    """
    check_split(split)
    if level not in LEVELS:
        raise DataError(f"scenes has no level {level}: use one of {', '.join(map(str, LEVELS))}")
    if count is None:
        count = PICTURES[split]
    if count < 1:
        raise DataError(f"scenes: count must be at least 1, not {count}")
    if task == "captioning":
        samples = tuple(_captions(split, level, count))
        return Dataset("scenes", split, samples, fingerprint(samples), LICENCE)
    if task == "retrieval":
        samples = tuple(_queries(split, level, count))
        return Dataset("scenes", split, samples, fingerprint(samples), LICENCE)
    samples = tuple(_samples(split, level, count))
    if split == "train" and count >= _PRIOR_PICTURES:
        training = samples[: QUESTIONS * _PRIOR_PICTURES]
    else:
        training = tuple(_samples("train", level, _PRIOR_PICTURES))
    return Dataset(
        name="scenes",
        split=split,
        samples=samples,
        fingerprint=fingerprint(samples),
        licence=LICENCE,
        answer_space=tuple(sorted(language.ANSWERS)),
        chance=question_prior(((sample.question, sample.answers[0]) for sample in training), samples),
    )


def _samples(split: str, level: int, count: int) -> list[Sample]:
    return [
        Sample(
            id=f"{group}-{which}",
            group=group,
            image=Picture(scene),
            question=asked.text,
            answers=(asked.answer,),
            context=language.context(scene, rng),
            about=asked.about,
        )
        for group, scene, rng in _pictures(split, level, count, 0)
        for which, asked in enumerate(language.questions(scene, rng, QUESTIONS))
    ]


def _captions(split: str, level: int, count: int) -> list[Sample]:
    return [
        Sample(
            id=f"{group}-caption",
            group=group,
            image=Picture(scene),
            question=language.TELL,
            answers=(language.caption(scene),),
            context=language.context(scene, rng),
            about=_CAPTIONS_TELL,
        )
        for group, scene, rng in _pictures(split, level, count, 1)
    ]


def _queries(split: str, level: int, count: int) -> list[Sample]:
    items, texts = [], []
    for group, scene, rng in _pictures(split, level, count, 2):
        title = language.context(scene, rng, mentioned=TITLED)
        items.append(Item(item_id(group), group, Picture(scene), title))
        texts.append(Text(f"{group}/caption", group, language.caption(scene), _CAPTIONS_TELL))
    return queries(items, texts)


def _pictures(
    split: str, level: int, count: int, stream: int
) -> Iterator[tuple[str, world.Scene, np.random.Generator]]:
    """Each picture's name, what it shows, and a generator of its own for a ``stream`` of texts.

    So what is asked or said of a scene does not depend on the others.
    """
    for number, scene in enumerate(world.scenes(DATA_SEED, split, level, count)):
        place = (stream << 56) + (level << 48) + (SPLITS.index(split) << 40) + number
        rng = np.random.Generator(np.random.Philox(key=[DATA_SEED, place]))
        yield f"scenes{level}-{split}-{number:05d}", scene, rng
