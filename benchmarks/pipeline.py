"""How much of a model's own throughput a run keeps: all other work beside a model that waits.

    python -m benchmarks.pipeline [--workers 0,1] [--encode-ms 15] [--answer-ms 10] [--images 64]

The model answers nothing: it sleeps as long as a model on an accelerator would keep its process waiting, so
that all other work shows: corruption, planning, records. Model-only throughput is what these sleeps alone
allow. The defaults, milliseconds a picture and a row, are about a LLaVA's of 7 billion parameters in
half precision. Pictures are made up, 224 pixels a side; the grid is that of vqa-corrupt.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cost_per_pair import data
from dmsbench.models.base import Answers, Image, Prompt
from dmsbench.models.spec import ModelSpec
from dmsbench.runner.arms import Arm
from dmsbench.runner.job import key_maker
from dmsbench.runner.manifest import model_entry
from dmsbench.runner.run import execute, prepare
from dmsbench.suite import load_suite
from dmsbench.suite_blocks import DatasetConfig


class Waiting:
    """A model that takes its time and no CPU; ``spent``: seconds that were slept."""

    state_key = "waiting"

    def __init__(self, picture: float, row: float) -> None:
        self.picture, self.row, self.spent = picture, row, 0.0

    def settings(self) -> dict[str, Any]:
        return {"family": "waiting"}

    def length(self, prompt: Prompt) -> int:
        return len(prompt.question)

    def encode(self, images: Sequence[Image]) -> int:
        self._wait(self.picture * len(images))
        return len(images)

    def answer(
        self, state: int, rows: Sequence[int], prompts: Sequence[Prompt], weights: torch.Tensor | None = None
    ) -> Answers:
        self._wait(self.row * len(rows))
        sure = np.ones(len(rows), np.float32)
        return Answers(("yes",) * len(rows), sure, sure)

    def _wait(self, seconds: float) -> None:
        began = time.perf_counter()
        time.sleep(seconds)
        self.spent += time.perf_counter() - began


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", default="0,1", help="worker processes, several runs by commas")
    parser.add_argument("--encode-ms", type=float, default=15)
    parser.add_argument("--answer-ms", type=float, default=10)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--questions", type=int, default=4)
    parser.add_argument("--side", type=int, default=224, help="of a picture, in pixels")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'workers':>7} {'pairs':>8} {'wall s':>8} {'model s':>8} {'CPU s':>7} {'of model-only':>14}")
    for workers in map(int, given.workers.split(",")):
        with tempfile.TemporaryDirectory() as out:
            file = data(Path(out) / "data", given.images, given.questions, given.side)
            suite = load_suite("vqa-corrupt").changed(dataset=DatasetConfig(name="local", path=file))
            job = prepare(suite.model_copy(update={"limit": None}), Path(out))
            model = Waiting(given.encode_ms / 1000, given.answer_ms / 1000)
            arm = Arm("waiting", model, key_maker(job, "waiting", model.settings()))
            entries = {"waiting": model_entry(ModelSpec("waiting", "waiting"), model.settings())}
            cpu, wall = time.process_time(), time.perf_counter()
            tally, _ = execute(job, [arm], entries, batch_size=16, workers=workers)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(
            f"{workers:7} {sum(tally.rows.values()):8,} {wall:8.2f} {model.spent:8.2f} {cpu:7.2f} "
            f"{model.spent / wall:14.1%}"
        )


if __name__ == "__main__":
    main()
