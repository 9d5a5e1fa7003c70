"""A small data set on disk, and a suite on it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from echo_model import WORDS
from PIL import Image as PictureFile


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve pictures with three questions each, as a local data set."""
    rng = np.random.default_rng(7)
    folder = tmp_path / "data"
    folder.mkdir()
    lines = []
    for number in range(12):
        pixels = rng.integers(0, 256, size=(48, 48, 3), dtype=np.uint8)
        PictureFile.fromarray(pixels).save(folder / f"{number}.png")
        for which, question in enumerate(("is there a circle?", "what color is the shape?", "what is it?")):
            answer = WORDS[int(rng.integers(len(WORDS)))]
            lines.append(
                {
                    "id": f"q{number}-{which}",
                    "image": f"{number}.png",
                    "question": question,
                    "answers": [answer],
                }
            )
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return path


SUITE = """
name: little
dataset: {{name: local, path: {path}}}
seed: {seed}
severities: [1, 3, 5]
max_error_rate: 0.2
grid:
  image: [gaussian_noise, contrast]
  text: [keyboard]
  modality: [drop_image, drop_text, mismatch]
  joint: [{{image: gaussian_noise, text: keyboard}}]
include_false: [mismatch]
"""


@pytest.fixture
def suite_file(data: Path) -> Path:
    """A suite on that data set."""
    path = data.parent / "little.yaml"
    path.write_text(SUITE.format(path=data.name, seed=0))
    return path
