"""Anybody's own data: a JSONL, Parquet, CSV or TSV file of questions beside a folder of images.

A row is an object (JSONL, one a line) or a row of columns with

    image      path of the image file, relative to the image folder and inside it: it may not be absolute,
               contain ``..`` or lead out by a symbolic link, unless that is allowed by ``allow_outside``
    question   text
    answers    a list of texts, or one text; ``answer`` is read where ``answers`` is absent
    context    text, optional
    id         text or a whole number, optional: ``row-N``, N the line counted from 0
    group      text or a whole number, optional: the image's path. Names the image: two images cannot
               share a group
    about      a list of topics, or one, optional: what question and answer hang on, such as ``colour`` or
               ``position`` (``corruptions.TOPICS``). What makes it false is not applied to the row

For captioning ``captions`` or ``caption`` is read, and answers where there is neither. ``question``, which
is then what the model is told to do, may be absent: ``Describe the image.`` Without ``about`` a caption is
taken to hang on all that captions tell: colour, position, count, size and text.

For retrieval ``captions`` or ``caption`` is read, each a text to search for and by, and

    title      text, optional: what else is known of the image; the same in every row of a group that has one

Several rows may be of one image. Texts are named by their row, the second of a row ``id#2`` and so on.
``question``, ``context`` and ``answers`` are not read; ``about`` is as for captioning.

Other keys are ignored; a file that names these otherwise is read by ``columns``. In CSV and TSV a list is
written as JSON, ``["red", "crimson"]``, and an empty cell is absent. A row that cannot be used becomes a
sample with a ``fault``, so that a run records it and goes on. Faults count lines from 1, as editors do; a
Parquet file's rows count as its lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corruptions import TOPICS, Topic
from dmsbench.data.base import Dataset, Drawn, Sample, commonest_answer, fingerprint, order_by_group
from dmsbench.data.local_retrieval import Row
from dmsbench.data.local_retrieval import row_samples as retrieval_samples
from dmsbench.data.names import one_line, quoted, unused
from dmsbench.data.row_files import SUFFIXES, NumberedRow, read_rows
from dmsbench.errors import DataError, UnknownNameError

#: Fixes the order of the images, so that a limit takes a fair draw of them; not the suite's seed.
ORDER_SEED = 20260101
LICENCE = "unknown (local data)"
#: The keys that references are read from, by task; the first that a row has counts.
REFERENCES = {
    "vqa": ("answers", "answer"),
    "captioning": ("captions", "caption", "answers", "answer"),
    "retrieval": ("captions", "caption"),
}
#: What a caption hangs on where nothing is said: any of these may be in it.
CAPTIONS_TELL: tuple[Topic, ...] = ("colour", "position", "count", "size", "text")
#: What captioning asks of a row without a question.
INSTRUCTION = "Describe the image."
#: Characters of one text: no model reads as many, and a file of another kind has them.
LONGEST_TEXT = 1_000_000


class RowError(ValueError):
    """Why one row cannot be used."""


#: A row's picture and what it is called; raises RowError where there is none.
PictureOf = Callable[[Mapping[str, Any]], tuple[Path | Drawn, str]]


@dataclass(slots=True)
class _Draft:
    """What could be read of a row: the fields before a fault are filled, the others as here."""

    line: int
    id: str
    image: Path | Drawn
    group: str = ""
    question: str = ""
    context: str | None = None
    answers: tuple[str, ...] = ()
    fault: str | None = None
    about: tuple[Topic, ...] | None = None

    def blame(self, reason: object) -> None:
        self.fault = self.fault or f"line {self.line}: {reason}"

    def sample(self) -> Sample:
        return Sample(
            self.id,
            self.group,
            self.image,
            self.question,
            self.answers,
            self.context,
            self.fault,
            self.about,
        )

    def row(self) -> Row:
        """As retrieval reads it: its answers are captions, its context is a title."""
        return Row(
            self.line, self.id, self.group, self.image, self.answers, self.context, self.about, self.fault
        )


def load(
    path: Path,
    images: Path | None = None,
    task: str = "vqa",
    *,
    allow_outside: bool = False,
    columns: Mapping[str, str] | None = None,
) -> Dataset:
    """The data set of a ``.jsonl``, ``.json`` (one object a line), ``.parquet``, ``.csv`` or ``.tsv`` file.

    ``images`` is the folder that image paths start from, by default the file's own; ``allow_outside``: they
    may lead out of it. ``columns``: what the file calls some of the keys. Whether an image is there and
    readable shows only when it is opened. Chance is the rate of the commonest answer; captions and retrieval
    have none, nor has a set where it is 1 (nothing can be above it) or no row is usable.

    Raises DataError where the file or the folder cannot be read at all, the file is empty or of another kind,
    or one with a header lacks a column.
    """
    folder = path.parent if images is None else images
    try:
        if not path.is_file():
            raise DataError(f"{path}: no such file; give a {' or '.join(SUFFIXES)} file")
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; give the folder that image paths start from")
        asked = [("question",)] if task == "vqa" else []
        rows = list(read_rows(path, columns or {}, [("image",), *asked, REFERENCES[task]]))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({one_line(error.strerror or str(error))})") from None
    if not rows:
        wanted = "question and answers" if task == "vqa" else "captions"
        raise DataError(f"{path}: no rows; write one object with image, {wanted} a line")
    found = row_samples_of(rows, task, folder, lambda row: _picture(row, folder, allow_outside))
    samples = order_by_group(found, ORDER_SEED)
    chance = commonest_answer(samples) if task == "vqa" else None
    return Dataset(
        name="local",
        split="all",
        samples=samples,
        fingerprint=fingerprint(samples),
        licence=LICENCE,
        chance=chance if chance and chance.value < 1.0 else None,
    )


def row_samples_of(
    rows: Iterable[NumberedRow], task: str, no_picture: Path | Drawn, picture_of: PictureOf
) -> list[Sample]:
    """The samples of rows under the names of the module's keys, in their order; of retrieval its queries.

    ``no_picture`` stands where a row has none that can be told.
    """
    drafts = [_read(line, row, no_picture, task, picture_of) for line, row in rows]
    _part_ids(drafts)
    _part_groups(drafts)
    if task == "retrieval":
        return retrieval_samples([draft.row() for draft in drafts])
    return [draft.sample() for draft in drafts]


def _read(
    line: int, row: Mapping[str, Any] | str, no_picture: Path | Drawn, task: str, picture_of: PictureOf
) -> _Draft:
    draft = _Draft(line, f"row-{line - 1}", no_picture)
    try:
        if isinstance(row, str):
            raise RowError(row)
        draft.id = _name(row, "id", draft.id)
        draft.image, own = picture_of(row)
        draft.group = _name(row, "group", "") or own
        if task != "retrieval":
            told = task == "captioning" and row.get("question") is None
            draft.question = INSTRUCTION if told else _text(row, "question")
        draft.answers = _answers(row, REFERENCES[task])
        beside = "title" if task == "retrieval" else "context"
        if row.get(beside) is not None:
            context = _checked(beside, row[beside])
            draft.context = context if context.strip() else None
        draft.about = _about(row.get("about"))
        if draft.about is None and task != "vqa":
            draft.about = CAPTIONS_TELL
    except RowError as error:
        draft.blame(error)
    return draft


def _picture(row: Mapping[str, Any], folder: Path, allow_outside: bool) -> tuple[Path, str]:
    image = _image(folder, _text(row, "image"), allow_outside)
    own = image.relative_to(folder) if image.is_relative_to(folder) else image
    return image, own.as_posix()


def _checked(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise RowError(f"{key} is not text")
    if len(value) > LONGEST_TEXT:
        raise RowError(f"{key} has {len(value):,} characters; at most {LONGEST_TEXT:,} are read")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise RowError(f"{key} holds half a surrogate pair, which is no text") from None
    return value


def _text(row: Mapping[str, Any], key: str) -> str:
    if row.get(key) is None:
        raise RowError(f"no {key}")
    value = _checked(key, row[key])
    if not value.strip():
        raise RowError(f"empty {key}")
    return value


def _name(row: Mapping[str, Any], key: str, default: str) -> str:
    value = row.get(key)
    if value is None:
        return default
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _checked(key, value)


def _answers(row: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
    key = next((key for key in keys if row.get(key) is not None), keys[0])
    found = row.get(key)
    answers = [found] if isinstance(found, str) else [] if found is None else found
    if not isinstance(answers, list):
        raise RowError(f"{key} is neither a text nor a list of texts")
    if not answers:
        raise RowError(f"no {keys[0]}")
    one = keys[0].removesuffix("s")
    article = "an" if one[0] in "aeiou" else "a"
    if any(not _checked(f"{article} {one}", answer).strip() for answer in answers):
        raise RowError(f"an empty {one}")
    return tuple(answers)


def _about(found: object) -> tuple[Topic, ...] | None:
    if found is None:
        return None
    topics = [found] if isinstance(found, str) else found
    if not isinstance(topics, list):
        raise RowError("about is neither a topic nor a list of topics")
    named = {_checked("a topic of about", topic).strip() for topic in topics}
    for topic in topics:
        if topic.strip() not in TOPICS:
            raise RowError(UnknownNameError("topic in about", one_line(topic), TOPICS))
    return tuple(topic for topic in TOPICS if topic in named)


def _image(folder: Path, image: str, allow_outside: bool) -> Path:
    """The image's path; raises RowError where it leaves the folder, through a symlink or by itself."""
    relative = Path(image)
    if "\0" in image or not relative.parts:
        raise RowError(f"image {quoted(image)} is no file name")
    if allow_outside:
        return folder / relative
    root, target = os.path.realpath(folder), os.path.realpath(folder / relative)
    if relative.anchor or ".." in relative.parts or not Path(target).is_relative_to(root):
        raise RowError(
            f"image {quoted(image)} lies outside the image folder; where that is meant, allow it by "
            "--allow-outside or dataset.allow_outside"
        )
    return folder / relative


def _part_ids(drafts: list[_Draft]) -> None:
    """Keep the first row of each id; later ones get a fault and an id of their own (``x#2``)."""
    taken, seen = {draft.id for draft in drafts}, dict[str, list[int]]()
    for draft in drafts:
        lines = seen.setdefault(draft.id, [])
        lines.append(draft.line)
        if len(lines) > 1:
            draft.blame(f"id {quoted(draft.id)} is used already on line {lines[0]}")
            draft.id = unused(draft.id, taken, len(lines))


def _part_groups(drafts: list[_Draft]) -> None:
    """Every group one image: others that claim it, and rows without an image, get a group of their own."""
    owners: dict[str, _Draft] = {}
    for draft in drafts:
        owner = owners.setdefault(draft.group, draft) if draft.group else draft
        if draft.image != owner.image:
            draft.blame(f"group {quoted(draft.group)} is another image on line {owner.line}")
            draft.group = ""
    taken = set(owners)
    for draft in drafts:
        if not draft.group:
            draft.group = unused(draft.id, taken) if draft.id in taken else draft.id
            taken.add(draft.group)
