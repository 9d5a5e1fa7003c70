"""Where a run's CPU time goes: model, corruption, and everything else by what it is.

    python -m benchmarks.profile [--suite vqa-corrupt] [--model baseline] [--limit 600] [--lines 12]

The run is sampled by its own CPU time, a thousand times a second, and each sample counts for the kind of work
whose function is on the stack, innermost first; samples under none of them are the engine's own. The embedded
model is the hardest case: the larger a model, the smaller all other shares.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch

from dmsbench.runner.memory import keep_freed_memory
from dmsbench.runner.run import execute, load_arms, prepare
from dmsbench.suite import load_suite

MODEL, CORRUPTION, ENGINE = "model", "corruption", "the engine's own"
#: Kinds of work by the file, and the function in it where that decides, that a frame is of.
KINDS: tuple[tuple[str, str | None, str], ...] = (
    ("/dmsbench/models/", None, MODEL),
    ("/dmsbench/fusion/", None, MODEL),
    ("/corruptions/", None, CORRUPTION),
    ("/dmsbench/data/", None, "reading pictures"),
    ("/runner/views.py", "content_hash", "hashing content"),
    ("/runner/views.py", "pixels_hash", "hashing content"),
    ("/runner/cells.py", "cells_of", "planning rows"),
    ("/dmsbench/truth.py", None, "planning rows"),
    ("/runner/job.py", None, "keys of parts"),
    ("/runner/rows.py", "build", "scores and columns"),
    ("/runner/store.py", None, "reading and writing records"),
)
INTERVAL = 0.001


def kind_of(frame: FrameType | None) -> tuple[str, str]:
    """The kind of work of a stack, and the line of this repository that it was in."""
    line = ""
    while frame is not None:
        name, function = frame.f_code.co_filename, frame.f_code.co_name
        if not line and ("/dmsbench/" in name or "/corruptions/" in name):
            line = f"{Path(name).name}:{frame.f_lineno} {function}"
        for file, wanted, kind in KINDS:
            if file in name and wanted in (None, function):
                return kind, line
        frame = frame.f_back
    return ENGINE, line


@contextmanager
def sampling() -> Iterator[Counter[tuple[str, str]]]:
    """Counts samples by kind and line while open."""
    found: Counter[tuple[str, str]] = Counter()
    signal.signal(signal.SIGPROF, lambda _number, frame: found.update([kind_of(frame)]))
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="vqa-corrupt")
    parser.add_argument("--model", default="baseline")
    parser.add_argument("--limit", type=int, default=600)
    parser.add_argument("--lines", type=int, default=0, help="lines outside of model and corruption to print")
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as out:
        job = prepare(load_suite(given.suite).changed(limit=given.limit, models=[given.model]), Path(out))
        arms, entries = load_arms(job, device="cpu")
        began = time.process_time()
        with sampling() as found:
            tally, _ = execute(job, arms, entries, batch_size=256)
        total = time.process_time() - began
    samples = sum(found.values())
    kinds: Counter[str] = Counter()
    for (kind, _), count in found.items():
        kinds[kind] += count
    print(f"{given.suite}, {given.model}: {sum(tally.rows.values()):,} pairs, {total:.2f} CPU s")
    for kind, count in kinds.most_common():
        print(f"{kind:28} {count / samples * total:8.2f} s {count / samples:7.1%}")
    print(f"neither corruption nor model: {1 - (kinds[MODEL] + kinds[CORRUPTION]) / samples:.1%}")
    others = Counter({key: n for key, n in found.items() if key[0] not in (MODEL, CORRUPTION)})
    for (kind, line), count in others.most_common(given.lines):
        print(f"{count / samples:7.2%} {kind}: {line}")


if __name__ == "__main__":
    main()
