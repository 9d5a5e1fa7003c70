"""Training pictures in memory, and the label-preserving changes that multiply them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dmsbench.data.base import Dataset, Sample, load_image

SHAPES = ("circle", "rectangle", "triangle")
COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
#: A label that no question of the picture gives away.
UNKNOWN = -1
MAX_SHIFT = 12


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures N×64×64×3 (uint8), the questions of each, and its shape and colour as class indices."""

    pixels: npt.NDArray[np.uint8]
    questions: tuple[tuple[Sample, ...], ...]
    shapes: npt.NDArray[np.int64]
    colours: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)


def gather(dataset: Dataset) -> Pictures:
    """A split's pictures; the labels are read off the answers to its own questions."""
    members: dict[str, list[Sample]] = {group: [] for group in dataset.groups}
    for sample in dataset.samples:
        members[sample.group].append(sample)
    pixels = np.stack([load_image(members[group][0].image) for group in dataset.groups])
    questions = tuple(tuple(members[group]) for group in dataset.groups)
    return Pictures(
        pixels,
        questions,
        np.array([_label(asked, SHAPES) for asked in questions]),
        np.array([_label(asked, COLOURS) for asked in questions]),
    )


def _label(asked: Sequence[Sample], classes: Sequence[str]) -> int:
    for sample in asked:
        if sample.answers[0] in classes:
            return classes.index(sample.answers[0])
    return UNKNOWN


def augmented(pixels: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Random flips, quarter turns and shifts; a shift uncovers the background colour.

    The same shape keeps its shape and colour under all of them. Input and output N×H×W×3.
    """
    out = np.empty_like(pixels)
    for index, picture in enumerate(pixels):
        changed = picture[:, ::-1] if rng.random() < 0.5 else picture
        changed = np.rot90(changed, k=int(rng.integers(4)))
        dy, dx = rng.integers(-MAX_SHIFT, MAX_SHIFT + 1, size=2)
        out[index] = _shifted(changed, int(dy), int(dx))
    return out


def _shifted(picture: npt.NDArray[np.uint8], dy: int, dx: int) -> npt.NDArray[np.uint8]:
    height, width = picture.shape[:2]
    # The shape touches an edge at most in two corners; the median corner is background.
    background = np.median(picture[[0, 0, -1, -1], [0, -1, 0, -1]], axis=0).astype(np.uint8)
    foreground = (picture != background).any(axis=2)
    rows, columns = np.flatnonzero(foreground.any(axis=1)), np.flatnonzero(foreground.any(axis=0))
    if len(rows) and len(columns):  # never push the shape out of the picture
        dy = int(np.clip(dy, min(0, -rows[0]), max(0, height - 1 - rows[-1])))
        dx = int(np.clip(dx, min(0, -columns[0]), max(0, width - 1 - columns[-1])))
    out: npt.NDArray[np.uint8] = np.broadcast_to(background, picture.shape).copy()
    top, left = max(dy, 0), max(dx, 0)
    bottom, right = height + min(dy, 0), width + min(dx, 0)
    out[top:bottom, left:right] = picture[top - dy : bottom - dy, left - dx : right - dx]
    return out


def to_pixel_values(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """What the processor makes of 64×64 pictures: N×3×64×64, scaled to [-1, 1]."""
    scaled = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255.0
    return (scaled - 0.5) / 0.5
