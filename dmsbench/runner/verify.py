"""How far the batch size moves what a model answers: some rows asked again, one by one.

Sums of floating-point numbers depend on their order, and so on how a batch is padded and cut. Predictions
may differ only where two answers are as good as equal; this measures whether that is so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dmsbench.runner.arms import Arm
from dmsbench.runner.job import Job
from dmsbench.runner.plan import Block, ImagePlan, Plan
from dmsbench.runner.run import engine_of
from dmsbench.runner.store import RunFolder

#: Rows of the probe at most: image views × texts × samples.
IMAGES, TEXTS, SAMPLES = 4, 4, 32
_ROW = ["sample_id", "text_corruption", "text_severity"]


@dataclass(frozen=True, slots=True)
class Verified:
    """A model's rows in batches against the same rows one by one.

    ``predictions`` of ``rows`` differ, none by a margin above ``margin`` (the smaller of both; 0 where
    none differs, NaN where the model gives none); ``confidence`` is the largest difference of confidences
    (NaN: it gives none), ``statuses`` counts rows that failed in one way and not in the other.
    """

    model: str
    rows: int
    predictions: int
    margin: float
    confidence: float
    statuses: int


def verify_batch(job: Job, arms: Sequence[Arm[Any]]) -> list[Verified]:
    """Asks rows of a finished run again in batches of one, and notes in the manifest what came of it.

    Of retrieval the whole gallery is encoded again, picture by picture. Raises DmsbenchError where the run's
    parts cannot be read or another run holds the folder.
    """
    found = [_verified(job, arm) for arm in arms]
    with job.folder.locked():
        manifest = job.folder.manifest()
        for one in found:
            values = {
                name: None if value != value else value
                for name, value in asdict(one).items()
                if name != "model"
            }
            manifest["models"][one.model]["verified_batch"] = values
        job.folder.write_manifest(manifest)
    return found


def _verified(job: Job, arm: Arm[Any]) -> Verified:
    whole = job.plan.blocks[0]
    keys = {plan.image: arm.key_of(whole, plan) for plan in _spread(job.plan.images, IMAGES)}
    images = [
        ImagePlan(plan.image, _spread(plan.texts, TEXTS)) for plan in job.plan.images if plan.image in keys
    ]
    block = Block(whole.index, whole.samples[:SAMPLES])
    batched, alone = [], []
    with tempfile.TemporaryDirectory() as temporary:
        again = RunFolder(Path(temporary))
        # Under the names of the run's own parts, out of which the probe's pieces are cut.
        probe = replace(arm, key_of=lambda _block, plan: keys[plan.image])
        engine_of(job, [probe], again, batch_size=1).run(Plan((block,), tuple(images)))
        for plan in images:
            one, other = (
                folder.read_part(arm.name, keys[plan.image]).to_pandas().set_index(_ROW)
                for folder in (job.folder, again)
            )
            batched.append(one.loc[other.index])
            alone.append(other)
    return compared(arm.name, pd.concat(batched), pd.concat(alone))


def compared(model: str, batched: pd.DataFrame, alone: pd.DataFrame) -> Verified:
    """The same rows, in the same order, answered in batches and one by one."""
    both = (batched["status"].to_numpy(str) == "ok") & (alone["status"].to_numpy(str) == "ok")
    differ = both & (
        (batched["prediction"].to_numpy(object) != alone["prediction"].to_numpy(object))
        # Of retrieval the answer is where the right candidate stands.
        | (batched["rank"].fillna(0).to_numpy() != alone["rank"].fillna(0).to_numpy())
    )
    margins = np.minimum(batched["margin"].to_numpy(float), alone["margin"].to_numpy(float))[differ]
    moved = np.abs(batched["confidence"].to_numpy(float) - alone["confidence"].to_numpy(float))[both]
    return Verified(
        model,
        len(batched),
        int(differ.sum()),
        float(margins.max()) if len(margins) else 0.0,
        _largest(moved),
        int((batched["status"].to_numpy(str) != alone["status"].to_numpy(str)).sum()),
    )


def _largest(values: np.ndarray[Any, Any]) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else float("nan")


def _spread(things: Sequence[Any], most: int) -> tuple[Any, ...]:
    """The first, the last and others evenly between them."""
    places = np.linspace(0, len(things) - 1, min(most, len(things))).round().astype(int)
    return tuple(things[place] for place in places)
