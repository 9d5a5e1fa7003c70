"""easy-VQA: one coloured shape an image, 13 answers (Victor Zhou, MIT licence, PyPI ``easy-vqa`` 1.0).

4,000 training and 1,000 test images of 64×64 with 38,575 and 9,673 questions. The package has no
validation split: a tenth of its training images is set aside as one here, by image.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from corruptions import Topic
from dmsbench.data.base import Dataset, Sample, fingerprint, order_by_group, question_prior, shuffled
from dmsbench.errors import DataError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

#: Fixes which training images are the validation split and the order of every split; not the suite's seed.
SPLIT_SEED = 20190801
VALIDATION_IMAGES = 400
#: The shapes have one of these; "gray" and "teal" are answers, "color" is how the questions spell it.
COLOUR_WORDS = frozenset(["black", "blue", "brown", "gray", "green", "red", "teal", "yellow", "color"])
SHAPES = ("circle", "rectangle", "triangle")
#: What captioning asks.
TELL = "what is there?"
LICENCE = "MIT"


def _folder() -> Path:
    try:
        import easy_vqa
    except ImportError:
        raise DataError("easy-vqa is not installed: pip install easy-vqa") from None
    return Path(easy_vqa.__file__).parent / "data"


def _questions(part: str) -> list[tuple[str, str, int]]:
    path = _folder() / part / "questions.json"
    return [
        (str(question), str(answer), int(image)) for question, answer, image in json.loads(path.read_text())
    ]


def _samples(part: str) -> list[Sample]:
    images = _folder() / part / "images"
    return [
        Sample(
            id=f"{part}-{row:05d}",
            group=f"{part}-{image:04d}",
            image=images / f"{image}.png",
            question=question,
            answers=(answer,),
            about=_about(question, answer),
        )
        for row, (question, answer, image) in enumerate(_questions(part))
    ]


def _about(question: str, answer: str) -> tuple[Topic, ...]:
    """What the answer hangs on: a colour that is named or asked for, whether there is a thing (yes or no)."""
    words = set(re.findall("[a-z]+", f"{question} {answer}".lower()))
    colour: tuple[Topic, ...] = ("colour",) if words & COLOUR_WORDS else ()
    return (*colour, "count") if answer in ("yes", "no") else colour


def answers() -> tuple[str, ...]:
    """The 13 answers, sorted."""
    return tuple(sorted((_folder() / "answers.txt").read_text().split()))


def check_split(split: str) -> None:
    """Raises DataError for a split that there is not."""
    if split not in SPLITS:
        raise DataError(f"easy_vqa has no split '{split}': use one of {', '.join(SPLITS)}")


def _told(samples: Sequence[Sample]) -> tuple[str, str] | None:
    """Colour and shape of an image, as its questions and answers tell them; None where one is left open."""
    found: dict[str, set[str]] = {"colour": set(), "shape": set()}
    for sample in samples:
        words, answer = re.findall("[a-z]+", sample.question.lower()), sample.answers[0]
        # "is there not a circle?" "no": there is one.
        there = answer == ("no" if {"not", "no"} & set(words) else "yes")
        told = words if there else [answer]
        found["shape"].update(word for word in told if word in SHAPES)
        found["colour"].update(word for word in told if word in COLOUR_WORDS and word != "color")
    if any(len(words) != 1 for words in found.values()):
        return None
    return found["colour"].pop(), found["shape"].pop()


def _captions(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """A caption an image, ``a red circle``; images whose questions leave colour or shape open have none."""
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        members[sample.group].append(sample)
    found = []
    for group, asked in members.items():
        told = _told(asked)
        if told is not None:
            colour, shape = told
            caption = f"a {colour} {shape}"
            about: tuple[Topic, ...] = ("colour", "count")
            found.append(Sample(f"{group}-caption", group, asked[0].image, TELL, (caption,), about=about))
    return tuple(found)


def load(split: str = "test", task: str = "vqa") -> Dataset:
    """One split of easy-VQA; for captioning an image each, with colour and shape read off its own questions.

    Raises DataError for an unknown split.
    """
    check_split(split)
    training = _samples("train")
    held_out = set(shuffled({sample.group for sample in training}, SPLIT_SEED)[:VALIDATION_IMAGES])
    fitting = [sample for sample in training if sample.group not in held_out]
    if split == "train":
        chosen = fitting
    elif split == "validation":
        chosen = [sample for sample in training if sample.group in held_out]
    else:
        chosen = _samples("test")
    ordered = order_by_group(chosen, SPLIT_SEED)
    if task == "captioning":
        captions = _captions(ordered)
        return Dataset("easy_vqa", split, captions, fingerprint(captions), LICENCE)
    prior = question_prior(((sample.question, sample.answers[0]) for sample in fitting), ordered)
    return Dataset(
        name="easy_vqa",
        split=split,
        samples=ordered,
        fingerprint=fingerprint(ordered),
        licence=LICENCE,
        answer_space=answers(),
        chance=prior,
    )
