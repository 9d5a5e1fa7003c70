"""Our kernels against imagecorruptions, given the same random numbers: all nineteen, at all severities.

Where scikit-image and numba are installed (the extra `reference`), the package is taken as it is. Else its
source runs over shims of the few calls that matter here.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, stats

from corruptions import corrupt_image, get
from corruptions.entry import several
from corruptions.image import noise, weather

SIZES = [(64, 64), (100, 37), (224, 224)]
LARGE = (480, 640)
REAL = all(importlib.util.find_spec(name) for name in ("skimage", "numba"))


def _scene(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    waves = 127 + 90 * np.sin(x / 5)[..., None] * np.cos(y / 7)[..., None] * np.array([1.0, 0.6, -0.8])
    waves[height // 4 : height // 2, width // 4 : width // 2] = (250, 128, 0)
    noise = np.random.default_rng(3).integers(-20, 21, waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


def _shims() -> dict[str, ModuleType]:
    def gaussian(
        image: NDArray[np.float64],
        sigma: float | NDArray[np.float64],
        mode: str = "nearest",
        truncate: float = 4.0,
        channel_axis: int | None = None,
    ) -> NDArray[np.float64]:
        widths = [*np.broadcast_to(sigma, 2).tolist(), *[0.0] * (image.ndim - 2)]
        return ndimage.gaussian_filter(image, widths, mode=mode, truncate=truncate)

    def rgb2hsv(image: NDArray[np.float64]) -> NDArray[np.float64]:
        value, delta = image.max(axis=2), np.ptp(image, axis=2)
        red, green, blue = np.moveaxis(image, 2, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            saturation = np.where(delta == 0, 0, delta / value)
            hue = np.where(red == value, (green - blue) / delta, 0)
            hue = np.where(green == value, 2 + (blue - red) / delta, hue)
            hue = np.where(blue == value, 4 + (red - green) / delta, hue)
        hue = np.where(delta == 0, 0, hue / 6 % 1)
        return np.stack([hue, saturation, value], axis=2)

    def hsv2rgb(image: NDArray[np.float64]) -> NDArray[np.float64]:
        hue, saturation, value = np.moveaxis(image, 2, 0)
        sector = np.floor(hue * 6)
        part = hue * 6 - sector
        p = value * (1 - saturation)
        q = value * (1 - part * saturation)
        t = value * (1 - (1 - part) * saturation)
        cases = [(value, t, p), (q, value, p), (p, value, t), (p, q, value), (t, p, value), (value, p, q)]
        chosen = sector.astype(int) % 6
        return np.stack([np.choose(chosen, [case[c] for case in cases]) for c in range(3)], axis=2)

    def random_noise(
        image: NDArray[np.float64], mode: str, seed: np.random.Generator, amount: float
    ) -> NDArray[np.float64]:
        out = image.copy()
        flipped = seed.random(image.shape) <= amount
        salted = seed.random(image.shape) <= 0.5
        out[flipped & salted] = 1
        out[flipped & ~salted] = 0
        return out

    skimage, filters, numba = ModuleType("skimage"), ModuleType("skimage.filters"), ModuleType("numba")
    util, color = ModuleType("skimage.util"), ModuleType("skimage.color")
    vars(skimage).update(__version__="0.25.0", util=util, color=color)
    vars(color).update(rgb2hsv=rgb2hsv, hsv2rgb=hsv2rgb)
    vars(util).update(random_noise=random_noise)
    vars(filters).update(gaussian=gaussian)
    vars(numba).update(njit=lambda: lambda function: function)
    return {
        "skimage": skimage,
        "skimage.filters": filters,
        "skimage.util": util,
        "skimage.color": color,
        "numba": numba,
    }


@pytest.fixture(scope="module")
def reference() -> Iterator[Any]:
    spec = importlib.util.find_spec("imagecorruptions")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("imagecorruptions is not installed")
    if REAL:
        yield importlib.import_module("imagecorruptions.corruptions")
        return
    path = f"{spec.submodule_search_locations[0]}/corruptions.py"
    inner = importlib.util.spec_from_file_location("imagecorruptions_under_shims", path)
    assert inner is not None
    assert inner.loader is not None
    module = importlib.util.module_from_spec(inner)
    with pytest.MonkeyPatch.context() as patch:
        for name, shim in _shims().items():
            patch.setitem(sys.modules, name, shim)
        inner.loader.exec_module(module)
    yield module


Draws = Callable[[pytest.MonkeyPatch, np.random.Generator], dict[str, Any]]


def _normal(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
    patch.setattr(
        np.random,
        "normal",
        lambda size, scale, loc=0.0: (
            rng.standard_normal(size, dtype=np.float32) * np.float64(scale) + np.float64(loc)
        ),
    )
    return {}


def _stepped(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
    """Normal numbers as noise draws them."""
    patch.setattr(
        np.random,
        "normal",
        lambda size, scale, loc=0.0: noise.normals(size, 1.0, rng) * np.float64(scale) + np.float64(loc),
    )
    return {}


def _flakes(size: float) -> Draws:
    """The noise of snow: of the reference's only the middle is kept, which is all that we draw."""

    def draws(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
        def normal(size: tuple[int, int], loc: float, scale: float) -> NDArray[np.float64]:
            kept = [math.ceil(side / flake) for side in size]
            top, left = [(side - part) // 2 for side, part in zip(size, kept, strict=True)]
            noise = np.full(size, np.nan)
            noise[top : top + kept[0], left : left + kept[1]] = (
                rng.standard_normal(kept, dtype=np.float32) * np.float64(scale) + loc
            )
            return noise

        flake = size
        patch.setattr(np.random, "normal", normal)
        patch.setattr(np.random, "uniform", rng.uniform)
        return {}

    return draws


def _narrow(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
    """Uniform numbers of 24 bits."""
    patch.setattr(
        np.random,
        "uniform",
        lambda low, high, size: low + (high - low) * rng.random(size, dtype=np.float32).astype(np.float64),
    )
    return {}


def _steps(passes: int, reach: int, shape: tuple[int, int]) -> Draws:
    """Pairs of steps in the order in which the reference asks for them."""

    def draws(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
        sides = [side - 2 * reach for side in shape]
        both = 2 * reach
        every = [rng.integers(both * both, size=sides, dtype=np.uint8).reshape(-1) for _ in range(passes)]
        pairs = iter([(k // both - reach, k % both - reach) for k in np.concatenate(every).tolist()])
        patch.setattr(np.random, "seed", lambda seed: None)
        patch.setattr(np.random, "randint", lambda low, high, size: next(pairs))
        return {"seed": 0}

    return draws


def _photons(photons: float) -> Draws:
    """Poisson's law inverted at the numbers that ours draws: 12 bits, and more where they do not decide."""

    def draws(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
        def poisson(mean: NDArray[np.float64]) -> NDArray[np.intp]:
            grey = np.rint(mean.reshape(-1) / photons * 255).astype(np.intp)
            bucket = rng.integers(0, 4096, size=grey.size, dtype=np.uint16)
            within = np.full(grey.size, 0.5)
            undecided = np.flatnonzero(noise._poisson(photons)[0].take(grey * 4096 + bucket) < 0)
            within[undecided] = rng.random(undecided.size)
            place = (bucket + within) / 4096
            count = np.empty(grey.size, np.intp)
            for level in np.unique(grey):
                law = stats.poisson.cdf(np.arange(200), level / 255 * photons)
                count[grey == level] = np.searchsorted(law, place[grey == level])
            return count.reshape(mean.shape)

        patch.setattr(np.random, "poisson", poisson)
        return {}

    return draws


@cache
def _steps_of_numba() -> Callable[[int, int, int], NDArray[np.int64]]:
    import numba

    def steps(seed: int, count: int, reach: int) -> NDArray[np.int64]:
        np.random.seed(seed)  # noqa: NPY002
        found = np.empty((count, 2), np.int64)
        for i in range(count):
            found[i] = np.random.randint(-reach, reach, size=2)  # noqa: NPY002
        return found

    compiled: Callable[[int, int, int], NDArray[np.int64]] = numba.njit(steps)
    return compiled


class _Replayed:
    """Hands out what numba's generator draws after this seed, as the numbers that ours asks for."""

    def __init__(self, seed: int, passes: int, reach: int, shape: tuple[int, int]) -> None:
        sides = [side - 2 * reach for side in shape]
        pairs = _steps_of_numba()(seed, passes * sides[0] * sides[1], reach) + reach
        numbers = (pairs[:, 0] * 2 * reach + pairs[:, 1]).astype(np.uint8)
        self._passes = iter(numbers.reshape(passes, *sides))

    def integers(self, low: int, high: int, size: tuple[int, int], dtype: type) -> NDArray[np.uint8]:
        return next(self._passes)


def _uniform(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
    patch.setattr(np.random, "uniform", rng.uniform)
    return {}


class _Scripted(np.random.Generator):
    """A generator whose uniform numbers are given in advance."""

    def __init__(self, numbers: list[NDArray[np.float64]]) -> None:
        super().__init__(np.random.Philox(key=0))
        self.numbers = iter(numbers)

    def random(self, size: Any = None, *_: Any, **__: Any) -> Any:
        return next(self.numbers).reshape(size)


def _impulses(share: float, shape: tuple[int, int]) -> Draws:
    """Our 16-bit draws as the two uniform numbers a value that the reference asks for."""

    def draws(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
        size = shape[0] * shape[1] * 3
        coarse = rng.integers(0, 65536, size=size, dtype=np.uint16).astype(np.float64)
        fine = np.full(size, 0.5)
        edge = np.flatnonzero(coarse == math.floor(share * 65536))
        fine[edge] = rng.random(edge.size)
        hit = (coarse + fine) / 65536
        way = np.ones(size)
        at = np.flatnonzero(hit <= share)
        way[at] = 1 - rng.integers(0, 2, size=at.size, dtype=np.uint8)
        return {"seed": _Scripted([hit, way])}

    return draws


def _nothing(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("size", [*SIZES, LARGE], ids=str)
@pytest.mark.parametrize(
    ("name", "draws", "differing"),
    [
        # Largest share of values that may differ, by one level: floats of 32 bits instead of 64.
        ("gaussian_noise", _stepped, 1e-4),
        ("gaussian_blur", _nothing, 0.02),
        # A disk of 29 equal weights lands on whole levels in one of 29 values, where cutting is a toss-up.
        ("defocus_blur", _nothing, 0.04),
        ("motion_blur", _uniform, 0.02),
        ("jpeg_compression", _nothing, 0.0),
        ("contrast", _nothing, 0.0),
        ("pixelate", _nothing, 0.0),
        ("speckle_noise", _stepped, 1e-4),
        ("zoom_blur", _nothing, 0.005),
        ("fog", _narrow, 1e-3),
        ("spatter", _normal, 1e-3),
        ("brightness", _nothing, 0.005),
        # At severity 3 every middle channel is a whole level, where cutting is a toss-up; 0.015 elsewhere.
        ("saturate", _nothing, 0.2),
        ("elastic_transform", _narrow, 1e-4),
    ],
)
def test_parity(
    name: str,
    draws: Draws,
    differing: float,
    size: tuple[int, int],
    reference: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = _scene(*size)
    for severity in (1, 2, 3, 4, 5):
        keywords = draws(monkeypatch, np.random.default_rng(severity))
        theirs = np.uint8(getattr(reference, name)(Image.fromarray(image), severity, **keywords))
        ours = corrupt_image(image, name, severity, np.random.default_rng(severity), profile="imagenet224")
        _assert_close(ours, theirs, differing)


def _assert_close(ours: NDArray[np.uint8], theirs: NDArray[np.uint8], differing: float) -> None:
    gap = np.abs(ours.astype(int) - theirs.astype(int))
    assert gap.max() <= 1
    assert np.mean(gap > 0) <= differing


@pytest.mark.parametrize("size", [*SIZES, LARGE], ids=str)
@pytest.mark.parametrize(
    ("name", "differing"),
    [("snow", 0.002), ("shot_noise", 0.0), ("glass_blur", 0.01), ("impulse_noise", 0.0)],
)
def test_parity_where_the_draws_depend_on_the_parameter(
    name: str,
    differing: float,
    size: tuple[int, int],
    reference: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name == "glass_blur" and size == LARGE and not REAL:
        pytest.skip("minutes without numba: the reference copies pixel by pixel")
    image = _scene(*size)
    for severity in (1, 2, 3, 4, 5):
        value = several(get(name).value(severity, "imagenet224"))
        rng: Any = np.random.default_rng(severity)
        if name == "snow":
            keywords = _flakes(value[2])(monkeypatch, np.random.default_rng(severity))
        elif name == "shot_noise":
            keywords = _photons(value[0])(monkeypatch, np.random.default_rng(severity))
        elif name == "impulse_noise":
            keywords = _impulses(value[0], size)(monkeypatch, np.random.default_rng(severity))
        elif REAL:
            rng, keywords = _Replayed(severity, int(value[2]), int(value[1]), size), {"seed": severity}
        else:
            keywords = _steps(int(value[2]), int(value[1]), size)(monkeypatch, rng)
            rng = np.random.default_rng(severity)
        theirs = np.uint8(getattr(reference, name)(Image.fromarray(image), severity, **keywords))
        monkeypatch.undo()
        ours = corrupt_image(image, name, severity, rng, profile="imagenet224")
        _assert_close(ours, theirs, differing)


@pytest.mark.parametrize("size", [*SIZES, LARGE], ids=str)
def test_parity_of_frost_under_the_reference_textures(
    size: tuple[int, int], reference: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = _scene(*size)
    folder = Path(reference.__file__).parent / "frost"
    textures = [cv2.imread(str(path))[..., ::-1] for path in sorted(folder.glob("frost?.???"))]
    monkeypatch.setattr(reference, "__package__", "imagecorruptions")
    monkeypatch.setattr(reference.importlib.resources, "files", lambda package: folder.parent)
    for severity in (1, 2, 3, 4, 5):
        rng = np.random.default_rng(severity)
        asked = iter([severity, *[None] * 2])
        # The reference leaves out the last place of a cut.
        monkeypatch.setattr(
            np.random,
            "randint",
            lambda low, high=None, rng=rng, asked=asked: next(asked) or int(rng.integers(low, high + 1)),
        )
        theirs = np.uint8(reference.frost(Image.fromarray(image), severity))
        ice = weather.fitted(np.ascontiguousarray(textures[severity]), *size, spare=1.1)
        value = get("frost").value(severity, "imagenet224")
        ours = weather.overlay(image, value, ice, np.random.default_rng(severity))
        assert np.array_equal(ours, theirs)
