"""The manifest of a run: what was asked of whom, on what data, by which tables, in which environment."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import corruptions
from dmsbench import __version__
from dmsbench.libraries import libraries
from dmsbench.models.spec import ModelSpec
from dmsbench.plugins import DATASETS, GROUPS, SCORES, TASKS, offered
from dmsbench.runner.job import Job
from dmsbench.runner.plan import Block, ImagePlan, Plan
from dmsbench.runner.scoring import chance_of, searches
from dmsbench.runner.store import MANIFEST, MANIFEST_FORMAT, RUNNING, digest
from dmsbench.suite import Suite
from dmsbench.tasks.catalogue import form, is_foreign
from dmsbench.tasks.scorers import is_builtin

_OWN = frozenset(corruptions.names())

__all__ = ["environment", "merged", "model_entry", "parts_of"]


def model_entry(
    spec: ModelSpec, settings: dict[str, Any], loaded: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the manifest says of a model before its work is done.

    ``loaded``: what does not decide its answers, such as the hub's commit and where its weights lie.
    """
    return {
        "spec": str(spec),
        "fingerprint": digest(settings),
        "settings": settings,
        **({"loaded": loaded} if loaded else {}),
        "environment": environment(),
        "status": RUNNING,
        "parts": [],
    }


def parts_of(plan: Plan, key_of: Callable[[Block, ImagePlan], str]) -> list[dict[str, Any]]:
    """What the manifest says of a model's parts once all are there."""
    return [
        {
            "key": key_of(block, image_plan),
            "block": block.index,
            "image": str(image_plan.image),
            "rows": len(block.samples) * len(image_plan.texts),
        }
        for block in plan.blocks
        for image_plan in plan.images
    ]


def merged(job: Job, entries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The manifest with these models beside those that the folder holds already."""
    models: dict[str, Any] = {}
    if (job.folder.path / MANIFEST).is_file():
        models = job.folder.manifest()["models"]
    return {
        "format": MANIFEST_FORMAT,
        "dmsbench": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "fingerprint": job.fingerprint,
        "identity": job.identity,
        "suite": job.suite.model_dump(mode="json"),
        "severity_tables": _severity_tables(job.suite),
        "dataset": {
            "name": job.dataset.name,
            "split": job.dataset.split,
            "fingerprint": job.dataset.fingerprint,
            "licence": job.dataset.licence,
            **({"source": dict(job.dataset.source)} if job.dataset.source else {}),
            "samples": job.plan.samples,
            "images": sum(len({s.group for s in block.samples}) for block in job.plan.blocks),
        },
        "left_out": [asdict(entry) for entry in job.left_out],
        "included_though_false": list(job.included_though_false),
        "chance": chance_of(job.score, job.dataset, job.suite.retrieval),
        # With it another score's chance is known without the data.
        **({"searches": searches(job.dataset, job.suite.retrieval)} if job.suite.retrieval else {}),
        "environment": environment(),
        **_brought(job),
        "models": models | entries,
    }


def _brought(job: Job) -> dict[str, Any]:
    """What other packages brought but models, which say it themselves; and what a task of theirs asks.

    Reports read the latter: they need not load the package.
    """
    suite = job.suite
    used = [
        *([(DATASETS, suite.dataset.name)] if suite.dataset.foreign else []),
        *([(TASKS, suite.task)] if is_foreign(suite.task) else []),
        *([(SCORES, suite.score)] if not is_builtin(suite.score) else []),
        *((GROUPS["corruptions"], name) for name in suite.corruption_names if name not in _OWN),
    ]
    # A task may bring scores of its own, which no entry point names.
    found = {f"{group}:{name}": offered(group)[name].origin for group, name in used if name in offered(group)}
    return {
        **({"plugins": found} if found else {}),
        **({"samples_as": form(suite.task)} if is_foreign(suite.task) else {}),
    }


def _severity_tables(suite: Suite) -> dict[str, Any]:
    """Which severity table each image corruption uses, by the picture's shorter side in pixels."""
    side = corruptions.SMALL_SIDE
    sides = {f"under {side} px": side - 1, f"from {side} px": side}
    return {
        "profile": suite.profile,
        "corruptions": {
            name: {
                words: f"{how.backend}'s own"
                if how.backend != corruptions.NATIVE
                else corruptions.profile_of(name, pixels, pixels, profile=how.profile)
                for words, pixels in sides.items()
            }
            for name, how in suite.applied.items()
            if corruptions.get(name).kind == "image"
        },
    }


def environment() -> dict[str, str]:
    """Python, the machine's kind and the versions of the libraries that decide what is computed."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **libraries(),
    }
