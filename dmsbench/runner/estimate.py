"""How long a run may take, from a measured handful of rows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dmsbench.data.retrieval import DIRECTIONS
from dmsbench.runner.arms import Arm
from dmsbench.runner.engine import LocalEngine
from dmsbench.runner.plan import Block, ImagePlan, Plan
from dmsbench.runner.retrieval_engine import RetrievalEngine
from dmsbench.runner.run import Job, engine_of
from dmsbench.runner.store import RunFolder
from dmsbench.suite import RetrievalConfig
from dmsbench.truth import Truth

#: Images of the probe: enough to fill a batch of the embedded models.
PROBE_IMAGES = 16
#: Timed this often; the quickest counts, for a busy machine only ever adds.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """Rows to ask a model, those on disk already, and the seconds that the rest may take."""

    model: str
    rows: int
    cached: int
    seconds: float


def estimate(job: Job, arms: Sequence[Arm[Any]], batch_size: int, *, fresh: bool = False) -> list[Estimate]:
    """Answers some clean and some corrupted rows for real, in a temporary folder, and extrapolates.

    An upper bound as a rule: rows of equal content are answered once in a run, and the probe counts each.
    """
    found = []
    for arm in arms:
        pieces = [
            (
                _asked(job, block, plan),
                not fresh and job.folder.has_part(arm.name, arm.key_of(block, plan)),
            )
            for block in job.plan.blocks
            for plan in job.plan.images
        ]
        rows, cached = sum(size for size, _ in pieces), sum(size for size, there in pieces if there)
        rate, each = _rates(job, arm, batch_size) if cached < rows else (0.0, 0.0)
        lacking = sum(
            len(plan.texts)
            for plan in job.plan.images
            if fresh or not all(job.folder.has_part(arm.name, arm.key_of(b, plan)) for b in job.plan.blocks)
        )
        found.append(Estimate(arm.name, rows, cached, rate * (rows - cached) + each * _shown(job, lacking)))
    return found


def _asked(job: Job, block: Block, plan: ImagePlan) -> int:
    """Rows of a piece that are not left out."""
    truth = job.truth
    if not any(map(truth.concerns, (plan.image, *plan.texts))):
        return len(block.samples) * len(plan.texts)
    return sum(truth.reason(s, plan.image, text) is None for s in block.samples for text in plan.texts)


def _shown(job: Job, conditions: int) -> int:
    """Of retrieval how many items so many conditions show: all where galleries are corrupted."""
    config, everything = job.suite.retrieval or RetrievalConfig(), len(job.dataset.groups)
    if any(config.side(direction) in ("gallery", "both") for direction in DIRECTIONS):
        return everything * conditions
    asked = len({sample.group for block in job.plan.blocks for sample in block.samples})
    return everything + asked * conditions


def _rates(job: Job, arm: Arm[Any], batch_size: int) -> tuple[float, float]:
    """Seconds per row, and of retrieval per item that is shown, whether it asks or is searched."""
    samples = job.plan.blocks[0].samples
    groups = list(dict.fromkeys(sample.group for sample in samples))[:PROBE_IMAGES]
    block = Block(0, tuple(sample for sample in samples if sample.group in groups))
    warm, timed = (
        Plan((block,), (ImagePlan(plan.image, plan.texts[:1]),))
        for plan in (job.plan.images[0], job.plan.images[-1])
    )
    # Of retrieval the probe searches its own images alone: they stand for their share of the whole split.
    searched = replace(job.dataset, samples=tuple(s for s in job.dataset.samples if s.group in groups))
    with tempfile.TemporaryDirectory() as folder:

        def engine(name: str) -> LocalEngine | RetrievalEngine:
            return engine_of(
                job,
                [arm],
                RunFolder(Path(folder) / name),
                batch_size=batch_size,
                truth=Truth(frozenset(job.suite.corruption_names)),  # rows left out would take no time
                dataset=searched,
            )

        engine("warm").run(warm)
        spent = []
        for attempt in range(ATTEMPTS):
            timing = engine(f"timed-{attempt}")
            began = time.perf_counter()
            tally = timing.run(timed)
            wall = time.perf_counter() - began
            ranking = wall
            if isinstance(timing, RetrievalEngine):
                encoding = sum(encodings.seconds for encodings in timing.encodings.values())
                ranking = tally.seconds.get(arm.name, 0.0) - encoding
            spent.append((wall, ranking))
    wall, ranking = min(spent)
    return ranking / len(block.samples), (wall - ranking) / len(groups)
