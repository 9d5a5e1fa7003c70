"""Solves for the severities of profile `calibrated`: mean 1 - SSIM on photographs grows evenly.

    python -m corruptions.calibrate FOLDER --out corruptions/image/calibrated.py

Severities 1 and 5 are as far from clean as the least and the most distorting severity of the published table
for that size, 2 to 4 stand evenly between. Every corruption has one path through its parameters along which
distortion grows; where a parameter is a whole number, the nearest is taken.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.catalogue import catalogue
from corruptions.entry import SEVERITIES, Corruption, Value
from corruptions.errors import InvalidInputError
from corruptions.image import kernels
from corruptions.image.profiles import CALIBRATED64, CALIBRATED224, IMAGENET224, TINY64
from corruptions.measure import mean_distances, measure, photographs, pictures_for

__all__ = ["WHOLE", "calibrated", "solve", "targets"]

Pixels = NDArray[np.uint8]

WHOLE = ("jpeg_compression", "pixelate", "defocus_blur", "zoom_blur")
"""Corruptions of whole numbers (quality, pixels of the reduced side, of the disk, of the enlargements):
their steps are coarser."""

_DIGITS = 4
_HALVINGS = 18


@dataclass(frozen=True, slots=True)
class _Path:
    """Values at a severity (1-5) along t from `low` to `high`; distortion grows with t at each severity."""

    at: Callable[[int, float], Value]
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True)
class _Choice:
    """Values to pick from."""

    values: tuple[Value, ...]


def _powers(weak: float, strong: float) -> _Path:
    """One number from weak to strong by equal factors."""
    return _Path(lambda _severity, t: weak * (strong / weak) ** t)


def _line(weak: tuple[float, ...], strong: tuple[float, ...], whole: int | None = None) -> _Path:
    """Straight from one severity's values to another's and beyond; the one at `whole` is rounded."""

    def at(_severity: int, t: float) -> Value:
        values = [a + (b - a) * t for a, b in zip(weak, strong, strict=True)]
        return tuple(float(round(v)) if i == whole else v for i, v in enumerate(values))

    return _Path(at, -0.3, 1.5)


def _motion(radii: tuple[float, ...]) -> _Path:
    return _Path(lambda severity, t: (radii[severity - 1], 0.5 * 60**t))


def _glass(reach: tuple[float, ...]) -> _Path:
    # One pass. Under the first deviation SSIM falls as it grows: blur hides what the copies tore apart.
    def at(severity: int, t: float) -> Value:
        far = reach[severity - 1]
        return ((0.3 + 0.2 * far) * 6**t, far, 1.0)

    return _Path(at)


def _zooms(least: int, most: int) -> _Choice:
    # Half a step above the last factor: always eleven of them, as at the ends of the published table.
    steps = [n / 10_000 for n in range(least, most)]
    return _Choice(tuple((1 + 10.5 * step, step) for step in steps))


def _spatter(mud: tuple[float, ...]) -> _Path:
    mean, deviation, smoothing, _, softness, kind = mud
    return _Path(lambda _severity, t: (mean, deviation, smoothing, mean + 0.4 - 0.5 * t, softness, kind))


def _disks(largest: float, smoothings: tuple[float, ...]) -> _Choice:
    # A disk changes where the square of its radius is a whole number.
    radii = [n**0.5 + 0.01 for n in range(int(largest**2) + 1)]
    return _Choice(tuple((radius, smoothing) for radius in radii for smoothing in smoothings))


def _sides(side: int) -> _Choice:
    # Half a pixel more than wanted: the share is cut to whole pixels.
    return _Choice(tuple((n + 0.5) / side for n in range(side // 8, side)))


_QUALITIES = _Choice(tuple(float(quality) for quality in range(1, 101)))

# Deepening colours, not fading them: that branch reaches the published tables' largest distortion.
_SATURATE_224 = _Path(lambda _severity, t: (20**t, 0.2 * t), 0.0, 1.5)
_SATURATE_64 = _Path(lambda _severity, t: (30**t, 0.2 * t), 0.0, 1.5)

_COMMON: Mapping[str, _Path | _Choice] = {
    "gaussian_noise": _powers(0.01, 1.0),
    "shot_noise": _powers(1000.0, 1.5),
    "impulse_noise": _powers(0.002, 0.6),
    "speckle_noise": _powers(0.03, 2.0),
    "gaussian_blur": _powers(0.3, 12.0),
    "jpeg_compression": _QUALITIES,
    "contrast": _Path(lambda _severity, t: 0.9 - 0.89 * t),
    "brightness": _Path(lambda _severity, t: 0.02 + 0.9 * t),
}

_LARGE: Mapping[str, _Path | _Choice] = {
    **_COMMON,
    "defocus_blur": _disks(11.0, (0.5,)),
    "pixelate": _sides(224),
    "motion_blur": _motion((10.0, 12.0, 15.0, 18.0, 20.0)),
    "glass_blur": _glass((1.0, 2.0, 3.0, 4.0, 5.0)),
    "zoom_blur": _zooms(80, 400),
    "snow": _line((0.1, 0.3, 3.0, 0.5, 10.0, 4.0, 0.8), (0.55, 0.3, 2.5, 0.85, 12.0, 12.0, 0.55), 4),
    "frost": _line((1.0, 0.4), (0.6, 0.75)),
    "fog": _line((1.5, 2.0), (3.0, 1.4)),
    "spatter": _spatter((0.67, 0.4, 1.0, 0.65, 1.5, 1.0)),
    "saturate": _SATURATE_224,
    "elastic_transform": _Path(lambda _severity, t: (0.01 * 40**t, 0.01, 0.0)),
}

_SMALL: Mapping[str, _Path | _Choice] = {
    **_COMMON,
    "defocus_blur": _disks(3.5, tuple(i / 20 for i in range(2, 21))),
    "pixelate": _sides(64),
    "motion_blur": _motion((10.0, 10.0, 10.0, 10.0, 12.0)),
    "glass_blur": _glass((1.0, 1.0, 1.0, 2.0, 3.0)),
    "zoom_blur": _zooms(30, 450),
    "snow": _line((0.1, 0.2, 1.0, 0.6, 8.0, 3.0, 0.8), (0.3, 0.3, 1.25, 0.65, 14.0, 12.0, 0.6), 4),
    "frost": _line((1.0, 0.3), (0.7, 0.55)),
    "fog": _line((0.4, 3.0), (2.0, 1.75)),
    "spatter": _spatter((0.65, 0.1, 0.5, 0.67, 0.6, 1.0)),
    "saturate": _SATURATE_64,
    "elastic_transform": _Path(lambda _severity, t: (0.16 * t, 0.03, 0.08 * t)),
}

_TABLES = {CALIBRATED224: (_LARGE, IMAGENET224), CALIBRATED64: (_SMALL, TINY64)}


def targets(entry: Corruption, profile: str, pictures: Mapping[str, Pixels]) -> tuple[float, ...]:
    """Mean 1 - SSIM wanted at severities 1 to 5 of a calibrated table, from the published one's range."""
    found = [d.dissimilarity or 0.0 for d in measure(entry, pictures, profile=_TABLES[profile][1])]
    return tuple(np.linspace(min(found), max(found), len(SEVERITIES)).tolist())


def solve(entry: Corruption, profile: str, pictures: Mapping[str, Pixels]) -> tuple[Value, ...]:
    """An entry's five values in a calibrated table, the same draws for every trial."""
    kernel = kernels()[entry.name]
    known: dict[Value, float] = {}

    def distance(value: Value) -> float:
        if value not in known:

            def corrupted(clean: Pixels | str, rng: np.random.Generator) -> Pixels | str:
                return clean if isinstance(clean, str) else kernel(clean, value, rng)

            known[value] = mean_distances(entry.name, pictures, corrupted)[1]
        return known[value]

    path = _TABLES[profile][0][entry.name]
    wanted = targets(entry, profile, pictures)
    if isinstance(path, _Choice):
        values = [_rounded(value) for value in path.values]
        return tuple(min(values, key=lambda value: abs(distance(value) - target)) for target in wanted)
    return tuple(_bisected(path, s, target, distance) for s, target in zip(SEVERITIES, wanted, strict=True))


def _bisected(path: _Path, severity: int, target: float, distance: Callable[[Value], float]) -> Value:
    low, high = path.low, path.high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if distance(_rounded(path.at(severity, middle))) < target:
            low = middle
        else:
            high = middle
    ends = [_rounded(path.at(severity, t)) for t in (low, high)]
    return min(ends, key=lambda value: abs(distance(value) - target))


def _rounded(value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple(_significant(part) for part in value)
    return _significant(value)


def _significant(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def calibrated(profile: str, large: Mapping[str, Pixels]) -> dict[str, tuple[Value, ...]]:
    """A whole calibrated table, `calibrated224` or `calibrated64`, from photographs of any size."""
    pictures = pictures_for(profile, large)
    return {
        entry.name: solve(entry, profile, pictures)
        for entry in catalogue()
        if IMAGENET224 in entry.parameters
    }


_HEAD = '''\
"""Severity tables of profile `calibrated`; written by `python -m corruptions.calibrate`, not by hand.

Mean 1 - SSIM over the photographs grows evenly from severity 1 to 5, between the least and the most that
the published table for that size gives. The parameters are those of the published tables, in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping

from corruptions.entry import Value

__all__ = ["LARGE", "SMALL"]
'''


def _source(tables: Mapping[str, Mapping[str, tuple[Value, ...]]]) -> str:
    """The module that holds the tables."""
    parts = [_HEAD]
    for name, (size, table) in zip(("LARGE", "SMALL"), tables.items(), strict=True):
        rows = []
        for key, values in table.items():
            row = f'    "{key}": ({", ".join(map(str, values))}),\n'
            if len(row) > 105:
                row = f'    "{key}": (\n' + "".join(f"        {value},\n" for value in values) + "    ),\n"
            rows.append(row)
        shorter = "of 128 pixels or more" if size == CALIBRATED224 else "under 128 pixels"
        note = f'"""For pictures whose shorter side is {shorter}: profile `{size}`."""\n'
        parts.append(f"{name}: Mapping[str, tuple[Value, ...]] = {{\n{''.join(rows)}}}\n{note}")
    return "\n".join(parts)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m corruptions.calibrate", description=__doc__)
    parser.add_argument("folder", type=Path, help="photographs, png or jpg")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "image" / "calibrated.py")
    arguments = parser.parse_args()
    try:
        large = photographs(arguments.folder)
        source = _source({profile: calibrated(profile, large) for profile in _TABLES})
        arguments.out.write_text(source, encoding="utf-8")
    except (OSError, InvalidInputError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    _main()
