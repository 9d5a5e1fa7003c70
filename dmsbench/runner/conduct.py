"""How a run is carried out: nothing of it decides what a record says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from dmsbench.runner.ahead import Ahead
from dmsbench.runner.arms import Tally
from dmsbench.runner.patience import Patience
from dmsbench.runner.store import RunFolder

__all__ = ["Conduct", "Kept", "kept"]


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Conduct:
    """``stop`` says whether to end after the piece in hand, ``retry_errors`` that rows of which a model
    failed in an earlier run are asked again, ``ahead`` makes pictures in other processes."""

    patience: Patience = field(default_factory=Patience)
    stop: Callable[[], bool] = _never
    retry_errors: bool = False
    ahead: Ahead | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A sound part of an earlier run; ``done`` is False where some of its rows are to be asked again."""

    table: pa.Table
    done: bool


def kept(folder: RunFolder, model: str, key: str, conduct: Conduct, tally: Tally) -> Kept | None:
    """A part of an earlier run, None where there is none that is sound; damaged ones are told of."""
    table = folder.sound_part(model, key, tally.damaged.append)
    if table is None:
        return None
    failed = (
        conduct.retry_errors and pc.any(pc.equal(table["status"].cast(pa.string()), "model_error")).as_py()
    )
    return Kept(table, not failed)
