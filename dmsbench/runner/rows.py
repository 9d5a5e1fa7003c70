"""Turns outcomes into the columns of a part."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dmsbench.data.base import Sample
from dmsbench.grid import View
from dmsbench.models.base import Answers
from dmsbench.runner.records import SCHEMA, scored
from dmsbench.runner.views import ImageView, TextView
from dmsbench.tasks.scorers import Scorer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model made of one row; numbers are None where they do not exist."""

    status: str
    error: str | None = None
    prediction: str | None = None
    confidence: float | None = None
    margin: float | None = None
    weights: tuple[float, ...] | None = None
    #: Confidence and uncertainty of image and text, then consistency; NaN where not measured.
    signals: tuple[float, ...] | None = None
    #: Of retrieval: the place of the best right candidate, from 1.
    rank: int | None = None

    @classmethod
    def failed(cls, status: str, error: str) -> Outcome:
        """A row without an answer."""
        return cls(status, error=error)

    @classmethod
    def of(cls, answers: Answers, index: int) -> Outcome:
        """One row of a model's answers; a probability or weight that is not finite is a model's error."""
        if index in answers.failed:
            return cls.failed("model_error", answers.failed[index])
        stated = answers.stated is None or bool(answers.stated[index])
        sure, margin = float(answers.confidence[index]), float(answers.margin[index])
        if stated and not math.isfinite(sure):
            return cls.failed("model_error", "the model's scores are not finite")
        weights = None if answers.weights is None else tuple(map(float, answers.weights[index]))
        if weights is not None and not all(map(math.isfinite, weights)):
            return cls.failed("model_error", "the model's modality weights are not finite")
        signals = answers.signals
        return cls(
            "ok",
            prediction=answers.texts[index],
            confidence=sure if stated else None,
            margin=margin if math.isfinite(margin) else None,
            weights=weights,
            signals=None
            if signals is None
            else (
                *map(float, signals.confidence[index]),
                *map(float, signals.uncertainty[index]),
                float(signals.consistency[index]),
            ),
        )


#: A sample under an image view (given apart) and a text view, with what it showed and what came of it.
Cell = tuple[Sample, View, ImageView, TextView, Outcome]


def shown_text(text: TextView) -> tuple[str, str | None]:
    """Question and context as the model saw them: an absent evidence is empty."""
    if text.present:
        return text.question, text.context
    return ("", None) if text.context is None else (text.question, "")


RowBuilder = Callable[[str, View, Sequence[Cell]], dict[str, list[Any]]]


def row_builder(score: Scorer) -> RowBuilder:
    """Builds columns, scoring each ok row by prediction and references, or by its rank: see ``scored``."""

    def build(model: str, image_view: View, cells: Sequence[Cell]) -> dict[str, list[Any]]:
        rows = []
        for sample, text_view, image, text, outcome in cells:
            value = None
            if outcome.status == "ok":
                value = scored(score, sample.id, outcome.prediction, sample.answers, outcome.rank)
            weights = outcome.weights or (None, None)
            signals = outcome.signals or (None,) * 5
            row = (
                model,
                sample.id,
                sample.group,
                image_view.corruption,
                image_view.severity,
                text_view.corruption,
                text_view.severity,
                *shown_text(text),
                list(sample.answers),
                outcome.prediction,
                value,
                outcome.status,
                outcome.error,
                image.changed or text.changed,
                image.hash,
                text.hash,
                outcome.confidence,
                outcome.margin,
                *weights,
                *(None if number is None or math.isnan(number) else number for number in signals),
                outcome.rank,
                sample.direction,
            )
            rows.append(row)
        columns = map(list, zip(*rows, strict=True)) if rows else ([] for _ in SCHEMA)
        return dict(zip(SCHEMA.names, columns, strict=True))

    return build
