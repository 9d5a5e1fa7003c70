"""Corruptions of a modality as a whole: which samples are hit, and what a sample gets instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from corruptions.catalogue import get
from corruptions.entry import number
from corruptions.errors import InvalidInputError
from corruptions.seeding import key, uniform
from corruptions.text.protect import protection
from corruptions.text.tokens import MASK, find_words
from corruptions.validation import check_image, check_kind, check_severity, check_text

__all__ = ["blank_image", "derangement", "is_hit", "masked_text"]

# Two names of one corruption: the same samples are hit, and they get the same donors.
_ALIASES = {"mismatch_image": "mismatch"}
_CYCLES = ("mismatch", "mismatch_image", "mismatch_text")


def is_hit(seed: int, unit: str, corruption: str, severity: int) -> bool:
    """Whether this unit is hit by a modality corruption at this severity (1-5).

    One uniform number of (seed, unit, corruption) is compared with the share of the severity (0.2 to
    1.0). So the choice does not depend on the other units, a higher severity hits every unit that a
    lower one hits, and severity 5 hits all. mismatch_image hits whom mismatch hits.
    """
    entry = get(corruption)
    check_kind(entry, "modality")
    share = number(entry.value(check_severity(severity)))
    return uniform(seed, unit, _ALIASES.get(corruption, corruption)) < share


def derangement(seed: int, units: Sequence[str], corruption: str = "mismatch") -> dict[str, str]:
    """Another unit for every unit, never its own: a single random cycle through the distinct units.

    The cycle runs through the units in the order of a seeded hash, so the result depends on the set and
    not on its order, and a unit more or less changes the partner of one other unit only. `corruption`
    names the mismatch: mismatch and mismatch_image share a cycle, mismatch_text has its own.
    InvalidInputError (a ValueError) for fewer than two distinct units.
    """
    if get(corruption).name not in _CYCLES:
        raise InvalidInputError(f"{corruption} exchanges nothing; use one of: {', '.join(_CYCLES)}")
    if isinstance(units, str):
        raise InvalidInputError("units is one string; pass a sequence of unit names")
    name = _ALIASES.get(corruption, corruption)
    cycle = sorted(set(units), key=lambda unit: (key(seed, unit, name, 0), unit))
    if len(cycle) < 2:
        what = "texts" if get(corruption).target == "text" else "images"
        raise InvalidInputError(
            f"a mismatch needs at least 2 distinct units, got {len(cycle)}; add samples with other {what}"
        )
    return dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))


def blank_image(image: NDArray[np.uint8], name: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What a hit sample is shown under blank_black, blank_mean or blank_noise, in the size of its image.

    `image` is uint8 of shape (H, W, 3) and is not changed. Only blank_noise draws from `rng`; pass
    `view_generator(seed, unit, name, severity)`, which leaves the severity out, so that a sample gets the
    same noise at each. InvalidInputError for another corruption.
    """
    pixels = check_image(image)
    if name == "blank_black":
        return np.zeros_like(pixels)
    if name == "blank_mean":
        # Sums of whole numbers: no rounding that depends on the order of addition.
        count = pixels.shape[0] * pixels.shape[1]
        mean = (2 * pixels.sum(axis=(0, 1), dtype=np.int64) + count) // (2 * count)
        blank = np.empty_like(pixels)
        blank[:] = mean.astype(np.uint8)
        return blank
    if name == "blank_noise":
        return np.frombuffer(bytearray(rng.bytes(pixels.size)), np.uint8).reshape(pixels.shape)
    raise InvalidInputError(
        f"{get(name).name} does not blank an image; use blank_black, blank_mean or blank_noise"
    )


def masked_text(text: str) -> str:
    """What a hit sample is asked under mask_text: every word as [MASK], whether or not it is protected.

    Template tokens, punctuation around words and white space stay. A text without a word is unchanged.
    """
    parts = []
    done = 0
    for word in find_words(check_text(text), protection(frozenset())):
        parts += [text[done : word.start], MASK]
        done = word.end
    return "".join([*parts, text[done:]])
