"""What a worker is given at a time, and what comes back of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dmsbench.runner.arms import Progress, Tally
from dmsbench.runner.batch_size import BatchSize
from dmsbench.runner.plan import Plan, strands
from dmsbench.suite import Suite

__all__ = ["Crew", "Done", "Loaded", "Share", "added", "shares"]


@dataclass(frozen=True, slots=True)
class Crew:
    """All that a worker has to know of the run; it reads the data and loads the models itself.

    ``folder`` is the working directory that relative paths are meant from. ``batch_size`` None: each worker
    finds its own. ``threads`` are CPU threads.
    """

    suite: Suite
    out: Path
    folder: Path
    device: str
    batch_size: int | None
    threads: int
    workers: int
    time_limit: float | None
    retry_errors: bool
    trusts_code: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a worker has loaded: the manifest's entries of its models and what has to be alike everywhere."""

    entries: Mapping[str, dict[str, Any]]
    device: str
    batch: BatchSize
    machine: Mapping[str, str | int]
    versions: Mapping[str, str]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a plan: consecutive blocks and image views, by their places in the plan.

    ``after_clean``: the block's clean answers have to be there first.
    """

    blocks: tuple[int, int]
    images: tuple[int, int]
    after_clean: bool = False

    @property
    def clean(self) -> Share:
        """The share that this one waits for."""
        return Share(self.blocks, (0, 1))

    def of(self, plan: Plan, *, with_clean: bool = False) -> Plan:
        """The share as a plan of its own, the clean view before it if wanted."""
        images = plan.images[slice(*self.images)]
        return Plan(plan.blocks[slice(*self.blocks)], (plan.images[0], *images) if with_clean else images)


@dataclass(frozen=True, slots=True)
class Done:
    """A piece of a share: what its engine said meanwhile, and what it counted since the piece before."""

    events: tuple[Progress, ...]
    tally: Tally


def shares(plan: Plan, *, by_view: bool) -> list[Share]:
    """A plan in shares: a block's strands, each after its clean view, or ``by_view`` an image view each.

    A search goes through all blocks of a view.
    """
    if by_view:
        return [Share((0, len(plan.blocks)), (at, at + 1)) for at in range(len(plan.images))]
    found = []
    for block in range(len(plan.blocks)):
        for strand in strands(plan.images):
            found.append(Share((block, block + 1), strand, after_clean=strand[0] > 0))
    return found


def added(total: Tally, more: Tally) -> None:
    """Adds what a worker counted."""
    for field in fields(Tally):
        whole, part = getattr(total, field.name), getattr(more, field.name)
        if field.name == "rows_at_once":
            for model, rows in part.items():
                whole[model] = min(rows, whole.get(model, rows))
        elif isinstance(whole, Counter):
            whole.update(part)
        elif isinstance(whole, dict):
            for model, count in part.items():
                whole[model] = whole.get(model, 0) + count
        elif isinstance(whole, list):
            whole.extend(part)
