"""One run: a suite's grid on some models, from data to records."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from dmsbench.errors import DmsbenchError
from dmsbench.models.spec import parse
from dmsbench.models.zoo import Zoo, pick_device
from dmsbench.runner.engine import Arm, LocalEngine, Progress, Tally
from dmsbench.runner.job import Job, key_maker, prepare
from dmsbench.runner.manifest import merged, model_entry
from dmsbench.runner.rows import row_builder
from dmsbench.runner.views import Views

#: Bytes of a model's name: what common file systems take.
LONGEST_NAME = 255


def load_arms(job: Job, *, device: str = "auto") -> tuple[list[Arm], dict[str, dict[str, Any]]]:
    """Loads the suite's models; returns them with the manifest's entry of each.

    Raises DmsbenchError where two models have one name, and what loading a model raises.
    """
    specs = [parse(text) for text in job.suite.models]
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise DmsbenchError(f"two models are named '{name}': give one another name, NAME=SPEC")
        if len(name.encode()) > LONGEST_NAME:
            raise DmsbenchError(f"model name '{name[:20]}…' is too long: a folder is named after it")
    zoo = Zoo(pick_device(device), job.dataset.answer_space, job.suite.task)
    arms, entries = [], {}
    for spec in specs:
        model = zoo.load(spec)
        settings = model.settings()
        key_of = key_maker(job, spec.name, settings)
        arms.append(Arm(spec.name, model, key_of))
        entries[spec.name] = model_entry(job, spec, settings, key_of)
    return arms, entries


def execute(
    job: Job,
    arms: Sequence[Arm],
    entries: dict[str, dict[str, Any]],
    *,
    batch_size: int,
    fresh: bool = False,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> tuple[Tally, dict[str, Any]]:
    """Answers what is missing and keeps the manifest; returns what was done and the manifest.

    ``fresh`` drops the parts of these models first.
    """
    with job.folder.locked():
        manifest = merged(job, entries)
        job.folder.write_manifest(manifest)
        if fresh:
            for name, entry in entries.items():
                for part in entry["parts"]:
                    job.folder.part(name, part["key"]).unlink(missing_ok=True)
        views = Views(job.suite.seed, job.dataset, job.suite.profile, job.suite.applied)
        engine = LocalEngine(
            job.folder,
            views,
            arms,
            batch_size=batch_size,
            build=row_builder(job.score),
            truth=job.truth,
            on_progress=on_progress,
        )
        began = time.perf_counter()
        tally = engine.run(job.plan)
        wall = time.perf_counter() - began
        for name, entry in entries.items():
            done = manifest["models"][name] = dict(entry)
            done["status"] = "complete"
            done["rows"] = tally.rows.get(name, 0)
            done["errors"] = tally.errors.get(name, 0)
            done["left_out"] = tally.left_out.get(name, 0)
            done["timing"] = {
                "answered": tally.answered.get(name, 0),
                "model_seconds": round(tally.seconds.get(name, 0.0), 3),
                "wall_seconds_of_all_models": round(wall, 3),
                "batch_size": batch_size,
            }
        job.folder.write_manifest(manifest)
        return tally, manifest


def automatic_batch_size(arms: Sequence[Arm], device: str) -> int:
    """Rows a batch: 256 for the embedded models, less the larger the model.

    A batch that does not fit is halved by the engine, so this only has to be a fair start.
    """
    largest = max(getattr(arm.model, "parameters", 0) for arm in arms)
    if largest > 3e9:
        return 16
    if largest > 3e8:
        return 32
    return 256 if largest < 1e7 or device != "cpu" else 64


__all__ = [
    "Job",
    "automatic_batch_size",
    "execute",
    "key_maker",
    "load_arms",
    "prepare",
]
