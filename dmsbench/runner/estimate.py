"""How long a run may take, from a measured handful of rows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dmsbench.runner.engine import Arm, LocalEngine
from dmsbench.runner.plan import Block, ImagePlan, Plan
from dmsbench.runner.rows import row_builder
from dmsbench.runner.run import Job
from dmsbench.runner.store import RunFolder
from dmsbench.runner.views import Views
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


def estimate(job: Job, arms: Sequence[Arm], batch_size: int, *, fresh: bool = False) -> list[Estimate]:
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
        rate = _seconds_per_row(job, arm, batch_size) if cached < rows else 0.0
        found.append(Estimate(arm.name, rows, cached, rate * (rows - cached)))
    return found


def _asked(job: Job, block: Block, plan: ImagePlan) -> int:
    """Rows of a piece that are not left out."""
    truth = job.truth
    if not any(map(truth.concerns, (plan.image, *plan.texts))):
        return len(block.samples) * len(plan.texts)
    return sum(truth.reason(s, plan.image, text) is None for s in block.samples for text in plan.texts)


def _seconds_per_row(job: Job, arm: Arm, batch_size: int) -> float:
    samples = job.plan.blocks[0].samples
    groups = list(dict.fromkeys(sample.group for sample in samples))[:PROBE_IMAGES]
    block = Block(0, tuple(sample for sample in samples if sample.group in groups))
    warm, timed = (
        Plan((block,), (ImagePlan(plan.image, plan.texts[:1]),))
        for plan in (job.plan.images[0], job.plan.images[-1])
    )
    with tempfile.TemporaryDirectory() as folder:
        views = Views(job.suite.seed, job.dataset, job.suite.profile, job.suite.applied)

        def engine(name: str) -> LocalEngine:
            place = RunFolder(Path(folder) / name)
            return LocalEngine(
                place,
                views,
                [arm],
                batch_size=batch_size,
                build=row_builder(job.score),
                truth=Truth(frozenset(job.suite.corruption_names)),  # rows left out would take no time
            )

        engine("warm").run(warm)
        spent = []
        for attempt in range(ATTEMPTS):
            began = time.perf_counter()
            engine(f"timed-{attempt}").run(timed)
            spent.append(time.perf_counter() - began)
    return min(spent) / len(block.samples)
