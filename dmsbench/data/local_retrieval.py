"""Anybody's own data for retrieval: rows of captions, several of one image, become items and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from corruptions import Topic
from dmsbench.data.base import Drawn, Sample
from dmsbench.data.names import quoted, unused
from dmsbench.data.retrieval import TEXT_TO_ITEM, Item, Text, item_id, queries


@dataclass(frozen=True, slots=True)
class Row:
    """A row as far as it could be read: ``fault`` says why it cannot be used, if it cannot.

    Every row has an id and a group, ids are one each, and a group is one image.
    """

    line: int
    id: str
    group: str
    image: Path | Drawn
    captions: tuple[str, ...]
    title: str | None
    about: tuple[Topic, ...] | None
    fault: str | None


def row_samples(rows: Sequence[Row]) -> list[Sample]:
    """The queries of the rows; one with a fault is a text with that fault, and tells nothing of its item."""
    titles = dict[str, Row]()
    rows = [_one_title(row, titles) for row in rows]
    sound = [row for row in rows if row.fault is None]
    taken = {row.id for row in rows}
    items = []
    for group, image in {row.group: row.image for row in sound}.items():
        title = titles[group].title if group in titles else None
        items.append(Item(_free(item_id(group), taken), group, image, title))
    texts = []
    for row in sound:
        for number, caption in enumerate(row.captions, start=1):
            name = row.id if number == 1 else unused(row.id, taken, number)
            texts.append(Text(name, row.group, caption, row.about or ()))
    return [*queries(items, texts), *(_faulty(row) for row in rows if row.fault is not None)]


def _one_title(row: Row, titles: dict[str, Row]) -> Row:
    """The row, with a fault where its group has another title already; ``titles`` has each group's first."""
    if row.fault is not None or row.title is None:
        return row
    first = titles.setdefault(row.group, row)
    if row.title.split() == (first.title or "").split():
        return row
    return replace(
        row,
        fault=f"line {row.line}: group {quoted(row.group)} has the title {quoted(first.title or '')} on line "
        f"{first.line}",
    )


def _free(name: str, taken: set[str]) -> str:
    if name in taken:
        return unused(name, taken)
    taken.add(name)
    return name


def _faulty(row: Row) -> Sample:
    caption = row.captions[0] if row.captions else ""
    return Sample(
        row.id,
        row.group,
        row.image,
        caption,
        (),
        fault=row.fault,
        about=row.about,
        direction=TEXT_TO_ITEM,
    )
