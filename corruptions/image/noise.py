"""Noise of the sensor and the channel.

Results are cut, not rounded, to whole grey levels, as ImageNet-C does, so that pixels can be compared.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, number

__all__ = ["gaussian_noise", "impulse_noise", "normals", "shot_noise", "speckle_noise"]

_BUCKETS = 4096


def gaussian_noise(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """x + N(0, sigma) in every channel value, clipped; sigma is a share of full scale."""
    noisy = normals(image.shape, 255 * number(value), rng)
    noisy += image
    np.clip(noisy, 0, 255, out=noisy)
    return noisy.astype(np.uint8)


def normals(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Normal numbers of mean 0 and deviation `sigma`, three times as fast as NumPy's.

    16 random bits choose one of the 65,536 quantiles at (i + 1/2) / 65536; the first and the last of
    them stand for the tails, which are drawn as they are. The distribution function is the normal one to
    within 2^-17.
    """
    draws = rng.integers(0, _STEPS, size=math.prod(shape), dtype=np.uint16)
    values = _quantiles(sigma).take(draws)
    outer = np.flatnonzero(draws + np.uint16(1) <= 1)  # 65535 wraps round to 0
    for place, share in zip(outer.tolist(), (1 - rng.random(outer.size)).tolist(), strict=True):
        distance = sigma * NormalDist().inv_cdf(share / _STEPS)
        values[place] = distance if draws[place] == 0 else -distance
    return values.reshape(shape)


_STEPS = 1 << 16


@cache
def _standard() -> NDArray[np.float64]:
    """The quantiles of the standard normal law; 20 ms once in a process."""
    normal = NormalDist()
    lower = np.array([normal.inv_cdf((i + 0.5) / _STEPS) for i in range(_STEPS // 2)])
    return np.concatenate([lower, -lower[::-1]])


@lru_cache(maxsize=16)
def _quantiles(sigma: float) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = (_standard() * sigma).astype(np.float32)
    return scaled


def impulse_noise(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each channel value becomes 0 or 255 with a total chance of `value`, half and half.

    The law is that of scikit-image's random_noise(mode="s&p"), which imagecorruptions calls. 16 random
    bits settle all but one value in 65,536, and only there are more drawn.
    """
    chances = number(value) * 65536
    certain = int(chances)
    draws = rng.integers(0, 65536, size=image.size, dtype=np.uint16)
    hit = draws < certain
    edge = np.flatnonzero(draws == certain)
    hit[edge] = rng.random(edge.size) < chances - certain
    at = np.flatnonzero(hit)
    out: NDArray[np.uint8] = image.reshape(-1).copy()
    out[at] = rng.integers(0, 2, size=at.size, dtype=np.uint8) * np.uint8(255)
    return out.reshape(image.shape)


def shot_noise(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Poisson(x * photons) / photons in every channel value, x in 0-1, clipped.

    Inverts the distribution function, which there is one of per grey level: 12 random bits find a
    bucket of a precomputed table, and only where a step of the function falls inside the bucket are
    more bits drawn and the step searched. The law is Poisson's to within 2^-44.
    """
    table, steps, levels = _poisson(number(value))
    grey = image.reshape(-1)
    bucket = rng.integers(0, _BUCKETS, size=grey.size, dtype=np.uint16)
    index = grey.astype(np.int32)
    index *= _BUCKETS
    index += bucket
    out = table.take(index)
    unsure = np.flatnonzero(out < 0)
    at = grey[unsure].astype(np.int64)
    draw = (bucket[unsure] + rng.random(unsure.size)) / _BUCKETS
    count = np.searchsorted(steps, at + draw, side="right") - at * (levels.size - 1)
    out[unsure] = levels[np.minimum(count, levels.size - 1)]
    return out.astype(np.uint8).reshape(image.shape)


def speckle_noise(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """x + x * N(0, sigma) in every channel value, clipped: noise that grows with the light."""
    noisy = normals(image.shape, number(value), rng)
    noisy += np.float32(1)
    noisy *= image
    np.clip(noisy, 0, 255, out=noisy)
    return noisy.astype(np.uint8)


@lru_cache(maxsize=16)
def _poisson(photons: float) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.int16]]:
    """(bucket table, steps, levels) for means v * photons / 255, v = 0..255.

    levels[k] is the grey level of k photons; counts above `photons` are white as well, so they are not
    told apart. steps holds v + P(count <= k), row after row, ascending. table[v, b] is the grey level
    for a uniform number in bucket b, or -1 where a step lies inside the bucket.
    """
    top = math.ceil(photons)
    levels = (np.minimum(np.arange(top + 1) / photons, 1.0) * 255).astype(np.int16)
    means = np.arange(256) * (photons / 255)
    mass = np.array([math.exp(-mean) for mean in means])
    cumulative = np.empty((256, top))
    total = np.zeros(256)
    for k in range(top):
        total += mass
        cumulative[:, k] = total
        mass = mass * means / (k + 1)
    np.minimum(cumulative, 1.0, out=cumulative)
    edges = np.arange(_BUCKETS + 1) / _BUCKETS
    table = np.empty((256, _BUCKETS), np.int16)
    for v, row in enumerate(cumulative):
        low = np.searchsorted(row, edges[:-1], side="right")
        high = np.searchsorted(row, edges[1:], side="left")
        table[v] = np.where(low == high, levels[low], -1)
    steps = cumulative + np.arange(256)[:, None]
    return table.reshape(-1), steps.reshape(-1), levels
