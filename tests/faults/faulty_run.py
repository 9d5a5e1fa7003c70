"""Runs that can be disturbed: data, a model of no weights, and one run of them in this process."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PictureFile

from dmsbench.models.base import Answers, Image, Prompt
from dmsbench.models.spec import parse
from dmsbench.runner.arms import Arm, Tally
from dmsbench.runner.conduct import Conduct
from dmsbench.runner.manifest import model_entry
from dmsbench.runner.plan import Plan, by_image, in_blocks
from dmsbench.runner.run import Job, execute, key_maker, prepare
from dmsbench.suite import load_suite

WORDS = ("yes", "no", "red", "circle")
QUESTIONS = ("is there a circle?", "what color is the shape?", "what is it?")
PICTURES = 12
SUITE = """
name: faulty
dataset: {name: local, path: data/questions.jsonl}
seed: 3
severities: [1, 5]
max_error_rate: 0.2
grid:
  image: [gaussian_noise, fog]
  text: [keyboard]
  modality: [drop_image, drop_text]
  joint: [{image: fog, text: keyboard}]
"""


def write_suite(folder: Path, text: str = SUITE) -> Path:
    """Twelve pictures with three questions each, and a suite on them; returns the suite's file."""
    rng = np.random.default_rng(7)
    (folder / "data").mkdir(parents=True)
    lines = []
    for number in range(PICTURES):
        pixels = rng.integers(0, 256, size=(40, 48, 3), dtype=np.uint8)
        PictureFile.fromarray(pixels).save(folder / "data" / f"{number}.png")
        for which, question in enumerate(QUESTIONS):
            row = {"id": f"q{number}-{which}", "image": f"{number}.png", "question": question}
            lines.append(json.dumps({**row, "answers": [WORDS[(number + which) % 4]]}))
    (folder / "data" / "questions.jsonl").write_text("\n".join(lines) + "\n")
    file = folder / "faulty.yaml"
    file.write_text(text)
    return file


@dataclass
class WordModel:
    """Answers with a word that hangs on pixels and text alone; ``before`` is called ahead of each batch."""

    name: str = "word"
    state_key: str = "word"
    before: Callable[[Sequence[Prompt]], object] = lambda _prompts: None
    confidence: float = 0.5

    def settings(self) -> dict[str, Any]:
        """What its keys hang on."""
        return {"family": "word", "name": self.name}

    def length(self, prompt: Prompt) -> int:
        """Of a prompt, in tokens."""
        return len(prompt.question)

    def encode(self, images: Sequence[Image]) -> list[str]:
        """A hash for a picture."""
        return [hashlib.blake2b(image.tobytes(), digest_size=4).hexdigest() for image in images]

    def answer(
        self,
        state: list[str],
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """A word for each row."""
        self.before(prompts)
        texts, sure = [], []
        for row, prompt in zip(rows, prompts, strict=True):
            shown = state[row] if prompt.has_image else "absent"
            key = f"{self.name}|{shown}|{prompt.question if prompt.has_text else ''}"
            drawn = hashlib.blake2b(key.encode(), digest_size=2).digest()
            texts.append(WORDS[drawn[0] % len(WORDS)])
            sure.append(self.confidence * (0.5 + drawn[1] / 512))
        return Answers(tuple(texts), np.array(sure, np.float32), np.ones(len(texts), np.float32))


def ready(file: Path, out: Path, images_a_block: int = 3, **changes: Any) -> Job:
    """The suite, cut into small blocks: many parts."""
    job = prepare(load_suite(str(file)).changed(**changes), out)
    samples = [sample for block in job.plan.blocks for sample in block.samples]
    return replace(job, plan=Plan(in_blocks(samples, images_a_block), by_image(job.suite.conditions)))


def run(
    job: Job,
    *models: WordModel,
    batch_size: int = 16,
    workers: int = 0,
    conduct: Conduct | None = None,
    fresh: bool = False,
) -> tuple[Tally, dict[str, Any]]:
    """Does what is missing of these models."""
    arms, entries = [], {}
    for model in models or (WordModel(),):
        arms.append(Arm(model.name, model, key_maker(job, model.name, model.settings())))
        entries[model.name] = model_entry(parse(f"{model.name}=tiny-llava-scenes"), model.settings())
    return execute(job, arms, entries, batch_size=batch_size, workers=workers, conduct=conduct, fresh=fresh)


def parts(folder: Path) -> dict[str, bytes]:
    """The bytes of all parts, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of all finished parts: a part computed again has others."""
    return {
        str(path.relative_to(folder)): (found.st_ino, found.st_mtime_ns)
        for path in folder.rglob("*.parquet")
        for found in [path.stat()]
        if not path.name.startswith(".")
    }


def leftovers(folder: Path) -> list[Path]:
    """Files that were being written when something ended."""
    return list(folder.rglob("*.tmp"))


def slowly(_prompts: Sequence[Prompt]) -> None:
    """A batch takes its time."""
    time.sleep(0.002)
