"""Pairs of question and condition per CPU-second: the planned run beside what others do with the checkpoint.

    python -m benchmarks.throughput [--model baseline] [--limit 600] [--threads 1]
    python -m benchmarks.throughput --larger --limit 16 --peer-pairs 16
    python -m benchmarks.throughput --lmms-eval PYTHON      # of an environment with lmms-eval in it

One process (lmms-eval: its own), one checkpoint, the full grid of vqa-corrupt. The peers get their pictures
and questions already corrupted: their time is the processor's and the model's alone (of lmms-eval what more
rows cost, without its start); the planned run's time is everything: corrupting, encoding, answering, scoring,
writing records. The peers answer a sample of the pairs, spread evenly over the grid; the planned run answers
all of them. Answers are checked to agree. ``--larger``: a LLaVA of 98 million random parameters whose
pictures take 576 tokens.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image as Pictures
from transformers import pipeline

from benchmarks.larger_llava import make
from dmsbench.exchange.export import export
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


def piped(model: LlavaModel, pairs: Sequence[Pair], size: int) -> list[str]:
    """transformers' own pipeline, in batches of ``size``."""
    pipe = pipeline("image-text-to-text", model=model.model, processor=model.processor, batch_size=size)
    pipe.tokenizer.padding_side = "left"
    chats = [
        [
            {
                "role": "user",
                "content": [
                    {"type": "image", "image": Pictures.fromarray(pair.pixels)},
                    {"type": "text", "text": pair.question},
                ],
            }
        ]
        for pair in pairs
    ]
    settings = {"max_new_tokens": model.max_new_tokens, "do_sample": False}
    found = pipe(text=chats, return_full_text=False, generate_kwargs=settings)
    return [(one[0] if isinstance(one, list) else one)["generated_text"].strip() for one in found]


def lmms_eval(python: str, checkpoint: str, job: Job, rows: int, threads: int, folder: Path) -> Timing:
    """lmms-eval on our export, its start taken out: the difference of two runs, of few rows and of more."""
    task = folder / "task"
    export(job, task, "lmms-eval")
    few = 8
    spent = []
    for count in (few, few + rows):
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [
                *(python, "-m", "lmms_eval", "--model", "llava_hf", "--batch_size", "1"),
                *(
                    "--model_args",
                    f"pretrained={checkpoint},device=cpu,device_map=cpu,dtype=float32,attn_implementation=sdpa",
                ),
                *("--tasks", "dmsbench_vqa_corrupt", "--include_path", str(task), "--limit", str(count)),
            ],
            check=True,
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(threads),
                "HF_HUB_OFFLINE": "1",
                "HF_DATASETS_OFFLINE": "1",
                "HF_HOME": str(folder / "cache"),
            },
        )
        if "exact_match" not in done.stdout:  # it exits with 0 whatever happens
            raise RuntimeError(done.stderr[-2000:])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        spent.append((cpu, time.perf_counter() - wall))
    return Timing("lmms-eval, one by one", rows, spent[1][0] - spent[0][0], spent[1][1] - spent[0][1])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="baseline", help="a model specification with static fusion")
    parser.add_argument(
        "--larger", action="store_true", help="98 million random parameters, 576 image tokens"
    )
    parser.add_argument("--limit", type=int, default=600, help="samples of the planned run")
    parser.add_argument("--peer-pairs", type=int, default=384, help="pairs that each peer answers")
    parser.add_argument("--lmms-rows", type=int, help="of lmms-eval; 2400, of the larger model 16")
    parser.add_argument("--batch", type=int, help="the peers' batches; 64, of the larger model 8")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lmms-eval", metavar="PYTHON", help="an interpreter that has lmms-eval")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()  # for all alike
    batch = given.batch or (8 if given.larger else 64)
    with tempfile.TemporaryDirectory() as out:
        if given.larger:
            parameters = make(Path(out) / "larger")
            print(f"larger LLaVA: {parameters / 1e6:.1f} million parameters")
            given.model = f"larger={out}/larger"
        suite = load_suite("vqa-corrupt").changed(limit=given.limit, models=[given.model])
        job = prepare(suite, Path(out))
        arms, entries = load_arms(job, device="cpu")
        stock = Zoo("cpu").load(parse(given.model))
        assert isinstance(stock, LlavaModel)
        pairs = some_pairs(job, given.peer_pairs)
        generate(stock, pairs[:batch], batch)  # warms threads and caches up
        timings = [
            timed("generate, one by one", lambda: len(generate(stock, pairs, 1))),
            timed(f"generate, batches of {batch}", lambda: len(generate(stock, pairs, batch))),
            timed(f"pipeline, batches of {batch}", lambda: len(piped(stock, pairs, batch))),
        ]
        if given.lmms_eval:
            rows = given.lmms_rows or (16 if given.larger else 2400)
            small = prepare(suite.changed(limit=2 + rows // len(suite.conditions)), Path(out))
            checkpoint, folder = str(stock.checkpoint), Path(out) / "lmms"
            timings.append(lmms_eval(given.lmms_eval, checkpoint, small, rows, given.threads, folder))

        def planned() -> int:
            tally, _ = execute(job, arms, entries, batch_size=64 if given.larger else 256)
            return sum(tally.rows.values())

        timings.append(timed("planned run", planned))
        frame = job.folder.records(arms[0].name)
        columns = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]
        recorded = dict(
            zip(frame[columns].itertuples(index=False, name=None), frame["prediction"], strict=True)
        )
        answers = generate(stock, pairs, batch)
        same = sum(recorded[pair.name] == answer for pair, answer in zip(pairs, answers, strict=True))
    print(f"{'way':26} {'pairs':>8} {'CPU s':>8} {'wall s':>8} {'pairs / CPU s':>14} {'planned is':>11}")
    for timing in timings:
        ratio = timings[-1].rate / timing.rate
        print(
            f"{timing.name:26} {timing.pairs:8,} {timing.cpu:8.2f} {timing.wall:8.2f} "
            f"{timing.rate:14,.1f} {ratio:10.1f}×"
        )
    fastest = max(timings[:-1], key=lambda timing: timing.rate)
    print(f"planned run / fastest other ({fastest.name}): {timings[-1].rate / fastest.rate:.1f}×")
    print(f"answers equal to generate's: {same} of {len(pairs)}")


if __name__ == "__main__":
    main()
