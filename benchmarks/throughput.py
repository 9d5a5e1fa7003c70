"""Pairs of question and condition per CPU-second: the planned run beside plain ``generate``.

    python -m benchmarks.throughput [--model baseline] [--limit 600] [--threads 1]

One process, one checkpoint, one grid (vqa-corrupt). The peers get their pictures and questions already
corrupted, their time is the processor's and ``generate``'s alone; the planned run's time is everything:
corrupting, encoding, answering, scoring, writing records. The peers answer a sample of the pairs, spread
evenly over the grid; the planned run answers all of them. Answers are checked to agree.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dmsbench.models.base import Image, Prompt
from dmsbench.models.llava import LlavaModel
from dmsbench.models.spec import parse
from dmsbench.models.zoo import Zoo
from dmsbench.runner.memory import keep_freed_memory
from dmsbench.runner.run import Job, execute, load_arms, prepare
from dmsbench.runner.views import Views
from dmsbench.suite import load_suite


@dataclass(frozen=True)
class Pair:
    """A question under a condition, corrupted beforehand; ``name`` finds its record."""

    name: tuple[str, str, int, str, int]
    pixels: Image
    question: str


@dataclass(frozen=True)
class Timing:
    """Pairs answered and what that took."""

    name: str
    pairs: int
    cpu: float
    wall: float

    @property
    def rate(self) -> float:
        return self.pairs / self.cpu


def timed(name: str, work: Callable[[], int]) -> Timing:
    """Runs work, which returns how many pairs it answered."""
    wall, cpu = time.perf_counter(), time.process_time()
    pairs = work()
    return Timing(name, pairs, time.process_time() - cpu, time.perf_counter() - wall)


def some_pairs(job: Job, count: int) -> list[Pair]:
    """Pairs spread evenly over conditions and samples; those without image or question are left out."""
    views = Views(job.suite.seed, job.dataset, job.suite.profile, job.suite.applied)
    samples = [sample for block in job.plan.blocks for sample in block.samples]
    every = [
        (sample, condition)
        for index, condition in enumerate(job.suite.conditions)
        for sample in samples[index % 7 :: 7]
    ]
    found = []
    for sample, condition in every[:: max(1, len(every) // count)]:
        image, text = views.image(sample.group, condition.image), views.text(sample, condition.text)
        if image.pixels is not None and text.present:
            name = (
                sample.id,
                condition.image.corruption,
                condition.image.severity,
                condition.text.corruption,
                condition.text.severity,
            )
            found.append(Pair(name, image.pixels, text.question))
    return found[:count]


def generate(model: LlavaModel, pairs: Sequence[Pair], size: int) -> list[str]:
    """Stock processor and ``generate`` in batches of ``size``."""
    answers: list[str] = []
    for start in range(0, len(pairs), size):
        batch = pairs[start : start + size]
        inputs = model.processor(
            images=[pair.pixels for pair in batch],
            text=[model.format.text(Prompt(pair.question)) for pair in batch],
            return_tensors="pt",
            padding=True,
        )
        with torch.inference_mode():
            ids = model.model.generate(**inputs, max_new_tokens=model.max_new_tokens, do_sample=False)
        texts = model.processor.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        answers += [text.strip() for text in texts]
    return answers


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="baseline", help="a model specification with static fusion")
    parser.add_argument("--limit", type=int, default=600, help="samples of the planned run")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()  # for all three alike
    suite = load_suite("vqa-corrupt").changed(limit=given.limit, models=[given.model])
    with tempfile.TemporaryDirectory() as out:
        job = prepare(suite, Path(out))
        arms, entries = load_arms(job, device="cpu")
        stock = Zoo("cpu").load(parse(given.model))
        assert isinstance(stock, LlavaModel)
        one, many = some_pairs(job, 384), some_pairs(job, 1280)
        generate(stock, many[:64], 64)  # warms threads and caches up
        timings = [
            timed("generate, one by one", lambda: len(generate(stock, one, 1))),
            timed("generate, batches of 64", lambda: len(generate(stock, many, 64))),
        ]

        def planned() -> int:
            tally, _ = execute(job, arms, entries, batch_size=256)
            return sum(tally.rows.values())

        timings.append(timed("planned run", planned))
        frame = job.folder.records(arms[0].name)
        columns = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]
        recorded = dict(
            zip(frame[columns].itertuples(index=False, name=None), frame["prediction"], strict=True)
        )
        stock_answers = generate(stock, many, 64)
        same = sum(recorded[pair.name] == answer for pair, answer in zip(many, stock_answers, strict=True))
    print(f"{'way':26} {'pairs':>8} {'CPU s':>8} {'wall s':>8} {'pairs / CPU s':>14} {'planned is':>11}")
    for timing in timings:
        ratio = timings[-1].rate / timing.rate
        print(
            f"{timing.name:26} {timing.pairs:8,} {timing.cpu:8.2f} {timing.wall:8.2f} "
            f"{timing.rate:14,.0f} {ratio:10.1f}×"
        )
    print(f"answers equal to generate's: {same} of {len(many)}")


if __name__ == "__main__":
    main()
