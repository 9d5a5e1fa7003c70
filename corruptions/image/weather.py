"""Weather, and what it leaves on the lens."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value, pair, several
from corruptions.errors import InvalidInputError
from corruptions.image.blur import streak
from corruptions.image.warp import enlarge

__all__ = ["TEXTURES", "fitted", "fog", "frost", "overlay", "snow", "spatter", "texture"]

# Lifts values that 32-bit arithmetic left a hair under a whole level.
_ROUNDING = np.float32(2.0**-12)

# Clouds and ice cover a square of the longer side, whatever the shorter one: gigabytes beyond this.
_LONGEST = 16384


def _check_side(image: NDArray[np.uint8], what: str) -> None:
    if max(image.shape[:2]) > _LONGEST:
        raise InvalidInputError(
            f"{what} takes at most {_LONGEST} pixels a side, got {image.shape[1]} x {image.shape[0]}; "
            f"reduce the picture or leave {what} out"
        )


def snow(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Flakes of noise, smeared by the wind, over a whitened picture.

    `value` = (mean and deviation of the noise, flake size in pixels, least noise that is a flake, smear
    radius and deviation in pixels, share of the picture that is not whitened). The layer is added
    twice, the second time turned by 180 degrees.
    """
    mean, deviation, size, least, radius, sigma, kept = several(value)
    height, width = image.shape[:2]
    # Flakes are noise pixels of the middle, enlarged: what enlarging would cut off is not drawn.
    tall, wide = math.ceil(height / size), math.ceil(width / size)
    noise = rng.standard_normal((tall, wide), dtype=np.float32) * np.float64(deviation) + mean
    layer = enlarge(noise, round(tall * size), round(wide * size))
    layer[layer < least] = 0
    np.clip(layer, 0, 1, out=layer)
    angle = math.radians(rng.uniform(-135, -45))
    smeared = streak(layer.astype(np.float32), radius, sigma, angle)[:height, :width]
    smeared *= np.float32(255)
    flakes = np.rint(smeared, out=smeared)
    flakes = flakes + flakes[::-1, ::-1] + _ROUNDING
    pixels = image.astype(np.float32)
    white = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    white *= np.float32(1.5)
    white += np.float32(127.5)
    out = []
    for plane in cv2.split(pixels):
        lighter = np.maximum(plane, white)
        lighter *= np.float32(1 - kept)
        plane *= np.float32(kept)
        plane += lighter
        plane += flakes
        np.minimum(plane, 255, out=plane)
        out.append(plane.astype(np.uint8))
    return np.asarray(cv2.merge(out), np.uint8)


def fog(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A cloud of `value` = (thickness, decay) added, and the whole scaled back to the picture's maximum.

    The cloud is a fractal on the square that is the next power of two above the longer side; `decay`
    divides its roughness at every halving of the scale. InvalidInputError for a side of more than 16,384
    pixels.
    """
    _check_side(image, "fog")
    thickness, decay = pair(value)
    height, width = image.shape[:2]
    brightest = int(image.max()) / 255.0
    scale = brightest / (brightest + thickness)
    cloud = _cloud(1 << (max(height, width, 3) - 1).bit_length(), decay, rng)[:height, :width]
    cloud *= np.float32(255 * thickness * scale)
    cloud += _ROUNDING
    levels = np.arange(256, dtype=np.float32) * np.float32(scale)
    out = []
    for plane in cv2.split(image):
        light = levels.take(plane)
        light += cloud
        np.minimum(light, 255, out=light)
        out.append(light.astype(np.uint8))
    return np.asarray(cv2.merge(out), np.uint8)


def _cloud(size: int, decay: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Midpoint displacement on a torus of `size`, a power of two, scaled to 0-1.

    From one value at the corner, every round puts a value in the middle of each square of known ones,
    then one in the middle of each diamond: the mean of the four around it and uniform noise.
    """
    known = np.zeros((1, 1), np.float32)
    rough = 100.0
    while known.shape[0] < size:
        side = known.shape[0]
        finer = np.empty((2 * side, 2 * side), np.float32)

        def noisy(total: NDArray[np.float32], rough: float = rough) -> NDArray[np.float32]:
            noise = rng.random(total.shape, dtype=np.float32)
            noise -= np.float32(0.5)
            noise *= np.float32(2 * rough * rough)
            total *= np.float32(0.25)
            total += noise
            return total

        pairs = known + np.roll(known, -1, axis=0)
        across = known + np.roll(known, -1, axis=1)
        middle = noisy(pairs + np.roll(pairs, -1, axis=1))
        down = middle + np.roll(middle, 1, axis=1)
        down += pairs
        across += middle
        across += np.roll(middle, 1, axis=0)
        finer[0::2, 0::2] = known
        finer[1::2, 1::2] = middle
        finer[0::2, 1::2] = noisy(across)
        finer[1::2, 0::2] = noisy(down)
        known = finer
        rough /= decay
    known -= known.min()
    known /= known.max()
    return known


def frost(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A cut of one of our ice textures over the darkened picture, `value` = (shares of picture and ice).

    InvalidInputError for a side of more than 16,384 pixels.
    """
    _check_side(image, "frost")
    height, width = image.shape[:2]
    return overlay(image, value, _fitted(int(rng.integers(TEXTURES)), height, width), rng)


def overlay(
    image: NDArray[np.uint8], value: Value, ice: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """picture * share + ice * share, clipped; the ice is cut at random from a larger texture."""
    height, width = image.shape[:2]
    top = int(rng.integers(ice.shape[0] - height + 1))
    left = int(rng.integers(ice.shape[1] - width + 1))
    index = image.astype(np.intp)
    index <<= 8
    index += ice[top : top + height, left : left + width]
    return _mixed(*pair(value)).take(index)


@lru_cache(maxsize=16)
def _mixed(clear: float, frozen: float) -> NDArray[np.uint8]:
    """The new level at [level * 256 + ice]."""
    level = np.arange(256)
    return np.minimum(clear * level[:, None] + frozen * level, 255).astype(np.uint8).reshape(-1)


def fitted(ice: NDArray[np.uint8], height: int, width: int, spare: float = 1.0) -> NDArray[np.uint8]:
    """A texture at least as large as the picture, enlarged where it is not, and then by `spare`."""
    scale = max(1.0, height / ice.shape[0], width / ice.shape[1]) * spare
    if scale == 1:
        return ice
    size = (math.ceil(ice.shape[1] * scale), math.ceil(ice.shape[0] * scale))
    return np.asarray(cv2.resize(ice, size, interpolation=cv2.INTER_CUBIC), np.uint8)


TEXTURES = 4
_TALL, _WIDE = 768, 1024


def _fitted(number: int, height: int, width: int) -> NDArray[np.uint8]:
    ice = texture(number)
    return ice if height <= _TALL and width <= _WIDE else _enlarged(number, height, width)


@lru_cache(maxsize=TEXTURES)
def _enlarged(number: int, height: int, width: int) -> NDArray[np.uint8]:
    return fitted(texture(number), height, width)


@lru_cache(maxsize=TEXTURES)
def texture(number: int) -> NDArray[np.uint8]:
    """One of `TEXTURES` pictures of ice on glass: clouded film and crystals that branch at 60 degrees.

    Grown from a generator of its own and kept, so that every process has the same ones.
    """
    rng = np.random.Generator(np.random.Philox(key=(0x1CE << 8) + number))
    film = np.zeros((_TALL, _WIDE))
    for cells, weight in ((3, 0.45), (8, 0.25), (24, 0.15), (96, 0.10), (384, 0.05)):
        film += weight * enlarge(rng.random((cells, cells * 4 // 3)), _TALL, _WIDE)
    drawn = np.zeros((2 * _TALL, 2 * _WIDE), np.uint8)
    for shade, count, longest in ((110, 200, 160), (170, 110, 260), (235, 50, 420)):
        cv2.polylines(drawn, _crystals(count, longest, rng), False, shade, 2)
    quarters = drawn.astype(np.uint16)
    crystals = quarters[0::2, 0::2] + quarters[0::2, 1::2] + quarters[1::2, 0::2] + quarters[1::2, 1::2]
    # Film between 0.25 and 0.75 covers nothing to everything; crystals are fainter where there is little.
    cover = np.clip((film - 0.25) * 2, 0, 1)
    light = np.clip(30 + 150 * cover + crystals * (0.05 + 0.10 * cover), 0, 255)
    tint = np.array([0.80, 0.93, 1.0])
    ice: NDArray[np.uint8] = (light[..., None] * tint).astype(np.uint8)
    ice.setflags(write=False)
    return ice


def _crystals(count: int, longest: float, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """Lines of `count` ferns: stems, side branches at 60 degrees, and barbs on these, in half pixels."""
    start = rng.random((count, 2)) * (2 * _WIDE, 2 * _TALL)
    along = rng.random((count, 2)) - 0.5
    along /= np.sqrt((along * along).sum(axis=1, keepdims=True)) + 1e-12
    length = longest * (0.3 + 0.7 * rng.random(count))
    lines = []
    for share, spacing in ((0.45, 20.0), (0.35, 14.0), (0.0, 0.0)):
        lines.append(np.stack([start, start + along * length[:, None]], axis=1))
        if not share:
            break
        # Branches leave at regular steps, both ways, and shorten towards the tip.
        steps = np.maximum(1, length // spacing).astype(np.intp)
        stem = np.repeat(np.arange(length.size), steps)
        order = np.arange(stem.size) - np.repeat(np.cumsum(steps) - steps, steps)
        reached = (order + 0.5) * spacing
        root = start[stem] + along[stem] * reached[:, None]
        remaining = share * (length[stem] - reached)
        cosine, sine = 0.5, 0.75**0.5
        x, y = along[stem, 0], along[stem, 1]
        left = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1)
        right = np.stack([cosine * x + sine * y, cosine * y - sine * x], axis=1)
        kept = remaining >= 2
        start = np.concatenate([root[kept], root[kept]])
        along = np.concatenate([left[kept], right[kept]])
        length = np.concatenate([remaining[kept], remaining[kept]])
    return list(np.rint(np.concatenate(lines)).astype(np.int32))


def spatter(image: NDArray[np.uint8], value: Value, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Drops of water that catch the light, or splashes of mud.

    `value` = (mean and deviation of the noise, its smoothing in pixels, least value that is wet, strength
    of the water or softness of the mud in pixels, 0 for water or 1 for mud).
    """
    mean, deviation, smoothing, least, strength, mud = several(value)
    noise = rng.standard_normal(image.shape[:2], dtype=np.float32) * np.float64(deviation) + mean
    # 64 bits: a value that rounding carries over the threshold would move an edge.
    wet = _smooth(noise, smoothing)
    wet[wet < least] = 0
    return _muddy(image, wet > least, strength) if mud else _watery(image, wet, strength)


def _smooth(field: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Convolution with a normal density cut at 4 standard deviations, along columns, then rows."""
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    one = np.ones(1)
    edges = cv2.BORDER_REPLICATE
    halfway = cv2.sepFilter2D(field, cv2.CV_64F, one, weights, borderType=edges)
    return np.asarray(cv2.sepFilter2D(halfway, cv2.CV_64F, weights, one, borderType=edges), np.float64)


def _watery(image: NDArray[np.uint8], wet: NDArray[np.float64], strength: float) -> NDArray[np.uint8]:
    liquid = (wet * 255).astype(np.uint8)
    relief = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    relief = cv2.blur(np.minimum(relief, 20), (3, 3)).astype(np.uint8)
    relief = cv2.equalizeHist(relief)
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    relief = cv2.blur(cv2.filter2D(relief, cv2.CV_8U, emboss), (3, 3))
    shine = liquid * relief.astype(np.float32)
    brightest = float(shine.max())
    if brightest == 0:
        unchanged: NDArray[np.uint8] = image.copy()
        return unchanged
    shine *= np.float32(strength / brightest)
    out = []
    for plane, tint in zip(cv2.split(image), (175, 238, 238), strict=True):
        light = np.minimum(shine * np.float32(tint), 255)
        light += plane
        light += _ROUNDING
        np.minimum(light, 255, out=light)
        out.append(light.astype(np.uint8))
    return np.asarray(cv2.merge(out), np.uint8)


def _muddy(image: NDArray[np.uint8], wet: NDArray[np.bool_], softness: float) -> NDArray[np.uint8]:
    mud = _smooth(wet.astype(np.float64), softness).astype(np.float32)
    mud[mud < 0.8] = 0
    clear = 1 - mud
    out = []
    for plane, tint in zip(cv2.split(image), (63, 42, 20), strict=True):
        light = plane * clear
        light += mud * np.float32(tint)
        light += _ROUNDING
        np.minimum(light, 255, out=light)
        out.append(light.astype(np.uint8))
    return np.asarray(cv2.merge(out), np.uint8)
