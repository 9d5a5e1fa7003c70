"""The engine of retrieval: every query of a plan against the whole split, one image view at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from dmsbench.data.base import Dataset, Sample
from dmsbench.data.retrieval import DIRECTIONS
from dmsbench.grid import View
from dmsbench.models.base import Image
from dmsbench.models.retrieval import Retriever
from dmsbench.runner.arms import Arm, Progress, Tally
from dmsbench.runner.conduct import Conduct, kept
from dmsbench.runner.encodings import Encodings
from dmsbench.runner.plan import Block, ImagePlan, Plan, batches
from dmsbench.runner.records import LEFT_OUT, SCHEMA
from dmsbench.runner.rows import Cell, Outcome, RowBuilder
from dmsbench.runner.search import TEXT_TO_IMAGE, Search, Sight, Split
from dmsbench.runner.store import RunFolder
from dmsbench.runner.views import NOT_SHOWN, ImageView, TextView, Views
from dmsbench.suite import RetrievalConfig
from dmsbench.truth import Truth

#: Items as shown, by image view and group.
Pictures = Mapping[View, Mapping[str, ImageView]]


@dataclass(slots=True)
class _Piece:
    """A block with the models that lack it under the image view in hand, and their rows so far."""

    block: Block
    missing: list[tuple[Arm[Retriever], str]]
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)


class RetrievalEngine:
    """Runs a plan of retrieval in this process.

    What is searched is the whole data set, whatever the plan asks. Under each image view that something is
    missing of, an item is corrupted once for all models and encoded once for all models that share a
    checkpoint, for all blocks and text views.
    """

    def __init__(
        self,
        folder: RunFolder,
        views: Views,
        arms: Sequence[Arm[Retriever]],
        *,
        dataset: Dataset,
        retrieval: RetrievalConfig,
        batch_size: int,
        build: RowBuilder,
        truth: Truth,
        conduct: Conduct | None = None,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        self.folder, self.views, self.arms = folder, views, tuple(arms)
        self.split, self.retrieval = Split.of(dataset), retrieval
        self.batch_size, self.build, self.truth, self.on_progress = batch_size, build, truth, on_progress
        self.conduct = conduct or Conduct()
        self.tally = Tally()
        self.encodings: dict[str, Encodings] = {}
        for arm in self.arms:
            self.encodings.setdefault(
                arm.model.state_key, Encodings(arm.model, batch_size, self.conduct.patience, arm.name)
            )
        self._clean: dict[str, ImageView] = {}

    def run(self, plan: Plan) -> Tally:
        """Does what is missing of the plan, until asked to stop; returns what was done."""
        for _ in self.pieces(plan):
            pass
        return self.tally

    def pieces(self, plan: Plan) -> Iterator[None]:
        """As ``run``, coming back after every piece: an image view with all its blocks.

        What these search is the same.
        """
        for image_plan in plan.images:
            if self.conduct.stop():
                self.tally.stopped = True
                break
            pieces = [piece for block in plan.blocks if (piece := self._piece(block, image_plan)).missing]
            if pieces:
                self._do(image_plan, pieces)
            yield

    def _piece(self, block: Block, plan: ImagePlan) -> _Piece:
        piece = _Piece(block, [])
        for arm in self.arms:
            key = arm.key_of(block, plan)
            there = kept(self.folder, arm.name, key, self.conduct, self.tally)
            if there is None or not there.done:
                piece.missing.append((arm, key))
            else:
                found = zip(there.table["status"].to_pylist(), there.table["error"].to_pylist(), strict=True)
                self.on_progress(self.tally.count(arm.name, plan.image, list(found), reused=True))
        return piece

    def _do(self, plan: ImagePlan, pieces: Sequence[_Piece]) -> None:
        arms = {arm.name: arm for piece in pieces for arm, _ in piece.missing}
        keys = [arm.model.state_key for arm in arms.values()]
        used = {key: self.encodings[key] for key in keys}
        before = {key: one.seconds for key, one in used.items()}
        pictures = {
            view: self._see(groups, view, list(used.values()))
            for view, groups in self._wanted(plan, pieces).items()
        }
        for text in plan.texts:
            self._text_view(plan.image, text, pieces, pictures, used)
            for encodings in used.values():
                encodings.drop_texts()
        for encodings in used.values():
            encodings.drop_images()
        for arm in arms.values():
            key = arm.model.state_key
            self.tally.took(arm.name, (used[key].seconds - before[key]) / keys.count(key))
        for piece in pieces:
            for arm, key in piece.missing:
                table = _by_sample(piece.tables[arm.name], len(piece.block.samples))
                self.folder.write_part(arm.name, key, dict(zip(SCHEMA.names, table.columns, strict=True)))
                found = zip(table["status"].to_pylist(), table["error"].to_pylist(), strict=True)
                self.on_progress(self.tally.count(arm.name, plan.image, list(found), reused=False))

    def _not_asked(self, sample: Sample, image: View, text: View) -> Outcome | None:
        """Why this query is not asked under these views, if so."""
        if sample.fault is not None:
            return Outcome.failed("data_error", sample.fault)
        reason = self.truth.reason(sample, image, text)
        if reason is None and self.retrieval.side(sample.direction or TEXT_TO_IMAGE) is None:
            reason = f"the suite does not ask {sample.direction}"
        return None if reason is None else Outcome.failed(LEFT_OUT, reason)

    def _asked(self, piece: _Piece, direction: str, image: View, text: View) -> list[Sample]:
        return [
            sample
            for sample in piece.block.samples
            if sample.direction == direction and self._not_asked(sample, image, text) is None
        ]

    def _wanted(self, plan: ImagePlan, pieces: Sequence[_Piece]) -> dict[View, dict[str, None]]:
        """Which items' pictures the queries need to be seen, by image view; the clean view where it is it."""
        wanted: dict[View, dict[str, None]] = {}
        for text in plan.texts:
            for direction in DIRECTIONS:
                asked = [s for piece in pieces for s in self._asked(piece, direction, plan.image, text)]
                if asked:
                    view = Sight.of(self.retrieval, direction, plan.image, text).image
                    groups = (
                        self.split.items if direction == TEXT_TO_IMAGE else [sample.group for sample in asked]
                    )
                    wanted.setdefault(view, {}).update(dict.fromkeys(groups))
        return wanted

    def _see(self, groups: Iterable[str], view: View, used: Sequence[Encodings]) -> Mapping[str, ImageView]:
        """Corrupts and encodes pictures; only a batch of them is held as pixels."""
        seen = self._clean if view.is_clean else {}
        size = max(1, self.batch_size // 4)
        pending: dict[str, Image] = {}
        clean: set[str] = set()

        def lacking(shown: ImageView) -> bool:
            return any(encodings.lacks_image(shown.hash) for encodings in used)

        def encode() -> None:
            for encodings in used:
                encodings.add_images(pending, clean)
            pending.clear()

        # Known are the clean pictures of an earlier view, maybe from a model that is not at work now.
        new = [g for g in groups if g not in seen or (seen[g].error is None and lacking(seen[g]))]
        ahead = self.conduct.ahead
        ticket = None if ahead is None else ahead.expect(new, view)
        for some in batches(new, size):
            for group in some:
                shown = self.views.image(group, view)
                seen[group] = replace(shown, pixels=None)
                if shown.pixels is not None and lacking(shown):
                    pending[shown.hash] = shown.pixels
                    if not shown.changed:
                        clean.add(shown.hash)
            self.views.forget()
            if len(pending) >= size:
                encode()
        encode()
        if ahead is not None and ticket is not None:
            ahead.drop(ticket)
        return seen

    def _text_view(
        self,
        image: View,
        text: View,
        pieces: Sequence[_Piece],
        pictures: Pictures,
        used: Mapping[str, Encodings],
    ) -> None:
        """Asks all queries under one condition and appends their rows to the pieces."""
        known: dict[tuple[str, View], TextView] = {}

        def read(sample: Sample, view: View) -> TextView:
            if (sample.id, view) not in known:
                known[sample.id, view] = self.views.text(sample, view)
            return known[sample.id, view]

        # By block, model and sample.
        found: dict[tuple[int, str, str], Cell] = {}
        for direction in DIRECTIONS:
            asked = [self._asked(piece, direction, image, text) for piece in pieces]
            queries = [sample for some in asked for sample in some]
            if not queries:
                continue
            sight = Sight.of(self.retrieval, direction, image, text)
            search = Search(direction, sight, self.split, pictures[sight.image], read, self.conduct.patience)
            contents = search.contents(queries)
            shown = {sample.id: search.shown(sample) for sample in queries}
            for state_key, encodings in used.items():
                encodings.add_texts(contents)
                gallery = search.gallery(encodings)
                for piece, some in zip(pieces, asked, strict=True):
                    for arm, _ in piece.missing:
                        if arm.model.state_key != state_key or not some:
                            continue
                        with self.tally.timing(arm.name):
                            outcomes = search.outcomes(arm.model, some, gallery, encodings)
                        self.tally.add(self.tally.answered, arm.name, len(some))
                        for sample, outcome in zip(some, outcomes, strict=True):
                            cell = (sample, text, *shown[sample.id], outcome)
                            found[piece.block.index, arm.name, sample.id] = cell
        for piece in pieces:
            for arm, _ in piece.missing:
                cells = [
                    found.get((piece.block.index, arm.name, sample.id)) or self._unshown(sample, image, text)
                    for sample in piece.block.samples
                ]
                # As a table: a tenth of the memory of rows, and a plan may have very many text views.
                columns = self.build(arm.name, image, cells)
                piece.tables.setdefault(arm.name, []).append(pa.table(columns, schema=SCHEMA))

    def _unshown(self, sample: Sample, image: View, text: View) -> Cell:
        outcome = self._not_asked(sample, image, text)
        if outcome is None:
            outcome = Outcome.failed("data_error", "the query has no direction")
        clean = TextView(sample.question, sample.context, True, "", False)
        return sample, text, NOT_SHOWN, clean, outcome


def _by_sample(tables: Sequence[pa.Table], samples: int) -> pa.Table:
    """Tables of one text view each as one, all text views of a sample side by side."""
    joined = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    order = [view * samples + sample for sample in range(samples) for view in range(len(tables))]
    return joined.take(order)
