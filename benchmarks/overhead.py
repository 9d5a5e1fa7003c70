"""What scheduling costs beside static fusion: the rule, corner-fitted mixtures, probe-fitted choices.

    python -m benchmarks.overhead [--checkpoint tiny-llava-easy-vqa] [--suite vqa-corrupt] [--limit 300]
        [--corner DIR] [--probe DIR] [--repeats 3] [--threads 1]

One process, one suite. Every arm runs the whole plan on its own, so that each pays for its own encoding; arms
take turns, and every repetition starts with another one and with models loaded anew, so that neither a busy
machine nor a warm cache favours one. A ratio compares an arm with static fusion in the same repetition.
Schedulers that are not given are fitted first, in a temporary folder.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from dmsbench.data import load_dataset
from dmsbench.models.base import Answers, Image, Prompt, VisionLanguageModel
from dmsbench.models.spec import parse
from dmsbench.models.zoo import Zoo
from dmsbench.runner.memory import keep_freed_memory
from dmsbench.runner.run import execute, load_arms, prepare
from dmsbench.suite import Suite, load_suite
from dmsbench.training.fit import FitPlan, fit, rows_a_batch
from dmsbench.training.simulated import FAMILIES

STATIC = "static"


@dataclass(frozen=True)
class Timing:
    """One arm's run of the plan: CPU seconds of the model (encoding and answering) and of everything."""

    answered: int
    model: float
    cpu: float


class Clocked:
    """A model that counts the CPU seconds it takes: on a busy machine they say more than the clock."""

    def __init__(self, model: VisionLanguageModel) -> None:
        self.model, self.state_key, self.spent = model, model.state_key, 0.0

    def settings(self) -> dict[str, Any]:
        return self.model.settings()

    def length(self, prompt: Prompt) -> int:
        return self._timed(self.model.length, prompt)

    def encode(self, images: Sequence[Image]) -> Any:
        return self._timed(self.model.encode, images)

    def answer(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        return self._timed(self.model.answer, state, rows, prompts, weights)

    def _timed(self, work: Callable[..., Any], *given: Any) -> Any:
        began = time.process_time()
        found = work(*given)
        self.spent += time.process_time() - began
        return found


def fitted(suite: Suite, checkpoint: str, source: str, limit: int, out: Path) -> Path:
    """A scheduler for the checkpoint on the suite's training split."""
    config = suite.dataset
    dataset = load_dataset(config.name, "train", level=config.level)
    adapter = Zoo("cpu").adapter(parse(checkpoint))
    plan = FitPlan(FAMILIES, limit=limit, source=source)
    fit(adapter, dataset, suite, out, plan, batch_size=rows_a_batch(adapter))
    return out


def once(suite: Suite, spec: str, batch_size: int) -> Timing:
    """Runs one model, loaded anew, into an empty folder."""
    with tempfile.TemporaryDirectory() as out:
        job = prepare(suite.changed(models=[spec]), Path(out))
        (arm,), entries = load_arms(job, device="cpu")
        clocked = Clocked(arm.model)
        began = time.process_time()
        tally, _ = execute(job, [replace(arm, model=clocked)], entries, batch_size=batch_size)
        return Timing(tally.answered[arm.name], clocked.spent, time.process_time() - began)


def measured(
    suite: Suite, specs: Mapping[str, str], repeats: int, batch_size: int
) -> dict[str, list[Timing]]:
    """Every arm ``repeats`` times, in turns."""
    found: dict[str, list[Timing]] = {name: [] for name in specs}
    names = list(specs)
    once(suite.changed(limit=10), specs[STATIC], batch_size)  # warms threads and imports up
    for number in range(repeats):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(once(suite, specs[name], batch_size))
    return found


def spread(ratios: Sequence[float]) -> str:
    """Median, least and largest."""
    return f"{statistics.median(ratios):5.2f}× ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="tiny-llava-easy-vqa")
    parser.add_argument("--suite", default="vqa-corrupt")
    parser.add_argument("--limit", type=int, default=300, help="samples of each run")
    parser.add_argument("--corner", type=Path, help="a scheduler fitted with --source corner")
    parser.add_argument("--probe", type=Path, help="a scheduler fitted with --source probe")
    parser.add_argument("--fit-limit", type=int, default=2000, help="samples of a fit made here")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    transformers_logging.disable_progress_bar()
    suite = load_suite(given.suite).changed(limit=given.limit)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {
            source: folder or fitted(suite, given.checkpoint, source, given.fit_limit, Path(scratch) / source)
            for source, folder in (("corner", given.corner), ("probe", given.probe))
        }
        scheduled = {source: f"fusion=dms,scheduler={folder}" for source, folder in folders.items()}
        options = {
            STATIC: "fusion=static",
            "rule": "fusion=dms",
            "corner, mixture": f"{scheduled['corner']},mixing=mixture",
            "corner, choice": f"{scheduled['corner']},mixing=choice",
            "probe, choice": f"{scheduled['probe']},mixing=choice",
        }
        specs = {name: f"{given.checkpoint},{option}" for name, option in options.items()}
        found = measured(suite, specs, given.repeats, given.batch_size)
    answers = found[STATIC][0].answered
    print(f"{suite.name}, {given.checkpoint}: {answers:,} answers, {given.repeats} repeats, CPU seconds")
    print(f"{'arm':16} {'model s':>8} {'model, of static':>24} {'all s':>8} {'whole run, of static':>24}")
    for name, timings in found.items():
        model = [mine.model / base.model for mine, base in zip(timings, found[STATIC], strict=True)]
        cpu = [mine.cpu / base.cpu for mine, base in zip(timings, found[STATIC], strict=True)]
        print(
            f"{name:16} {statistics.median(each.model for each in timings):8.2f} {spread(model):>24} "
            f"{statistics.median(each.cpu for each in timings):8.2f} {spread(cpu):>24}"
        )


if __name__ == "__main__":
    main()
