"""The rows of a piece of work before anybody answers them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dmsbench.data.base import Sample
from dmsbench.grid import View
from dmsbench.models.base import Prompt
from dmsbench.runner.plan import Block, ImagePlan
from dmsbench.runner.recall import ContentKey, content_key
from dmsbench.runner.records import LEFT_OUT
from dmsbench.runner.rows import Outcome
from dmsbench.runner.views import ABSENT_HASH, NOT_SHOWN, ImageView, TextView, Views
from dmsbench.tasks.base import as_it_is
from dmsbench.truth import Truth

__all__ = ["Cell", "cells_of"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One row to be: a sample under a text view of the image view in hand."""

    sample: Sample
    text_view: View
    image: ImageView
    text: TextView
    #: Why it is left out, if it is.
    left_out: str | None = None
    #: What the task makes of the question as it is shown.
    asked: Callable[[str], str] = as_it_is

    @property
    def key(self) -> ContentKey:
        text = self.text
        return content_key(self.image.hash, text.question, text.context, present=text.present)

    @property
    def failure(self) -> Outcome | None:
        """Why this row cannot be asked, if it cannot."""
        if self.sample.fault is not None:
            return Outcome.failed("data_error", self.sample.fault)
        if self.left_out is not None:
            return Outcome.failed(LEFT_OUT, self.left_out)
        if self.image.error is not None:
            return Outcome.failed(self.image.status, self.image.error)
        if self.text.error is not None:
            return Outcome.failed("corruption_error", self.text.error)
        return None

    @property
    def prompt(self) -> Prompt:
        return Prompt(
            self.asked(self.text.question),
            self.text.context,
            has_image=self.image.hash != ABSENT_HASH,
            has_text=self.text.present,
        )


def cells_of(
    views: Views,
    truth: Truth,
    block: Block,
    plan: ImagePlan,
    asked: Callable[[str], str] = as_it_is,
) -> list[Cell]:
    """The rows of an image view of a block: each sample under each text view, every image made once."""
    images: dict[str, ImageView] = {}
    cells = []
    texts = [(text, list(filter(truth.concerns, (plan.image, text)))) for text in plan.texts]
    for sample in block.samples:
        for text, concerned in texts:
            reason = truth.reason(sample, *concerned) if concerned else None
            if reason is not None:
                clean = TextView(sample.question, sample.context, True, "", False)
                cells.append(Cell(sample, text, NOT_SHOWN, clean, reason))
                continue
            if sample.group not in images:
                images[sample.group] = views.image(sample.group, plan.image)
            cells.append(Cell(sample, text, images[sample.group], views.text(sample, text), asked=asked))
    return cells
