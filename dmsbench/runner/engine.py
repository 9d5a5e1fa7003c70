"""The local engine: answers a plan's pieces, one image view of one block at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dmsbench.data.base import Sample, SampleError
from dmsbench.grid import View
from dmsbench.models.base import Answers, Image, Prompt, VisionLanguageModel
from dmsbench.runner.arms import Arm, Progress, Tally, tried
from dmsbench.runner.plan import Block, ImagePlan, Plan, batches
from dmsbench.runner.records import LEFT_OUT
from dmsbench.runner.rows import Outcome, RowBuilder
from dmsbench.runner.store import RunFolder
from dmsbench.runner.views import ABSENT_HASH, NOT_SHOWN, ImageView, TextView, Views
from dmsbench.truth import Truth

#: Pairs of prompt tokens in a batch, padding included: what attention's memory grows with. Without it one
#: very long question would pad a whole batch to its length.
BATCH_PAIRS = 2**26

#: Image content, question, context and whether the text is there: rows that agree have one answer.
ContentKey = tuple[str, str, str, bool]


@dataclass(frozen=True, slots=True)
class _Cell:
    """One row to be: a sample under a text view of the image view in hand."""

    sample: Sample
    text_view: View
    image: ImageView
    text: TextView
    #: Why it is left out, if it is.
    left_out: str | None = None

    @property
    def key(self) -> ContentKey:
        return self.image.hash, self.text.question, self._context, self.text.present

    @property
    def _context(self) -> str:
        # An empty context is not none at all: beside one, the question is no evidence.
        return "" if self.text.context is None else f"={self.text.context}"

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
            self.text.question,
            self.text.context,
            has_image=self.image.hash != ABSENT_HASH,
            has_text=self.text.present,
        )


class LocalEngine:
    """Runs a plan in this process.

    An image view is corrupted once for all models and encoded once for all models that share a
    checkpoint; every question and text view of it is answered from that state. Within a block a model
    answers equal content once: a sample that a modality corruption did not hit keeps its clean answer.
    """

    def __init__(
        self,
        folder: RunFolder,
        views: Views,
        arms: Sequence[Arm[VisionLanguageModel]],
        *,
        batch_size: int,
        build: RowBuilder,
        truth: Truth,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        self.folder, self.views, self.arms = folder, views, tuple(arms)
        self.batch_size, self.build, self.truth, self.on_progress = batch_size, build, truth, on_progress
        self.tally = Tally()
        self._memory: dict[str, dict[ContentKey, Outcome]] = {}

    def run(self, plan: Plan) -> Tally:
        """Does what is missing of the plan; returns what was done."""
        for block in plan.blocks:
            self._memory = {arm.name: {} for arm in self.arms}
            for image_plan in plan.images:
                self._piece(block, image_plan)
            self.views.forget()
        return self.tally

    def _piece(self, block: Block, plan: ImagePlan) -> None:
        todo: list[tuple[Arm[VisionLanguageModel], str]] = []
        for arm in self.arms:
            key = arm.key_of(block, plan)
            table = self.folder.sound_part(arm.name, key)
            if table is not None:
                found = zip(table["status"].to_pylist(), table["error"].to_pylist(), strict=True)
                self.on_progress(self.tally.count(arm.name, plan.image, list(found), reused=True))
            else:
                todo.append((arm, key))
        if not todo:
            return
        cells = self._cells(block, plan)
        self._answer([arm for arm, _ in todo], cells)
        for arm, key in todo:
            memory = self._memory[arm.name]
            outcomes = [cell.failure or memory[cell.key] for cell in cells]
            columns = self.build(
                arm.name,
                plan.image,
                [
                    (cell.sample, cell.text_view, cell.image, cell.text, outcome)
                    for cell, outcome in zip(cells, outcomes, strict=True)
                ],
            )
            self.folder.write_part(arm.name, key, columns)
            made = [(outcome.status, outcome.error) for outcome in outcomes]
            self.on_progress(self.tally.count(arm.name, plan.image, made, reused=False))

    def _cells(self, block: Block, plan: ImagePlan) -> list[_Cell]:
        images: dict[str, ImageView] = {}
        cells = []
        for sample in block.samples:
            for text in plan.texts:
                reason = self.truth.reason(sample, plan.image, text)
                if reason is not None:
                    clean = TextView(sample.question, sample.context, True, "", False)
                    cells.append(_Cell(sample, text, NOT_SHOWN, clean, reason))
                    continue
                if sample.group not in images:
                    images[sample.group] = self.views.image(sample.group, plan.image)
                cells.append(_Cell(sample, text, images[sample.group], self.views.text(sample, text)))
        return cells

    def _answer(self, arms: Sequence[Arm[VisionLanguageModel]], cells: Sequence[_Cell]) -> None:
        """Fills the arms' memories with the answers to all cells that can be asked."""
        wanted: dict[str, dict[ContentKey, _Cell]] = {arm.name: {} for arm in arms}
        pictures: dict[str, Image] = {}
        for cell in cells:
            if cell.failure is not None:
                continue
            for arm in arms:
                if cell.key not in self._memory[arm.name] and cell.key not in wanted[arm.name]:
                    wanted[arm.name][cell.key] = cell
                    if cell.image.pixels is not None:
                        pictures[cell.image.hash] = cell.image.pixels
        asked = [arm for arm in arms if wanted[arm.name]]
        if any(key[0] == ABSENT_HASH for arm in asked for key in wanted[arm.name]):
            # Behind an absent image any picture's prefix will do: its keys do not exist for the row.
            pictures[ABSENT_HASH] = self._placeholder(cells)
        shared: dict[str, list[Arm[VisionLanguageModel]]] = {}
        for arm in asked:
            shared.setdefault(arm.model.state_key, []).append(arm)
        for together in shared.values():
            for hashes in batches(sorted(pictures), max(1, self.batch_size // 4)):
                self._answer_pictures(together, wanted, {name: pictures[name] for name in hashes})

    def _placeholder(self, cells: Sequence[_Cell]) -> Image:
        # The same in every view of the block: how far an absent image moves the text hangs on its size.
        for sample in {cell.sample.group: cell.sample for cell in cells}.values():
            clean = self.views.image(sample.group, View())
            if clean.pixels is not None:
                return _blank(clean.pixels)
        raise SampleError("no image of the block can be read")

    def _answer_pictures(
        self,
        arms: Sequence[Arm[VisionLanguageModel]],
        wanted: dict[str, dict[ContentKey, _Cell]],
        pictures: dict[str, Image],
    ) -> None:
        place = {name: index for index, name in enumerate(pictures)}
        began = time.perf_counter()
        state, trouble = tried(lambda: arms[0].model.encode(list(pictures.values())))
        if trouble is not None and len(pictures) > 1:
            # As with rows: a picture that cannot be encoded costs itself, and memory suffices.
            for half in batches(list(pictures), (len(pictures) + 1) // 2):
                self._answer_pictures(arms, wanted, {name: pictures[name] for name in half})
            return
        encoding = time.perf_counter() - began
        for arm in arms:
            began = time.perf_counter()
            mine = [(key, cell) for key, cell in wanted[arm.name].items() if key[0] in place]
            memory = self._memory[arm.name]
            if trouble is not None:
                memory.update({key: Outcome.failed("model_error", trouble) for key, _ in mine})
                continue
            measured = []
            for key, cell in mine:
                length, trouble_here = tried(partial(arm.model.length, cell.prompt))
                if trouble_here is not None:
                    memory[key] = Outcome.failed("data_error", trouble_here)
                else:
                    measured.append((length, key, cell))
            # Rows of like length side by side: little padding. The key settles the order for good.
            measured.sort(key=lambda entry: entry[:2])
            for batch in _affordable(measured, self.batch_size):
                rows = [(place[key[0]], key, cell.prompt) for _, key, cell in batch]
                self._answer_batch(arm, state, rows)
            self.tally.add(self.tally.answered, arm.name, len(measured))
            self.tally.took(arm.name, time.perf_counter() - began + encoding / len(arms))

    def _answer_batch(
        self, arm: Arm[VisionLanguageModel], state: Any, batch: Sequence[tuple[int, ContentKey, Prompt]]
    ) -> None:
        """Answers a batch; one that fails is halved, so that a bad row costs itself and memory suffices."""
        answers, trouble = tried(
            lambda: arm.model.answer(state, [row for row, _, _ in batch], [prompt for _, _, prompt in batch])
        )
        memory = self._memory[arm.name]
        if answers is not None:
            for index, (_, key, _) in enumerate(batch):
                memory[key] = Outcome.of(answers, index)
        elif len(batch) == 1:
            memory[batch[0][1]] = Outcome.failed("model_error", trouble or "no answer")
        else:
            half = len(batch) // 2
            self._answer_batch(arm, state, batch[:half])
            self._answer_batch(arm, state, batch[half:])


def _affordable(
    rows: Sequence[tuple[int, ContentKey, _Cell]], size: int
) -> Iterator[Sequence[tuple[int, ContentKey, _Cell]]]:
    """Rows, shortest first, in batches of ``size`` or, where the longest row's padding costs much, fewer."""
    start = 0
    for end in range(1, len(rows) + 1):
        longest = rows[end][0] if end < len(rows) else 0
        if end == len(rows) or end - start >= size or (end - start + 1) * longest**2 > BATCH_PAIRS:
            yield rows[start:end]
            start = end


def _blank(picture: Image) -> Image:
    return np.zeros(picture.shape, dtype=np.uint8)


__all__ = ["Answers", "Arm", "LocalEngine", "Progress", "Tally"]
