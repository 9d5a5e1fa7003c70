"""One run: a suite's grid on some models, from data to records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from dmsbench.data import Dataset
from dmsbench.errors import DmsbenchError
from dmsbench.models.loaded import origin_of
from dmsbench.models.spec import ModelSpec, parse
from dmsbench.models.zoo import Zoo, pick_device
from dmsbench.runner.ahead import Ahead
from dmsbench.runner.arms import Arm, Progress, Tally
from dmsbench.runner.batch_size import automatic_batch_size
from dmsbench.runner.conduct import Conduct
from dmsbench.runner.engine import LocalEngine
from dmsbench.runner.job import Job, key_maker, prepare
from dmsbench.runner.machine import machine
from dmsbench.runner.manifest import merged, model_entry, parts_of
from dmsbench.runner.plan import Block, ImagePlan
from dmsbench.runner.retrieval_engine import RetrievalEngine
from dmsbench.runner.rows import row_builder
from dmsbench.runner.store import COMPLETE, MANIFEST, STOPPED, RunFolder
from dmsbench.runner.views import Views
from dmsbench.suite import RetrievalConfig
from dmsbench.tasks.catalogue import task_of
from dmsbench.truth import Truth

_MET = (
    "{}: another run wrote here meanwhile; the parts of both are kept: should the report lack a model, "
    "the same command once more finds its parts"
)
#: Bytes of a model's name: what common file systems take.
LONGEST_NAME = 255


def load_arms(job: Job, *, device: str = "auto") -> tuple[list[Arm[Any]], dict[str, dict[str, Any]]]:
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
    load = _loader(job, pick_device(device))
    arms, entries = [], {}
    for spec in specs:
        plugin = spec.plugin
        if plugin is None:
            model = load(spec)
            settings = model.settings()
        else:
            model = plugin.function()(spec, device=pick_device(device), task=job.suite.task)
            settings = {**model.settings(), "plugin": plugin.origin}
        key_of = key_maker(job, spec.name, settings)
        arms.append(Arm(spec.name, model, key_of))
        entries[spec.name] = model_entry(spec, settings, origin_of(model))
    return arms, entries


def _loader(job: Job, device: str) -> Callable[[ModelSpec], Any]:
    """What loads the models of the suite's task."""
    if job.suite.task == "retrieval":
        from dmsbench.models.retrieval_zoo import RetrievalZoo

        return RetrievalZoo(device).load
    return Zoo(device, job.dataset.answer_space, job.suite.task).load


def views_of(job: Job) -> Views:
    """Makes the views of a job's data."""
    return Views(job.suite.seed, job.dataset, job.suite.profile, job.suite.applied)


def engine_of(
    job: Job,
    arms: Sequence[Arm[Any]],
    folder: RunFolder,
    *,
    batch_size: int,
    truth: Truth | None = None,
    dataset: Dataset | None = None,
    views: Views | None = None,
    conduct: Conduct | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> LocalEngine | RetrievalEngine:
    """The engine of the suite's task; by default with the job's own truth, and its data to search."""
    given: dict[str, Any] = {
        "batch_size": batch_size,
        "build": row_builder(job.score),
        "truth": job.truth if truth is None else truth,
        "conduct": conduct,
        "on_progress": on_progress,
    }
    views = views_of(job) if views is None else views
    if job.suite.task != "retrieval":
        return LocalEngine(folder, views, arms, asked=task_of(job.suite.task).prompt, **given)
    searched = job.dataset if dataset is None else dataset
    config = job.suite.retrieval or RetrievalConfig()
    return RetrievalEngine(folder, views, arms, dataset=searched, retrieval=config, **given)


def execute(
    job: Job,
    arms: Sequence[Arm[Any]],
    entries: dict[str, dict[str, Any]],
    *,
    batch_size: int,
    fresh: bool = False,
    workers: int = 0,
    conduct: Conduct | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> tuple[Tally, dict[str, Any]]:
    """Answers what is missing and keeps the manifest; returns what was done and the manifest.

    ``fresh`` drops the parts of these models first. ``workers`` processes make pictures ahead of the models;
    with 0 this one does. Raises DmsbenchError where another run holds the folder.
    """
    conduct = conduct or Conduct()

    def work() -> Tally:
        views = views_of(job)
        ahead = Ahead(workers, views) if workers else None
        if ahead is not None:
            views.ready = ahead.take
        try:
            engine = engine_of(
                job,
                arms,
                job.folder,
                batch_size=batch_size,
                views=views,
                conduct=replace(conduct, ahead=ahead),
                on_progress=on_progress,
            )
            return engine.run(job.plan)
        finally:
            if ahead is not None:
                ahead.close()

    keys = {arm.name: arm.key_of for arm in arms}
    return recorded(job, keys, entries, work, batch_size=batch_size, fresh=fresh, workers=workers)


def recorded(
    job: Job,
    keys: Mapping[str, Callable[[Block, ImagePlan], str]],
    entries: Mapping[str, dict[str, Any]],
    work: Callable[[], Tally],
    *,
    batch_size: int,
    fresh: bool = False,
    workers: int = 0,
    how: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Tally, dict[str, Any]]:
    """Keeps the folder and its manifest while ``work`` answers what is missing; ``keys`` are each model's.

    ``how`` goes into the manifest beside the times. As ``execute`` otherwise.
    """
    with job.folder.locked():
        job.folder.sweep(entries)
        spent = {} if fresh else _spent(job.folder, entries)
        manifest = merged(job, {name: {**entry, **spent.get(name, {})} for name, entry in entries.items()})
        job.folder.write_manifest(manifest)
        if fresh:
            for name in entries:
                job.folder.drop_parts(name)
        began = time.perf_counter()
        tally = work()
        wall = time.perf_counter() - began
        met = job.folder.met(manifest)
        if met is not None:
            # Nobody could be kept out: what others have added meanwhile must not be lost.
            manifest["models"] |= {name: entry for name, entry in met["models"].items() if name not in keys}
            tally.notices.append(_MET.format(job.folder.path))
        for name, key_of in keys.items():
            manifest["models"][name] = {
                **entries[name],
                "status": STOPPED if tally.stopped else COMPLETE,
                "parts": [] if tally.stopped else parts_of(job.plan, key_of),
                "rows": tally.rows.get(name, 0),
                "errors": tally.errors.get(name, 0),
                "left_out": tally.left_out.get(name, 0),
                "timing": {
                    "answered": tally.answered.get(name, 0),
                    "model_seconds": round(tally.seconds.get(name, 0.0), 3),
                    "wall_seconds_of_all_models": round(wall, 3),
                    "batch_size": tally.rows_at_once.get(name, batch_size),
                    "workers": workers,
                    "machine": machine(str(entries[name].get("settings", {}).get("device", "cpu"))),
                    **how,
                },
                # A run that found all answers there took no time; what they took is worth more.
                **({} if tally.answered.get(name) else spent.get(name, {})),
            }
        job.folder.write_manifest(manifest)
        return tally, manifest


def _spent(folder: RunFolder, entries: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The times of an earlier run, of those models that are still the same: ``{NAME: {"timing": …}}``."""
    if not (folder.path / MANIFEST).is_file():
        return {}
    known = folder.manifest()["models"]
    return {
        name: {"timing": known[name]["timing"]}
        for name, entry in entries.items()
        if known.get(name, {}).get("fingerprint") == entry.get("fingerprint") and "timing" in known[name]
    }


__all__ = [
    "Job",
    "automatic_batch_size",
    "engine_of",
    "execute",
    "key_maker",
    "load_arms",
    "prepare",
    "recorded",
]
