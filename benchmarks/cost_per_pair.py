"""What a pair of question and condition costs, by questions a picture and by text views of it.

    python -m benchmarks.cost_per_pair [--larger] [--out cost-per-pair.png]

Whole runs on made-up pictures of 64 px with 1 to 16 questions each, under one corruption of the picture; and
with 4 questions each under that and 0 to 8 corruptions of the text. CPU time of everything but loading, the
least of three runs. A pair must get cheaper with both: that is what views are for.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.larger_llava import make
from dmsbench.runner.memory import keep_freed_memory
from dmsbench.runner.run import execute, load_arms, prepare
from dmsbench.suite import load_suite

QUESTIONS = (1, 2, 4, 8, 16)
TEXTS = ("keyboard", "ocr", "char_delete", "char_swap", "word_delete", "word_swap", "case_upper", "word_mask")
TEXT_COUNTS = (0, 1, 2, 4, 8)
_WORDS = ("circle", "square", "triangle", "red shape", "blue shape", "green shape", "shape", "picture")


@dataclass(frozen=True)
class Cost:
    """CPU seconds a pair over ``pairs`` pairs."""

    by: str
    count: int
    pairs: int
    seconds: float


def data(folder: Path, pictures: int, questions: int, side: int = 64) -> Path:
    """Made-up pictures with questions, none twice; the file that names them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = []
    for number in range(pictures):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / f"{number}.png")
        for place in range(questions):
            asked = f"{'is there' if place < 8 else 'do you see'} a {_WORDS[place % 8]} in picture {number}?"
            lines.append({"image": f"{number}.png", "question": asked, "answers": ["yes"], "about": []})
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def _suite(folder: Path, file: Path, texts: tuple[str, ...], model: str) -> str:
    path = folder / "suite.yaml"
    joint = [{"image": "gaussian_noise", "text": text} for text in texts]
    path.write_text(
        json.dumps(
            {
                "name": "cost",
                "description": "What a pair costs.",
                "task": "vqa",
                "dataset": {"name": "local", "path": file.name},
                "models": [model],
                "score": "exact_match",
                "severities": [3],
                "grid": {"image": ["gaussian_noise"], "joint": joint},
            }
        )
    )
    return str(path)


def cost(by: str, count: int, questions: int, texts: tuple[str, ...], pictures: int, model: str) -> Cost:
    """One whole run."""
    with tempfile.TemporaryDirectory() as out:
        folder = Path(out) / "data"
        file = data(folder, pictures, questions)
        job = prepare(load_suite(_suite(folder, file, texts, model)), Path(out))
        arms, entries = load_arms(job, device="cpu")
        began = time.process_time()
        tally, _ = execute(job, arms, entries, batch_size=64)
        pairs = sum(tally.rows.values())
        return Cost(by, count, pairs, (time.process_time() - began) / pairs)


def main() -> None:
    """Measures, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--larger", action="store_true", help="98 million random parameters, 576 image tokens"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("cost-per-pair.png"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as made:
        model, pictures = "tiny-llava-easy-vqa", 64
        if given.larger:
            make(Path(made) / "larger")
            model, pictures = f"larger={made}/larger,max_new_tokens=3", 2
        cost("warm", 0, 1, (), pictures, model)
        wanted = [("questions a picture", n, n, ()) for n in QUESTIONS]
        wanted += [("text corruptions of a view", n, 4, TEXTS[:n]) for n in TEXT_COUNTS]
        found = [
            min((cost(*each, pictures, model) for _ in range(given.repeats)), key=lambda one: one.seconds)
            for each in wanted
        ]
    print(f"{'by':28} {'count':>6} {'pairs':>7} {'CPU ms a pair':>14}")
    for one in found:
        print(f"{one.by:28} {one.count:6} {one.pairs:7,} {1000 * one.seconds:14.2f}")
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, by in zip(figure.subplots(1, 2), dict.fromkeys(one.by for one in found), strict=True):
        mine = [one for one in found if one.by == by]
        axes.plot([one.count for one in mine], [1000 * one.seconds for one in mine], marker="o")
        axes.set(xlabel=by, ylabel="CPU ms a pair", ylim=(0, None), xticks=[one.count for one in mine])
        axes.grid(alpha=0.3)
    figure.savefig(given.out, dpi=150)
    print(given.out)


if __name__ == "__main__":
    main()
