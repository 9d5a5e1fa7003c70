"""What a large run costs: time and memory of every command at 20 thousand to 2 million records of a model.

    python -m benchmarks.load [--sizes 20000,200000,2000000] [--stages plan,run,…] [--folder DIR]
    python -m benchmarks.load --startup 10,100,1000

Two synthetic models answer a local data set through the real engine and the real store: only the answers
are made up. Every stage is a process of its own, of which wall time, CPU time and peak memory are taken; all
but plan, run and score are the commands that a user types. The exponents are the slopes of time against
records between two sizes: 1 is linear.

``--startup``: seconds from ``prepare`` to the first part on disk, by the number of cells in the grid.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dmsbench.runner.arms import Progress
    from dmsbench.runner.job import Job

SIZES = (20_000, 200_000, 2_000_000)
STAGES = ("plan", "run", "score", "compare", "gate", "report", "leaderboard")
MODELS = ("steady", "shaky")
"""The second one is wrong more often where it is shown anything but the clean picture and text."""
QUESTIONS = 4
"""Of each picture."""
SIDE = 32
PICTURES = 64
"""Files: more images than that show the same ones under other names."""
LIMIT_BYTES = 2 * 2**30
LIMIT_EXPONENT = 1.1
SUITE = """
name: load
dataset: {path: questions.jsonl, name: local}
models: [steady, shaky]
score: exact_match
grid:
  image: [contrast, brightness, pixelate, occlusion]
  text: [char_swap, char_delete, word_swap]
  modality: [drop_image]
"""
CONDITIONS = 1 + 5 * 8
WORDS = ("yes", "no", "red", "circle")
_OURS = Path(__file__).parent.parent


@dataclass
class SyntheticModel:
    """Right mostly, by a hash of what it is shown: no weights, no torch, answers at once."""

    name: str
    wrong: float
    """Share of wrong answers; twice of them where the hash of the picture is odd."""
    state_key: str = "synthetic"
    known: dict[str, str] = field(default_factory=dict)
    """The right answers by question."""

    def settings(self) -> dict[str, Any]:
        return {"family": "synthetic", "name": self.name, "wrong": self.wrong}

    def length(self, prompt: Any) -> int:
        return len(prompt.question)

    def encode(self, images: Sequence[Any]) -> list[int]:
        return [hashlib.blake2b(image.tobytes(), digest_size=2).digest()[0] for image in images]

    def answer(
        self, state: list[int], rows: Sequence[int], prompts: Sequence[Any], weights: Any = None
    ) -> Any:
        from dmsbench.models.base import Answers

        texts, sure = [], []
        for row, prompt in zip(rows, prompts, strict=True):
            shown = state[row] if prompt.has_image else 255
            key = f"{self.name}{shown}{prompt.question}".encode()
            drawn = hashlib.blake2b(key, digest_size=2).digest()
            wrong = (drawn[0] + 256 * drawn[1]) / 65536 < self.wrong * (1 + shown % 2)
            right = self.known.get(prompt.question, WORDS[0])
            texts.append(WORDS[(WORDS.index(right) + 1) % len(WORDS)] if wrong else right)
            sure.append(0.5 + drawn[0] / 512)
        found = np.array(sure, dtype=np.float32)
        return Answers(tuple(texts), found, found)


def make_data(folder: Path, records: int) -> None:
    """Pictures, questions and a suite whose run has that many records of each model, to a sample."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for number in range(PICTURES):
        pixels = rng.integers(0, 256, size=(SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    samples = max(QUESTIONS, math.ceil(records / CONDITIONS))
    with (folder / "questions.jsonl").open("w") as file:
        for number in range(samples):
            group = number // QUESTIONS
            line = {
                "id": f"sample-{number:08}",
                "image": f"{group % PICTURES}.png",
                "group": f"picture-{group:08}",
                "question": f"is the shape number {number} of this picture a red circle?",
                "answers": [WORDS[number % len(WORDS)]],
            }
            file.write(json.dumps(line) + "\n")
    (folder / "load.yaml").write_text(SUITE)


def suite_of_cells(folder: Path, cells: int) -> Path:
    """A suite of about that many conditions: pairs of image and text views where single ones do not do."""
    import corruptions

    images, texts = corruptions.names("image"), corruptions.names("text")
    lines = ["name: startup", "dataset: {path: questions.jsonl, name: local}", "score: exact_match", "grid:"]
    if cells <= 10:
        lines += [f"  image: [{images[0]}]", f"  text: [{texts[0]}]"]
    else:
        side = max(1, round((cells / 25) ** 0.5))
        pairs = [
            f"{{image: {i}, text: {t}, severities: crossed}}" for i in images[:side] for t in texts[:side]
        ]
        lines.append(f"  joint: [{', '.join(pairs)}]")
    path = folder / f"startup-{cells}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def ready(suite: Path, out: Path) -> tuple[Job, list[Any], dict[str, dict[str, Any]]]:
    """The job with the synthetic models, as ``load_arms`` makes it with others."""
    from dmsbench.models.spec import parse
    from dmsbench.runner.arms import Arm
    from dmsbench.runner.job import key_maker, prepare
    from dmsbench.runner.manifest import model_entry
    from dmsbench.suite import load_suite

    job = prepare(load_suite(str(suite)), out)
    known = {sample.question: sample.answers[0] for sample in job.dataset.samples}
    arms, entries = [], {}
    for name, wrong in zip(MODELS, (0.2, 0.25), strict=True):
        model = SyntheticModel(name, wrong, known=known)
        arms.append(Arm(name, model, key_maker(job, name, model.settings())))
        entries[name] = model_entry(parse(f"{name}=baseline"), model.settings())
    return job, arms, entries


def plan(folder: Path) -> str:
    """Prepares the job and names every part."""
    job, arms, _ = ready(folder / "load.yaml", folder / "results")
    parts = [
        arm.key_of(block, image) for arm in arms for block in job.plan.blocks for image in job.plan.images
    ]
    return f"{len(parts)} parts"


def run(folder: Path) -> str:
    """Answers, scores and writes everything."""
    from dmsbench.runner.run import execute

    job, arms, entries = ready(folder / "load.yaml", folder / "results")
    tally, _ = execute(job, arms, entries, batch_size=256)
    return f"{sum(tally.rows.values())} records"


def score(folder: Path) -> str:
    """Reads and scores the models of the run, no more."""
    from dmsbench.report.run_scores import read_run
    from dmsbench.runner.find import newest

    where = newest(folder / "results")
    found = read_run(where, where.manifest(), full=False)
    return ", ".join(f"{name} {card.mean.value:.4f}" for name, card in found.cards.items())


class _FirstPartWrittenError(Exception):
    """Ends a run that has shown how long its first part takes."""


def startup(suite: Path) -> str:
    """Seconds until the first part is there."""
    from dmsbench.runner.run import execute

    def stop(_progress: Progress) -> None:
        raise _FirstPartWrittenError

    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        job, arms, entries = ready(suite, Path(out))
        planned = time.perf_counter() - began
        try:
            execute(job, arms, entries, batch_size=256, on_progress=stop)
        except _FirstPartWrittenError:
            took = time.perf_counter() - began
        return f"{job.plan.conditions} {planned} {took}"


#: What the benchmark's own processes do; the others are the command's.
OWN: Mapping[str, Callable[[Path], str]] = {"plan": plan, "run": run, "score": score, "startup": startup}


@dataclass(frozen=True, slots=True)
class Taken:
    """What a process took: seconds, CPU seconds, bytes at the peak; and what it said last."""

    wall: float
    cpu: float
    peak: int
    said: str


def measured(command: Sequence[str]) -> Taken:
    """Runs a process to its end; raises RuntimeError with its words where it fails."""
    paths = [str(_OURS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode(errors="replace").strip()
    # A gate that finds a regression has done its work.
    if process.returncode not in (0, *((1,) if "gate" in command else ())):
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}\n{said[-2000:]}")
    last = said.splitlines()[-1] if said else ""
    return Taken(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, last)


def command_of(stage: str, folder: Path) -> list[str]:
    """The process that a stage is."""
    if stage in OWN:
        return [sys.executable, "-m", "benchmarks.load", "--own", stage, "--folder", str(folder)]
    command, out = [sys.executable, "-m", "dmsbench", stage], ["--out", str(folder / "results")]
    if stage == "compare":
        return [*command, *MODELS, *out]
    if stage == "gate":
        return [*command, "--reference", MODELS[0], "--candidate", MODELS[1], *out]
    return [*command, *out]


def exponents(sizes: Sequence[int], seconds: Sequence[float]) -> list[float]:
    """The slopes of log time against log size, from each size to the next."""
    pairs = zip(sizes, sizes[1:], seconds, seconds[1:], strict=False)
    return [math.log(after / before) / math.log(more / less) for less, more, before, after in pairs]


def table(found: Mapping[str, Mapping[int, Taken]]) -> Iterator[str]:
    """The figures, a line a stage; what is over a limit is marked."""
    sizes = sorted({size for taken in found.values() for size in taken})
    yield "stage        " + "".join(f"{f'{size:,}':>31}" for size in sizes) + "   exponents of CPU"
    yield " " * 13 + "".join(f"{'wall s':>12}{'CPU s':>9}{'MiB':>10}" for _ in sizes)
    for stage, taken in found.items():
        cells = ""
        for size in sizes:
            if size not in taken:
                cells += f"{'':>31}"
                continue
            one = taken[size]
            over = "!" if one.peak > LIMIT_BYTES else " "
            cells += f"{one.wall:>12.1f}{one.cpu:>9.1f}{one.peak / 2**20:>9.0f}{over}"
        known = [size for size in sizes if size in taken]
        slopes = exponents(known, [taken[size].cpu for size in known])
        shown = "  ".join(f"{slope:.2f}{'!' if slope > LIMIT_EXPONENT else ''}" for slope in slopes)
        yield f"{stage:13}{cells}   {shown}"


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _numbers(text: str) -> list[int]:
    return [int(part.replace("_", "")) for part in text.split(",")]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=_numbers, default=list(SIZES), help="records of each of two models")
    parser.add_argument("--stages", type=lambda text: text.split(","), default=list(STAGES))
    parser.add_argument("--startup", type=_numbers, help="cells; measures the start alone")
    parser.add_argument("--folder", type=Path, help="keeps data and runs here; what is run already stays")
    parser.add_argument("--own", choices=OWN, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.own:
        print(OWN[given.own](given.folder))
        return
    with _folder(given.folder) as folder:
        if given.startup:
            make_data(folder / "startup", 20_000)
            print("   cells   planned after s   first part after s")
            for cells in given.startup:
                taken = measured(command_of("startup", suite_of_cells(folder / "startup", cells)))
                conditions, planned, took = taken.said.split()
                print(f"{conditions:>8}{float(planned):>18.2f}{float(took):>21.2f}", flush=True)
            return
        found: dict[str, dict[int, Taken]] = {stage: {} for stage in given.stages}
        for size in given.sizes:
            if not (folder / str(size)).is_dir():
                make_data(folder / str(size), size)
            for stage in given.stages:
                one = found[stage][size] = measured(command_of(stage, folder / str(size)))
                print(
                    f"{size:>10,} {stage:12}{one.wall:8.1f} s {one.peak / 2**20:6.0f} MiB  {one.said}",
                    flush=True,
                )
        print("\n".join(table(found)))


if __name__ == "__main__":
    main()
