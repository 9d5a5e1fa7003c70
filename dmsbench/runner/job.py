"""A suite made ready to run: its data, its plan, what identifies it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import corruptions
from dmsbench.data import Dataset
from dmsbench.errors import DataError
from dmsbench.grid import View
from dmsbench.libraries import libraries
from dmsbench.runner.plan import Block, ImagePlan, Plan, by_image, in_blocks, limited
from dmsbench.runner.records import RECORD_VERSION
from dmsbench.runner.scoring import configured, on_split
from dmsbench.runner.store import RunFolder, digest
from dmsbench.size_limits import check_size
from dmsbench.suite import Suite
from dmsbench.tasks.catalogue import is_foreign, task_of
from dmsbench.tasks.scorers import Scorer, scorer
from dmsbench.truth import LeftOut, Truth, included_though_false, left_out, lines

__all__ = ["Job", "key_maker", "prepare"]


@dataclass(frozen=True, slots=True)
class Job:
    """A suite made ready: its data, its plan and the folder where its records belong."""

    suite: Suite
    dataset: Dataset
    plan: Plan
    identity: dict[str, Any]
    folder: RunFolder
    score: Scorer
    #: Decides which samples are left out under which views.
    truth: Truth = field(default_factory=Truth)
    #: What the corruptions would make wrong, by corruption, and what is asked though it is.
    left_out: tuple[LeftOut, ...] = ()
    included_though_false: tuple[str, ...] = ()

    @property
    def truth_lines(self) -> list[str]:
        """What is left out, what is asked though it is false and what is set, a line each."""
        settings = self.identity.get("settings", {})
        return lines(self.left_out, self.included_though_false, settings, self.plan.samples)

    @property
    def fingerprint(self) -> str:
        """Identifies suite, data and seed: records of equal fingerprints answer the same questions."""
        return digest(self.identity)


def prepare(suite: Suite, out: Path) -> Job:
    """Loads the data and plans the work; no model is touched.

    Raises DataError where the data cannot be read or there are none, SuiteError where a backend is missing
    or the grid is too large.
    """
    settings = suite.differing()
    dataset = configured(suite.dataset, suite.task, suite.limit)
    samples = limited(dataset, suite.limit, suite.retrieval)
    if not samples:
        raise DataError(f"data set '{dataset.name}' has no samples{_asked(suite)}")
    check_size(suite, len(samples))
    score = on_split(scorer(suite.score, suite.task), dataset)
    identity = {
        "suite": suite.name,
        "task": suite.task,
        "score": score.signature,
        "dataset": {
            "name": dataset.name,
            "split": dataset.split,
            "fingerprint": dataset.fingerprint,
            "samples": digest([sample.id for sample in samples]),
            **({"source": dict(dataset.source)} if dataset.source else {}),
        },
        "seed": suite.seed,
        "profile": suite.profile,
        "conditions": [str(condition) for condition in suite.conditions],
        "corruptions": _versions(suite.corruption_names),
        # Left out where all is default, so that what was made before there were settings stays valid.
        **({"settings": settings} if settings else {}),
        **_searched(suite),
        **_brought(suite),
    }
    truth = Truth.of(suite, dataset.samples)
    lost = tuple(left_out(truth, samples, suite.conditions))
    if lost:
        identity["left_out"] = {entry.corruption: entry.samples for entry in lost}
    return Job(
        suite,
        dataset,
        Plan(in_blocks(samples), by_image(suite.conditions)),
        identity,
        RunFolder(out / suite.name / digest(identity)[:12]),
        score,
        truth,
        lost,
        tuple(included_though_false(truth, samples)),
    )


def key_maker(job: Job, name: str, settings: dict[str, Any]) -> Callable[[Block, ImagePlan], str]:
    """The key of a model's piece of work: everything that decides the records of that part.

    That includes the versions of the libraries that draw, corrupt and compute. Keys are made when they are
    asked for, and once: a run begins at once however large its grid is.
    """
    truth, own = job.truth, job.identity.get("settings", {})
    common = {
        "record": RECORD_VERSION,
        "model": name,
        "settings": settings,
        "score": job.identity["score"],
        "dataset": job.dataset.fingerprint,
        "seed": job.suite.seed,
        "profile": job.suite.profile,
        "libraries": dict(libraries()),
        **_searched(job.suite),
        **_brought(job.suite),
    }
    known: dict[tuple[int, View], tuple[Block, ImagePlan, str]] = {}

    @functools.cache
    def of_all() -> str:
        return digest(common)

    @functools.cache
    def of_samples(block: Block) -> str:
        return digest([sample.id for sample in block.samples])

    def key(block: Block, plan: ImagePlan) -> str:
        found = known.get((block.index, plan.image))
        # A probe may ask for a piece cut out of this one: its place is the same, its key is not.
        if found is not None and found[0] is block and found[1] is plan:
            return found[2]
        involved = {view.corruption for view in (plan.image, *plan.texts) if not view.is_clean}
        content: dict[str, Any] = {
            "common": of_all(),
            "samples": of_samples(block),
            "image": str(plan.image),
            "texts": [str(text) for text in plan.texts],
            "corruptions": _versions(involved),
            "corruption_settings": {name: own[name] for name in sorted(involved) if name in own},
        }
        if any(map(truth.concerns, (plan.image, *plan.texts))):
            reasons = [[truth.reason(s, plan.image, text) for text in plan.texts] for s in block.samples]
            content["left_out"] = reasons if any(map(any, reasons)) else []
        made = digest(content)
        known[block.index, plan.image] = block, plan, made
        return made

    return key


def _searched(suite: Suite) -> dict[str, Any]:
    """Of retrieval what is searched and which side of it is corrupted: records hang on it."""
    return {} if suite.retrieval is None else {"retrieval": suite.retrieval.model_dump(mode="json")}


def _brought(suite: Suite) -> dict[str, Any]:
    """Of another package's task what it is and whose: prompts and what is read of answers hang on it."""
    return {"task_version": task_of(suite.task).signature} if is_foreign(suite.task) else {}


def _asked(suite: Suite) -> str:
    if suite.retrieval is None:
        return ""
    return f" for {' and '.join(name for name, side in suite.retrieval if side)}"


def _versions(names: Iterable[str]) -> dict[str, int | str]:
    return {name: corruptions.version_of(name) for name in sorted(names)}
