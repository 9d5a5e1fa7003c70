"""The local engine: answers a plan's pieces, one image view of one block at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from dmsbench.data.base import SampleError
from dmsbench.grid import View
from dmsbench.models.base import Image, Prompt, VisionLanguageModel
from dmsbench.runner.arms import Arm, Progress, Tally
from dmsbench.runner.cells import Cell, cells_of
from dmsbench.runner.conduct import Conduct, kept
from dmsbench.runner.lookahead import Lookahead
from dmsbench.runner.plan import Block, ImagePlan, Plan, batches
from dmsbench.runner.recall import ContentKey, recalled
from dmsbench.runner.rows import Outcome, RowBuilder
from dmsbench.runner.store import RunFolder
from dmsbench.runner.views import ABSENT_HASH, Views
from dmsbench.tasks.base import as_it_is
from dmsbench.truth import Truth

#: Pairs of prompt tokens in a batch, padding included: what attention's memory grows with. Without it one
#: very long question would pad a whole batch to its length.
BATCH_PAIRS = 2**26


class LocalEngine:
    """Runs a plan in this process.

    An image view is corrupted once for all models and encoded once for all models that share a
    checkpoint; every question and text view of it is answered from that state. Within a block a model
    answers equal content once: a sample that a modality corruption did not hit keeps its clean answer. What
    is known to a strand (see ``plan.strands``) are the clean answers and its own, so that strands do not hang
    on each other, and blocks not at all: a share of a plan makes the same records as the whole.
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
        asked: Callable[[str], str] = as_it_is,
        conduct: Conduct | None = None,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        self.folder, self.views, self.arms = folder, views, tuple(arms)
        self.build, self.truth, self.on_progress = build, truth, on_progress
        self.asked = asked
        self.conduct = conduct or Conduct()
        self.tally = Tally()
        #: The block at hand, its clean answers, and what the strand at hand knows: these and its own.
        self._block: Block | None = None
        self._strand: str | None = None
        self._clean: dict[str, dict[ContentKey, Outcome]] = {}
        self._memory: dict[str, dict[ContentKey, Outcome]] = {}
        #: Parts of an earlier run, clean ones and the strand's, whose answers are not in the memory yet.
        self._unread_clean: dict[str, list[pa.Table]] = {}
        self._unread: dict[str, list[pa.Table]] = {}
        self._rows = {arm.name: batch_size for arm in self.arms}
        self._pictures = {arm.model.state_key: max(1, batch_size // 4) for arm in self.arms}

    def run(self, plan: Plan) -> Tally:
        """Does what is missing of the plan, until asked to stop; returns what was done."""
        self._block = None
        for _ in self.pieces(plan):
            pass
        return self.tally

    def pieces(self, plan: Plan) -> Iterator[None]:
        """As ``run``, coming back after every piece."""
        ahead = Lookahead(self.conduct.ahead, self._groups_to_make)
        for block, image_plan in ahead.over(plan):
            if self.conduct.stop():
                self.tally.stopped = True
                break
            self._turn_to(block, image_plan.image)
            self._piece(block, image_plan)
            yield

    def holds(self, block: Block) -> bool:
        """Whether the clean answers of this very block are at hand."""
        return self._block is block

    def _turn_to(self, block: Block, image: View) -> None:
        names = [arm.name for arm in self.arms]
        if self._block is not block:
            self._block, self._strand = block, None
            self._clean = {name: {} for name in names}
            self._unread_clean = {name: [] for name in names}
            self.views.forget()
        if self._strand != image.corruption:
            self._strand = image.corruption
            self._memory = self._clean if image.is_clean else {n: dict(self._clean[n]) for n in names}
            self._unread = self._unread_clean if image.is_clean else {name: [] for name in names}
        for arm in self.arms:
            # What a model remembers was rounded in the batches of its time.
            getattr(arm.model, "forget", _nothing)()

    def _groups_to_make(self, block: Block, plan: ImagePlan) -> list[str]:
        """Images that a piece needs; none where it is there already."""
        if all(self.folder.part(arm.name, arm.key_of(block, plan)).is_file() for arm in self.arms):
            return []
        return list(
            dict.fromkeys(
                sample.group
                for sample in block.samples
                if any(self.truth.reason(sample, plan.image, text) is None for text in plan.texts)
            )
        )

    def _piece(self, block: Block, plan: ImagePlan) -> None:
        todo: list[tuple[Arm[VisionLanguageModel], str]] = []
        for arm in self.arms:
            key = arm.key_of(block, plan)
            found = kept(self.folder, arm.name, key, self.conduct, self.tally)
            if found is not None:
                self._unread[arm.name].append(found.table)
            if found is not None and found.done:
                states = zip(found.table["status"].to_pylist(), found.table["error"].to_pylist(), strict=True)
                self.on_progress(self.tally.count(arm.name, plan.image, list(states), reused=True))
            else:
                todo.append((arm, key))
        if not todo:
            return
        self._recall([arm for arm, _ in todo], block)
        cells = cells_of(self.views, self.truth, block, plan, self.asked)
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

    def _recall(self, arms: Sequence[Arm[VisionLanguageModel]], block: Block) -> None:
        """Puts into the memory what these models have answered of the block in an earlier run."""
        samples = {sample.id: sample for sample in block.samples}
        for arm in arms:
            clean, memory = self._clean[arm.name], self._memory[arm.name]
            for unread, known in ((self._unread_clean, (clean, memory)), (self._unread, (memory,))):
                for table in unread[arm.name]:
                    for key, outcome in recalled(table, samples, errors=not self.conduct.retry_errors):
                        for answers in known:
                            answers.setdefault(key, outcome)
                unread[arm.name].clear()

    def _answer(self, arms: Sequence[Arm[VisionLanguageModel]], cells: Sequence[Cell]) -> None:
        """Fills the arms' memories with the answers to all cells that can be asked."""
        wanted: dict[str, dict[ContentKey, Cell]] = {arm.name: {} for arm in arms}
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
            for hashes in batches(sorted(pictures), self._pictures[together[0].model.state_key]):
                self._answer_pictures(together, wanted, {name: pictures[name] for name in hashes})

    def _placeholder(self, cells: Sequence[Cell]) -> Image:
        # The same in every view of the block: how far an absent image moves the text hangs on its size.
        for sample in {cell.sample.group: cell.sample for cell in cells}.values():
            clean = self.views.image(sample.group, View())
            if clean.pixels is not None:
                return _blank(clean.pixels)
        raise SampleError("no image of the block can be read")

    def _answer_pictures(
        self,
        arms: Sequence[Arm[VisionLanguageModel]],
        wanted: dict[str, dict[ContentKey, Cell]],
        pictures: dict[str, Image],
    ) -> None:
        place = {name: index for index, name in enumerate(pictures)}
        first, patience = arms[0], self.conduct.patience
        began = time.perf_counter()
        state, trouble = patience.tried(
            lambda: first.model.encode(list(pictures.values())), f"model '{first.name}'"
        )
        if trouble is not None and len(pictures) > 1:
            # As with rows: a picture that cannot be encoded costs itself, and memory suffices.
            half = (len(pictures) + 1) // 2
            if trouble.memory:
                self._pictures[first.model.state_key] = half
            for some in batches(list(pictures), half):
                self._answer_pictures(arms, wanted, {name: pictures[name] for name in some})
            return
        encoding = time.perf_counter() - began
        for arm in arms:
            began = time.perf_counter()
            mine = [(key, cell) for key, cell in wanted[arm.name].items() if key[0] in place]
            memory = self._memory[arm.name]
            if trouble is not None:
                memory.update({key: Outcome.failed("model_error", trouble.reason) for key, _ in mine})
                continue
            measured = []
            for key, cell in mine:
                length, unmeasured = patience.tried(
                    partial(arm.model.length, cell.prompt), f"model '{arm.name}'"
                )
                if unmeasured is not None:
                    memory[key] = Outcome.failed("data_error", unmeasured.reason)
                else:
                    measured.append((length, key, cell))
            # Rows of like length side by side: little padding. The key settles the order for good.
            measured.sort(key=lambda entry: entry[:2])
            while measured:
                batch = measured[: _affordable(measured, self._rows[arm.name])]
                del measured[: len(batch)]
                rows = [(place[key[0]], key, cell.prompt) for _, key, cell in batch]
                most, short = self._answer_batch(arm, state, rows)
                if short and most:
                    # Later batches have no more than fitted; a row that never fits must not make all others
                    # go one by one.
                    self._rows[arm.name] = self.tally.rows_at_once[arm.name] = min(self._rows[arm.name], most)
                self.tally.add(self.tally.answered, arm.name, len(batch))
            self.tally.took(arm.name, time.perf_counter() - began + encoding / len(arms))

    def _answer_batch(
        self, arm: Arm[VisionLanguageModel], state: Any, batch: Sequence[tuple[int, ContentKey, Prompt]]
    ) -> tuple[int, bool]:
        """Answers a batch; one that fails is halved, so that a bad row costs itself and memory suffices.

        Returns how many rows at most were answered at once, and whether memory was short.
        """
        answers, trouble = self.conduct.patience.tried(
            lambda: arm.model.answer(state, [row for row, _, _ in batch], [prompt for _, _, prompt in batch]),
            f"model '{arm.name}'",
        )
        memory = self._memory[arm.name]
        if trouble is None:
            for index, (_, key, _) in enumerate(batch):
                memory[key] = Outcome.of(answers, index)
            return len(batch), False
        if len(batch) == 1:
            memory[batch[0][1]] = Outcome.failed("model_error", trouble.reason)
            return 0, trouble.memory
        half = len(batch) // 2
        most, short = self._answer_batch(arm, state, batch[:half])
        # What memory sufficed for in one half need not be found out again in the other.
        size = most if trouble.memory and most else len(batch)
        for some in batches(batch[half:], size):
            fitted, lacking = self._answer_batch(arm, state, some)
            most, short = max(most, fitted), short or lacking
        return most, trouble.memory or short


def _affordable(rows: Sequence[tuple[int, ContentKey, Cell]], size: int) -> int:
    """How many of the rows, shortest first, make a batch: ``size``, or fewer where padding costs much."""
    for end in range(1, min(size, len(rows))):
        if (end + 1) * rows[end][0] ** 2 > BATCH_PAIRS:
            return end
    return min(size, len(rows))


def _nothing() -> None:
    """Of models that remember nothing."""


def _blank(picture: Image) -> Image:
    return np.zeros(picture.shape, dtype=np.uint8)


__all__ = ["Arm", "LocalEngine", "Progress", "Tally"]
