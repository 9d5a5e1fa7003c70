"""What a model answered in an earlier run, back from its records.

Within a block equal content is answered once. A run that continues has to know what the stopped one knew, or
the rest would be answered in other batches, and rounding might make other records of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import pyarrow as pa

from dmsbench.data.base import Sample
from dmsbench.runner.rows import Outcome
from dmsbench.runner.views import ABSENT_HASH

#: Image content, question, context and whether the text is there: rows that agree have one answer.
ContentKey = tuple[str, str, str, bool]

_SIGNALS = ("confidence_image", "confidence_text", "uncertainty_image", "uncertainty_text", "consistency")
_COLUMNS = (
    "sample_id",
    "image_hash",
    "text_hash",
    "question",
    "context",
    "status",
    "error",
    "prediction",
    "confidence",
    "margin",
    "weight_image",
    "weight_text",
    "rank",
    *_SIGNALS,
)


def content_key(image_hash: str, question: str, context: str | None, *, present: bool) -> ContentKey:
    """The key of what a row shows. An empty context is not none at all: beside one, the question is no
    evidence."""
    return image_hash, question, "" if context is None else f"={context}", present


def recalled(
    table: pa.Table, samples: Mapping[str, Sample], *, errors: bool
) -> Iterator[tuple[ContentKey, Outcome]]:
    """Content and outcome of a part's rows that were answered; with ``errors`` of those that failed, too."""
    wanted = ("ok", "model_error") if errors else ("ok",)
    for row in table.select(_COLUMNS).to_pylist():
        if row["status"] in wanted:
            yield _content(row, samples[row["sample_id"]]), _outcome(row)


def _content(row: Mapping[str, str], sample: Sample) -> ContentKey:
    if row["text_hash"] == ABSENT_HASH:
        # Of an absent text the record shows nothing; it is known by what was dropped.
        return content_key(row["image_hash"], sample.question, sample.context, present=False)
    return content_key(row["image_hash"], row["question"], row["context"], present=True)


def _outcome(row: Mapping[str, object]) -> Outcome:
    weights = (row["weight_image"], row["weight_text"])
    signals = tuple(row[name] for name in _SIGNALS)
    return Outcome(
        str(row["status"]),
        error=_text(row["error"]),
        prediction=_text(row["prediction"]),
        confidence=_number(row["confidence"]),
        margin=_number(row["margin"]),
        weights=None if None in weights else tuple(map(_known, weights)),
        signals=None if signals == (None,) * len(signals) else tuple(map(_known, signals)),
        rank=None if row["rank"] is None else int(str(row["rank"])),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _known(value: object) -> float:
    return value if isinstance(value, float) else math.nan
