"""Our kernels against the source of imagecorruptions, given the same random numbers.

The package's own dependencies (scikit-image, numba) are replaced by shims of the few calls that matter
here, because they are heavy and its opencv-python would overwrite opencv-python-headless.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from corruptions import corrupt_image

SIZES = [(64, 64), (100, 37), (224, 224)]


def _scene(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    waves = 127 + 90 * np.sin(x / 5)[..., None] * np.cos(y / 7)[..., None] * np.array([1.0, 0.6, -0.8])
    waves[height // 4 : height // 2, width // 4 : width // 2] = (250, 128, 0)
    noise = np.random.default_rng(3).integers(-20, 21, waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


def _shims() -> dict[str, ModuleType]:
    def gaussian(image: NDArray[np.float64], sigma: float, channel_axis: int = -1) -> NDArray[np.float64]:
        return ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest", truncate=4.0)

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
    util = ModuleType("skimage.util")
    vars(skimage).update(__version__="0.25.0", util=util)
    vars(util).update(random_noise=random_noise)
    vars(filters).update(gaussian=gaussian)
    vars(numba).update(njit=lambda: lambda function: function)
    return {"skimage": skimage, "skimage.filters": filters, "skimage.util": util, "numba": numba}


@pytest.fixture(scope="module")
def reference() -> Iterator[Any]:
    spec = importlib.util.find_spec("imagecorruptions")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("imagecorruptions is not installed")
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
        lambda size, scale: rng.standard_normal(size, dtype=np.float32) * np.float64(scale),
    )
    return {}


def _uniform(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
    patch.setattr(np.random, "uniform", rng.uniform)
    return {}


def _seed(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
    return {"seed": rng}


def _nothing(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    ("name", "draws", "differing"),
    [
        # Largest share of values that may differ, by one level: floats of 32 bits instead of 64.
        ("gaussian_noise", _normal, 1e-4),
        ("impulse_noise", _seed, 0.0),
        ("gaussian_blur", _nothing, 0.02),
        # A disk of 29 equal weights lands on whole levels in one of 29 values, where cutting is a toss-up.
        ("defocus_blur", _nothing, 0.04),
        ("motion_blur", _uniform, 0.02),
        ("jpeg_compression", _nothing, 0.0),
        ("contrast", _nothing, 0.0),
        ("pixelate", _nothing, 0.0),
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
        gap = np.abs(ours.astype(int) - theirs.astype(int))
        assert gap.max() <= 1
        assert np.mean(gap > 0) <= differing
