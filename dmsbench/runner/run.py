"""One run: a suite's grid on some models, from data to records."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import corruptions
from dmsbench import __version__
from dmsbench.data import Dataset, load_dataset
from dmsbench.errors import DataError, DmsbenchError
from dmsbench.models.spec import ModelSpec, parse
from dmsbench.models.zoo import Zoo, pick_device
from dmsbench.runner.engine import Arm, LocalEngine, Progress, Tally
from dmsbench.runner.plan import Block, ImagePlan, Plan, by_image, in_blocks, limited
from dmsbench.runner.records import RECORD_VERSION
from dmsbench.runner.rows import row_builder
from dmsbench.runner.store import MANIFEST, MANIFEST_FORMAT, RunFolder, digest
from dmsbench.runner.views import Views
from dmsbench.suite import Suite
from dmsbench.tasks import vqa
from dmsbench.truth import LeftOut, Truth, included_though_false, left_out, lines

#: Bytes of a model's name: what common file systems take.
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Job:
    """A suite made ready: its data, its plan and the folder where its records belong."""

    suite: Suite
    dataset: Dataset
    plan: Plan
    identity: dict[str, Any]
    folder: RunFolder
    #: What the corruptions would make wrong, by corruption, and what is asked though it is.
    left_out: tuple[LeftOut, ...] = ()
    included_though_false: tuple[str, ...] = ()

    @property
    def truth(self) -> Truth:
        """Decides which samples are left out under which views."""
        return Truth.of(self.suite)

    @property
    def truth_lines(self) -> list[str]:
        """What is left out and what is asked though it is false, a line each."""
        return lines(self.left_out, self.included_though_false, self.plan.samples)

    @property
    def fingerprint(self) -> str:
        """Identifies suite, data and seed: records of equal fingerprints answer the same questions."""
        return digest(self.identity)


def prepare(suite: Suite, out: Path) -> Job:
    """Loads the data and plans the work; no model is touched.

    Raises DataError where the data cannot be read or there are none, SuiteError where a backend is missing.
    """
    settings = suite.differing()
    config = suite.dataset
    dataset = load_dataset(config.name, config.split, config.path, config.images)
    samples = limited(dataset, suite.limit)
    if not samples:
        raise DataError(f"data set '{dataset.name}' has no samples")
    identity = {
        "suite": suite.name,
        "task": suite.task,
        "score": vqa.EXACT_MATCH_SIGNATURE,
        "dataset": {
            "name": dataset.name,
            "split": dataset.split,
            "fingerprint": dataset.fingerprint,
            "samples": digest([sample.id for sample in samples]),
        },
        "seed": suite.seed,
        "profile": suite.profile,
        "conditions": [str(condition) for condition in suite.conditions],
        "corruptions": _versions(suite.corruption_names),
        # Left out where all is default, so that what was made before there were settings stays valid.
        **({"settings": settings} if settings else {}),
    }
    truth = Truth.of(suite)
    lost = tuple(left_out(truth, samples, suite.conditions))
    if lost:
        identity["left_out"] = {entry.corruption: entry.samples for entry in lost}
    return Job(
        suite,
        dataset,
        Plan(in_blocks(samples), by_image(suite.conditions)),
        identity,
        RunFolder(out / suite.name / digest(identity)[:12]),
        lost,
        tuple(included_though_false(truth, samples)),
    )


def key_maker(job: Job, name: str, settings: dict[str, Any]) -> Callable[[Block, ImagePlan], str]:
    """The key of a model's piece of work: everything that decides the records of that part."""
    truth = job.truth

    def key(block: Block, plan: ImagePlan) -> str:
        involved = {view.corruption for view in (plan.image, *plan.texts) if not view.is_clean}
        own = job.identity.get("settings", {})
        made = {name: own[name] for name in involved if name in own}
        content = {
            "record": RECORD_VERSION,
            "model": name,
            "settings": settings,
            "score": job.identity["score"],
            "dataset": job.dataset.fingerprint,
            "samples": [sample.id for sample in block.samples],
            "seed": job.suite.seed,
            "profile": job.suite.profile,
            "image": str(plan.image),
            "texts": [str(text) for text in plan.texts],
            "corruptions": _versions(involved),
        }
        if made:
            content["corruption_settings"] = made
        if any(map(truth.concerns, (plan.image, *plan.texts))):
            reasons = [[truth.reason(s, plan.image, text) for text in plan.texts] for s in block.samples]
            if any(map(any, reasons)):
                content["left_out"] = reasons
        return digest(content)

    return key


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
    zoo = Zoo(pick_device(device), job.dataset.answer_space)
    arms, entries = [], {}
    for spec in specs:
        model = zoo.load(spec)
        settings = model.settings()
        key_of = key_maker(job, spec.name, settings)
        arms.append(Arm(spec.name, model, key_of))
        entries[spec.name] = _entry(job, spec, settings, key_of)
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
        manifest = _merged(job, entries)
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
            build=row_builder(vqa.exact_match),
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


def _entry(
    job: Job, spec: ModelSpec, settings: dict[str, Any], key_of: Callable[[Block, ImagePlan], str]
) -> dict[str, Any]:
    parts = [
        {
            "key": key_of(block, plan),
            "block": block.index,
            "image": str(plan.image),
            "rows": len(block.samples) * len(plan.texts),
        }
        for block in job.plan.blocks
        for plan in job.plan.images
    ]
    return {
        "spec": str(spec),
        "fingerprint": digest(settings),
        "settings": settings,
        "status": "running",
        "parts": parts,
    }


def _merged(job: Job, entries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The manifest with these models beside those that the folder holds already."""
    models: dict[str, Any] = {}
    if (job.folder.path / MANIFEST).is_file():
        models = job.folder.manifest()["models"]
    chance = job.dataset.chance
    return {
        "format": MANIFEST_FORMAT,
        "dmsbench": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "fingerprint": job.fingerprint,
        "identity": job.identity,
        "suite": job.suite.model_dump(mode="json"),
        "severity_tables": _tables(job.suite),
        "dataset": {
            "name": job.dataset.name,
            "split": job.dataset.split,
            "fingerprint": job.dataset.fingerprint,
            "licence": job.dataset.licence,
            "samples": job.plan.samples,
            "images": sum(len({s.group for s in block.samples}) for block in job.plan.blocks),
        },
        "left_out": [asdict(entry) for entry in job.left_out],
        "included_though_false": list(job.included_though_false),
        "chance": None if chance is None else {"value": chance.value, "definition": chance.definition},
        "environment": _environment(),
        "models": models | entries,
    }


def _versions(names: Sequence[str] | set[str]) -> dict[str, int]:
    return {name: corruptions.get(name).version for name in sorted(names)}


def _tables(suite: Suite) -> dict[str, Any]:
    """Which severity table each image corruption uses, by the picture's shorter side in pixels."""
    profile = None if suite.profile == "auto" else suite.profile
    side = corruptions.SMALL_SIDE
    sides = {f"under {side} px": side - 1, f"from {side} px": side}
    return {
        "profile": suite.profile,
        "corruptions": {
            name: {
                words: corruptions.profile_of(name, pixels, pixels, profile=profile)
                for words, pixels in sides.items()
            }
            for name in suite.corruption_names
            if corruptions.get(name).kind == "image"
        },
    }


def _environment() -> dict[str, str]:
    packages = ("torch", "transformers", "tokenizers", "numpy", "opencv-python-headless", "pillow")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{package: metadata.version(package) for package in packages},
    }


__all__ = [
    "Job",
    "automatic_batch_size",
    "execute",
    "key_maker",
    "load_arms",
    "prepare",
]
