"""Distances from clean, and the command that measures the whole catalogue on real inputs.

    python -m corruptions.measure FOLDER QUESTIONS --out corruptions/measured.json

FOLDER holds photographs (png or jpg), QUESTIONS one text a line. Nothing random is left: the draws depend on
the names of the files and the numbers of the lines.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corruptions.apply import corrupt_image, corrupt_text
from corruptions.catalogue import catalogue
from corruptions.distance import Distance
from corruptions.entry import SEVERITIES, Corruption
from corruptions.errors import InvalidInputError
from corruptions.image.convert import as_rgb
from corruptions.image.profiles import LARGE, SMALL, SMALL_TABLES
from corruptions.modality import is_hit
from corruptions.seeding import generator
from corruptions.validation import check_image

__all__ = [
    "DRAWS",
    "box_average",
    "edit_distance",
    "mean_absolute_difference",
    "mean_distances",
    "measure",
    "measure_catalogue",
    "photographs",
    "pictures_for",
    "ssim",
]

Pixels = NDArray[np.uint8]

DRAWS = 8
"""Draws of the generator for every input that a corruption draws for."""

_SIDES = {LARGE: 224, SMALL: 64}
_UNITS = 1000  # samples that a modality corruption's share is counted over
_DECIMALS = 4

# Wang et al. 2004: 11 x 11 window, sigma 1.5.
_RADIUS = 5
_WINDOW = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / 1.5) ** 2)
_WINDOW /= _WINDOW.sum()
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(a: Pixels, b: Pixels) -> float:
    """Structural similarity of two pictures of one size, 1 for equal ones, at least -1.

    Wang et al., Image Quality Assessment, IEEE TIP 2004: normal window of sigma 1.5 (11 x 11), K1 0.01,
    K2 0.03, on the brightness of ITU-R BT.601, mean over the places where the window lies inside.
    InvalidInputError where sizes differ or a side is under 11 pixels.
    """
    _check_pair(a, b)
    if min(a.shape[:2]) < _WINDOW.size:
        raise InvalidInputError(f"SSIM needs sides of {_WINDOW.size} pixels or more, got {a.shape[:2]}")
    x, y = _luma(a), _luma(b)
    mean_x, mean_y = _windowed(x), _windowed(y)
    square_x, square_y, product = mean_x * mean_x, mean_y * mean_y, mean_x * mean_y
    spread = _windowed(x * x) - square_x + _windowed(y * y) - square_y
    together = _windowed(x * y) - product
    similarity = (2 * product + _C1) * (2 * together + _C2) / ((square_x + square_y + _C1) * (spread + _C2))
    return float(similarity.mean())


def _luma(image: Pixels) -> NDArray[np.float64]:
    weighted: NDArray[np.float64] = image @ np.array([0.299, 0.587, 0.114])
    return weighted


def _windowed(field: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = slice(_RADIUS, -_RADIUS)
    mean = cv2.sepFilter2D(field, cv2.CV_64F, _WINDOW, _WINDOW)
    return np.asarray(mean, np.float64)[inside, inside]


def mean_absolute_difference(a: Pixels, b: Pixels) -> float:
    """Mean of |a - b| over all channel values, as a share of full scale (0-1). InvalidInputError: sizes."""
    _check_pair(a, b)
    return float(cv2.absdiff(a, b).mean()) / 255


def _check_pair(a: Pixels, b: Pixels) -> None:
    if check_image(a).shape != check_image(b).shape:
        raise InvalidInputError(f"the pictures differ in size: {a.shape} and {b.shape}")


def edit_distance(a: str, b: str) -> float:
    """Levenshtein distance over the length of the longer text in characters: 0 equal, 1 nothing shared."""
    longer = max(len(a), len(b))
    if a == b:
        return 0.0
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[start:], b[start:]
    target = np.array([ord(character) for character in b], np.int64)
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for i, character in enumerate(a, 1):
        best = np.empty_like(row)
        best[0] = i
        np.minimum(row[1:] + 1, row[:-1] + (target != ord(character)), out=best[1:])
        # Insertions run along the row: the least of best[k] + (j - k) over all k up to j.
        row = np.minimum.accumulate(best - steps) + steps
    return float(row[-1]) / longer


def measure(
    entry: Corruption,
    inputs: Mapping[str, Pixels] | Mapping[str, str],
    seed: int = 0,
    profile: str | None = None,
    severities: Sequence[int] = SEVERITIES,
) -> tuple[Distance, ...]:
    """The mean distance from clean over inputs by name, one Distance a severity.

    `profile` names a severity table, by default the one that each picture's size asks for. The draws are
    the same at every severity, so that figures compare parameters and not luck; a corruption that draws
    gets `DRAWS` draws an input. For a modality the share of a thousand samples that is hit; inputs are not
    looked at. InvalidInputError where there are no inputs.
    """
    if not inputs and entry.kind != "modality":
        raise InvalidInputError(f"{entry.name}: nothing to measure on; pass at least one input")
    if entry.kind == "modality":
        hits = {
            s: sum(is_hit(seed, f"sample-{i}", entry.name, s) for i in range(_UNITS)) / _UNITS
            for s in severities
        }
        return tuple(Distance(s, hit=share, unchanged=1 - share) for s, share in hits.items())
    return tuple(_at(entry, inputs, seed, profile, severity) for severity in severities)


def _at(
    entry: Corruption,
    inputs: Mapping[str, Pixels] | Mapping[str, str],
    seed: int,
    profile: str | None,
    severity: int,
) -> Distance:
    def corrupted(clean: Pixels | str, rng: np.random.Generator) -> Pixels | str:
        if isinstance(clean, str):
            return corrupt_text(clean, entry.name, severity, rng)
        return corrupt_image(clean, entry.name, severity, rng, profile=profile)

    means = mean_distances(entry.name, inputs, corrupted, seed)
    if entry.kind == "text":
        return Distance(severity, edits=means[1], unchanged=means[0])
    return Distance(severity, dissimilarity=means[1], difference=means[2], unchanged=means[0])


def mean_distances(
    name: str,
    inputs: Mapping[str, Pixels] | Mapping[str, str],
    corrupted: Callable[[Pixels | str, np.random.Generator], Pixels | str],
    seed: int = 0,
) -> tuple[float, ...]:
    """Means over inputs and draws: share unchanged, then edit distance, or 1 - SSIM and difference."""
    found: list[tuple[float, ...]] = []
    for unit, clean in inputs.items():
        for draw in range(DRAWS):
            rng = generator(seed, f"{unit}/{draw}", name, 0)
            before = repr(rng.bit_generator.state)
            row = _row(clean, corrupted(clean, rng))
            if repr(rng.bit_generator.state) == before:
                found += [row] * DRAWS  # nothing was drawn: every draw gives the same
                break
            found.append(row)
    return tuple(math.fsum(column) / len(found) for column in zip(*found, strict=True))


def _row(clean: Pixels | str, view: Pixels | str) -> tuple[float, ...]:
    if isinstance(clean, str) or isinstance(view, str):
        return float(view == clean), edit_distance(str(clean), str(view))
    same = float(np.array_equal(view, clean))
    return same, 1 - ssim(clean, view), mean_absolute_difference(clean, view)


def box_average(image: Pixels, side: int) -> Pixels:
    """A square picture's exact box averages on side x side pixels, halves rounded up."""
    height = image.shape[0]
    common = math.gcd(height, side)
    fine, block = side // common, height // common
    repeated = image.repeat(fine, axis=0).repeat(fine, axis=1).astype(np.int64)
    sums = repeated.reshape(side, block, side, block, 3).sum(axis=(1, 3))
    averages: Pixels = ((2 * sums + block * block) // (2 * block * block)).astype(np.uint8)
    return averages


def photographs(folder: Path) -> dict[str, Pixels]:
    """The png and jpg pictures of a folder by name, each cut to its middle square, sorted."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in (".png", ".jpg"):
            pixels = as_rgb(Image.open(path))
            height, width = pixels.shape[:2]
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            found[path.stem] = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    if not found:
        raise InvalidInputError(f"{folder}: no png or jpg pictures there")
    return found


def pictures_for(profile: str, large: Mapping[str, Pixels]) -> dict[str, Pixels]:
    """The photographs in the size that a severity table is measured at: 64 x 64 for tables of small ones."""
    side = _SIDES[SMALL if profile in SMALL_TABLES else LARGE]
    return {name: box_average(pixels, side) for name, pixels in large.items()}


def measure_catalogue(folder: Path, questions: Path) -> dict[str, Any]:
    """Every entry's distances for each of its tables, rounded, as measured.json holds them."""
    large = photographs(folder)
    lines = questions.read_text(encoding="utf-8").splitlines()
    texts = {f"question-{i}": line for i, line in enumerate(lines)}
    found = {
        entry.name: {
            profile: [
                {key: round(value, _DECIMALS) for key, value in distance.to_dict().items()}
                for distance in measure(
                    entry,
                    pictures_for(profile, large) if entry.kind == "image" else texts,
                    profile=profile,
                )
            ]
            for profile in sorted(entry.parameters)
        }
        for entry in sorted(catalogue(), key=lambda entry: entry.name)
    }
    return {"photographs": sorted(large), "questions": len(texts), "draws": DRAWS, "corruptions": found}


def to_text(measured: Mapping[str, Any]) -> str:
    """The measurement as JSON, one line a severity."""
    lines = []
    for name, profiles in measured["corruptions"].items():
        tables = [
            f'   "{profile}": [\n    ' + ",\n    ".join(json.dumps(row) for row in rows) + "\n   ]"
            for profile, rows in profiles.items()
        ]
        lines.append(f'  "{name}": {{\n' + ",\n".join(tables) + "\n  }")
    head = "".join(
        f' "{key}": {json.dumps(measured[key])},\n' for key in ("photographs", "questions", "draws")
    )
    return "{\n" + head + ' "corruptions": {\n' + ",\n".join(lines) + "\n }\n}\n"


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m corruptions.measure", description=__doc__)
    parser.add_argument("folder", type=Path, help="photographs, png or jpg")
    parser.add_argument("questions", type=Path, help="one text a line")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("measured.json"))
    arguments = parser.parse_args()
    try:
        measured = measure_catalogue(arguments.folder, arguments.questions)
        arguments.out.write_text(to_text(measured), encoding="utf-8")
    except (OSError, InvalidInputError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    _main()
