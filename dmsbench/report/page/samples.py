"""The sample explorer's rows: what was shown, what each model said, its weights and signals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dmsbench.grid import Condition, View
from dmsbench.report.page.charts import number
from dmsbench.report.page.pictures import Album
from dmsbench.report.page.selection import Selection
from dmsbench.report.page.source import Source
from dmsbench.report.run_scores import RunScores

_ABSENT = "absent"
_KEPT_CLEAN = 256
"""Clean pictures held at once."""
_FIGURES = (
    "confidence",
    "weight_image",
    "weight_text",
    "confidence_image",
    "confidence_text",
    "uncertainty_image",
    "uncertainty_text",
    "consistency",
)
_COLUMNS = (
    "sample_id",
    "image_corruption",
    "image_severity",
    "text_corruption",
    "text_severity",
    "question",
    "context",
    "references",
    "prediction",
    "score",
    "status",
    "error",
    "image_hash",
    "rank",
    *_FIGURES,
)

Key = tuple[str, Condition]


@dataclass(slots=True)
class Answer:
    """What one model made of a row; ``figures`` in the order of ``_FIGURES``."""

    prediction: str | None
    score: float | None
    status: str
    error: str | None
    rank: int | None
    figures: list[float | None]


@dataclass(slots=True)
class Row:
    """A sample under a condition, as the models saw it."""

    question: str | None
    context: str | None
    references: list[str]
    image_hash: str
    answers: dict[str, Answer] = field(default_factory=dict)


def explorer(found: RunScores, chosen: Selection, source: Source | str, album: Album) -> dict[str, Any]:
    """The rows chosen, with pictures as far as the album takes them; plain data for the page."""
    wanted: dict[Key, int] = {
        (chosen.samples[pick.sample], chosen.conditions[pick.condition]): i
        for i, pick in enumerate(chosen.picks)
    }
    shown = {sample for sample, _ in wanted}
    clean = {(sample, Condition()) for sample in shown}
    rows: dict[Key, Row] = {}
    for model in chosen.models:
        for table in found.folder.tables(model):
            for key, record in _records(table, shown, wanted.keys() | clean):
                row = rows.setdefault(key, _row(record))
                row.answers[model] = _answer(record)
    data = source if isinstance(source, Source) else None
    pictures, unlike = _pictures(wanted, rows, data, album)
    names = sorted(shown)
    place = {sample: i for i, sample in enumerate(names)}
    return {
        "models": list(chosen.models),
        "figures": list(_FIGURES),
        "samples": [_sample(name, rows.get((name, Condition()))) for name in names],
        "rows": [
            {
                "sample": place[sample],
                "condition": str(condition),
                "picture": picture,
                **_shown(rows[sample, condition], rows.get((sample, Condition()))),
                "answers": [_plain(rows[sample, condition].answers.get(model)) for model in chosen.models],
            }
            for (sample, condition), picture in zip(wanted, pictures, strict=True)
            if (sample, condition) in rows
        ],
        "counts": dict(chosen.counts),
        "conditions": [str(condition) for condition in chosen.conditions],
        "names": _names(rows, data),
        "unlike": unlike,
        "note": source if isinstance(source, str) else None,
    }


def _records(table: pa.Table, samples: set[str], keys: Any) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """The rows of a part that are wanted."""
    kept = table.select(list(_COLUMNS)).filter(pc.is_in(table["sample_id"], pa.array(sorted(samples))))
    for record in kept.to_pylist():
        views = (View(record[f"{side}_corruption"], record[f"{side}_severity"]) for side in ("image", "text"))
        key = (record["sample_id"], Condition(*views))
        if key in keys:
            yield key, record


def _row(record: Mapping[str, Any]) -> Row:
    return Row(record["question"], record["context"], list(record["references"]), record["image_hash"])


def _answer(record: Mapping[str, Any]) -> Answer:
    return Answer(
        record["prediction"],
        number(record["score"]),
        record["status"],
        record["error"],
        record["rank"],
        [number(record[name]) for name in _FIGURES],
    )


def _plain(answer: Answer | None) -> dict[str, Any] | None:
    return None if answer is None else asdict(answer)


def _shown(row: Row, clean: Row | None) -> dict[str, Any]:
    """The texts where they differ from the clean ones, or there is no clean row."""
    if clean is None:
        return {"question": row.question, "context": row.context, "references": row.references}
    found: dict[str, Any] = {}
    for name in ("question", "context"):
        if getattr(row, name) != getattr(clean, name):
            found[name] = getattr(row, name) or ""
    return found


def _sample(name: str, clean: Row | None) -> dict[str, Any]:
    if clean is None:
        return {"id": name}
    return {
        "id": name,
        "question": clean.question,
        "context": clean.context,
        "references": clean.references,
    }


def _names(rows: Mapping[Key, Row], source: Source | None) -> dict[str, str]:
    """Of retrieval what the ids among predictions and references stand for: a caption or a title."""
    if source is None or source.suite.task != "retrieval":
        return {}
    used = {
        name
        for row in rows.values()
        for name in (*row.references, *(answer.prediction for answer in row.answers.values()))
        if name
    }
    captions: dict[str, str] = {}
    for sample in source.dataset.samples:
        if sample.direction == "text_to_image":
            captions[sample.id] = sample.question
            captions.setdefault(sample.group, sample.question)
    return {name: captions[name] for name in sorted(used) if name in captions}


def _pictures(
    wanted: Iterable[Key], rows: Mapping[Key, Row], source: Source | None, album: Album
) -> tuple[list[int | str | None], int]:
    """For each wanted row a picture's place, ``absent`` or None; and how many came out otherwise.

    A picture whose pixels are not those that the models saw is not shown.
    """
    found: list[int | str | None] = []
    unlike, made = 0, 0
    groups = {} if source is None else {sample.id: sample.group for sample in source.dataset.samples}
    for sample, condition in wanted:
        row = rows.get((sample, condition))
        if row is not None and row.image_hash == _ABSENT:
            found.append(_ABSENT)
        elif row is None or not row.image_hash or source is None:
            found.append(None)
        else:
            known = album.known(row.image_hash)
            if sample not in groups or not source.makes(condition.image):
                unlike += 1  # records of others may name what these data do not hold
            elif known is None and album.spent < album.budget:
                seen = source.views.image(groups[sample], condition.image)
                made += 1
                if made % _KEPT_CLEAN == 0:
                    source.views.forget()
                if seen.pixels is None or seen.hash != row.image_hash:
                    unlike += 1
                else:
                    known = album.add(seen.hash, seen.pixels)
            found.append(known)
    return found, unlike
