"""What each corruption looks like at each severity, on a few samples of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import corruptions
from dmsbench.data.base import Sample
from dmsbench.grid import CLEAN, Condition, View
from dmsbench.report.formats import in_catalogue_order
from dmsbench.report.page.pictures import Album
from dmsbench.report.page.source import Source

SAMPLES = 3
"""So many samples at most, fewer where their pictures do not fit."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One view of a sample: a picture's place, a text, or a word on why there is neither."""

    severity: int
    picture: int | None = None
    text: str | None = None
    note: str | None = None


def gallery(source: Source, conditions: Sequence[Condition], asked: Sequence[str], album: Album) -> object:
    """``[{sample, picture, text, rows: [{corruption, target, views}]}]`` as plain data.

    ``asked`` are the ids of the run's samples. A sample whose pictures do not all fit into the album is left
    out, but for the first.
    """
    views = {view for one in conditions for view in (one.image, one.text) if not view.is_clean}
    views = {view for view in views if source.makes(view)}
    found: list[dict[str, object]] = []
    for sample in _samples(source, asked):
        before = album.turned_away
        entry = _of_sample(source, sample, views, album)
        if album.turned_away > before and found:
            break
        found.append(entry)
    return found


def _samples(source: Source, asked: Sequence[str]) -> list[Sample]:
    """The first sound samples of the run, an image each; of retrieval items."""
    wanted = set(asked)
    groups: set[str] = set()
    found: list[Sample] = []
    for sample in source.dataset.samples:
        if sample.id not in wanted or sample.fault is not None or sample.group in groups:
            continue
        groups.add(sample.group)
        found.append(sample)
        if len(found) == SAMPLES:
            break
    return found


def _of_sample(source: Source, sample: Sample, views: set[View], album: Album) -> dict[str, object]:
    clean = _image(source, sample, CLEAN, album)
    rows = []
    for name in in_catalogue_order(view.corruption for view in views):
        on_image = corruptions.get(name).target == "image"
        show = _image if on_image else _text
        own = sorted(view for view in views if view.corruption == name)
        shown = [asdict(show(source, sample, view, album)) for view in own]
        rows.append({"corruption": name, "target": "image" if on_image else "text", "views": shown})
    return {
        "sample": sample.id,
        "question": sample.question,
        "context": sample.context,
        "picture": clean.picture,
        "rows": rows,
    }


def _image(source: Source, sample: Sample, view: View, album: Album) -> Shown:
    seen = source.views.image(sample.group, view)
    if seen.error is not None:
        return Shown(view.severity, note=seen.error)
    if seen.pixels is None:
        return Shown(view.severity, note="absent")
    place = album.add(seen.hash, seen.pixels)
    note = "as it is" if not (seen.changed or view.is_clean) else None
    return Shown(view.severity, picture=place, note=note if place is not None else "left out for size")


def _text(source: Source, sample: Sample, view: View, _album: Album) -> Shown:
    seen = source.views.text(sample, view)
    if seen.error is not None:
        return Shown(view.severity, note=seen.error)
    if not seen.present:
        return Shown(view.severity, note="absent")
    shown = seen.question if sample.context is None else seen.context
    return Shown(view.severity, text=shown, note=None if seen.changed else "as it is")
