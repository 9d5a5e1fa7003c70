"""Queries of retrieval from items and texts, and what a query is searched in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from corruptions import TOPICS, Topic
from dmsbench.data.base import Direction, Drawn, Sample

ITEM_TO_TEXT: Direction = "image_to_text"
TEXT_TO_ITEM: Direction = "text_to_image"
DIRECTIONS: tuple[Direction, ...] = (ITEM_TO_TEXT, TEXT_TO_ITEM)


@dataclass(frozen=True, slots=True)
class Item:
    """A picture under its name, with a title where it has one."""

    id: str
    group: str
    image: Path | Drawn
    title: str | None


@dataclass(frozen=True, slots=True)
class Text:
    """A caption of the item ``group``."""

    id: str
    group: str
    caption: str
    about: tuple[Topic, ...]


def item_id(group: str) -> str:
    """What an item's query is called."""
    return f"{group}/image"


def told(caption: str) -> str:
    """What captions are compared by, case and blanks aside: equal ones are right for each other's items."""
    return " ".join(caption.casefold().split())


def queries(items: Sequence[Item], texts: Sequence[Text]) -> list[Sample]:
    """Each item's query and then its texts', in the order given.

    Captions that cannot be told apart are right for each other's items, and so are those of items that show
    one file under one title: own ones stand first among the answers. An item is about what its texts are
    about. Every text's item is among ``items``, every item has a text.
    """
    mine: dict[str, list[Text]] = defaultdict(list)
    equal: dict[str, list[Text]] = defaultdict(list)
    for text in texts:
        mine[text.group].append(text)
        equal[told(text.caption)].append(text)
    same: dict[object, list[str]] = defaultdict(list)
    for item in items:
        same[_shows(item)].append(item.group)
    twins = {item.group: same[_shows(item)] for item in items}
    found = []
    for item in items:
        own = mine[item.group]
        told_of = [*own, *(text for group in twins[item.group] for text in mine[group])]
        alike = [text.id for one in told_of for text in equal[told(one.caption)]]
        named = {topic for text in own for topic in text.about}
        found.append(
            Sample(
                item.id,
                item.group,
                item.image,
                "",
                tuple(dict.fromkeys([*(text.id for text in own), *alike])),
                context=item.title,
                about=tuple(topic for topic in TOPICS if topic in named),
                direction=ITEM_TO_TEXT,
            )
        )
        for text in own:
            equals = [item.group, *(other.group for other in equal[told(text.caption)])]
            groups = dict.fromkeys([item.group, *(twin for group in equals for twin in twins[group])])
            found.append(
                Sample(
                    text.id,
                    item.group,
                    item.image,
                    text.caption,
                    tuple(groups),
                    about=text.about,
                    direction=TEXT_TO_ITEM,
                )
            )
    return found


def _shows(item: Item) -> object:
    """Equal for items that cannot be told apart, of one file and title; drawn pictures are one each."""
    return (item.image, item.title) if isinstance(item.image, Path) else item.group


def gallery(samples: Iterable[Sample], direction: Direction) -> tuple[Sample, ...]:
    """What a query of this direction is searched in: the other direction's queries that have no fault."""
    return tuple(
        sample for sample in samples if sample.fault is None and sample.direction not in (None, direction)
    )


def answer_of(candidate: Sample) -> str:
    """What a query names this candidate by in its answers: a text by its id, an item by its group."""
    return candidate.id if candidate.direction == TEXT_TO_ITEM else candidate.group
