"""A run that takes no model: twelve pictures, three models of made-up answers, hostile names and texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dmsbench.models.spec import parse
from dmsbench.runner.job import key_maker, prepare
from dmsbench.runner.manifest import merged, model_entry, parts_of
from dmsbench.runner.rows import Outcome, row_builder
from dmsbench.runner.store import RunFolder
from dmsbench.runner.views import Views
from dmsbench.suite import load_suite

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> & \"</script>"
)
ANSWERS = ("yes", "no")
MODELS = ("static", "dms", "third")
SUITE = """
name: paged
description: "{hostile}"
task: vqa
dataset: {{name: local, path: {path}}}
seed: 3
severities: [1, 3, 5]
grid:
  image: [gaussian_noise, fog]
  text: [keyboard]
  modality: [drop_image]
  joint: [{{image: gaussian_noise, text: keyboard, severities: crossed}}]
"""


def _data(folder: Path) -> Path:
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True)
    lines = []
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(folder / f"{number}.png")
        for which in range(2):
            told = f"{HOSTILE} what colour is thing {which} over there?"
            name, image = f"q{number}-{which}", f"{number}.png"
            lines.append({"id": name, "image": image, "question": told, "answers": [ANSWERS[which]]})
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return path


def make_run(folder: Path, models: tuple[str, ...] = MODELS, suite: str = SUITE) -> RunFolder:
    """Writes a finished run: the first model is best when clean, the second under damage of the picture."""
    data = _data(folder / "data")
    file = folder / "paged.yaml"
    file.write_text(suite.format(path=data, hostile=HOSTILE.replace('"', '\\"')))
    job = prepare(load_suite(str(file)), folder / "results")
    views = Views(job.suite.seed, job.dataset, job.suite.profile, job.suite.applied)
    build = row_builder(job.score)
    entries: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(models):
        fusion = None if place == 0 else {"scheduler": "rule"}
        settings = {"checkpoint": "made-up", **({"fusion": fusion} if fusion else {})}
        spec, key_of = parse(f"{name}=tiny-llava-easy-vqa"), key_maker(job, name, settings)
        made = {"spec": HOSTILE, "status": "complete", "parts": parts_of(job.plan, key_of)}
        entries[name] = model_entry(spec, settings) | made
        for block in job.plan.blocks:
            for plan in job.plan.images:
                cells = []
                for sample in block.samples:
                    image = views.image(sample.group, plan.image)
                    for text in plan.texts:
                        outcome = _outcome(place, sample.id, plan.image.severity, text.severity)
                        cells.append((sample, text, image, views.text(sample, text), outcome))
                job.folder.write_part(name, key_of(block, plan), build(name, plan.image, cells))
    job.folder.write_manifest(merged(job, entries))
    return job.folder


def _outcome(place: int, sample: str, image: int, text: int) -> Outcome:
    rng = np.random.default_rng([place, image, text, int(sample[1:].split("-")[0]), int(sample[-1])])
    if place == 2 and sample == "q7-0" and image == 5:
        return Outcome.failed("model_error", "out of <i>luck</i>")
    right = rng.random() < 0.95 - 0.12 * image * (1.0 if place == 0 else 0.3) - 0.08 * text
    scheduled = place == 1
    weight = float(0.5 - 0.08 * image + 0.05 * text)
    return Outcome(
        "ok",
        prediction=ANSWERS[int(sample[-1])] if right else HOSTILE,
        confidence=float(rng.uniform(0.4, 1.0)),
        margin=0.5,
        weights=(weight, 1.0 - weight) if scheduled else None,
        signals=tuple(rng.uniform(0, 1, 5)) if scheduled else None,
    )
