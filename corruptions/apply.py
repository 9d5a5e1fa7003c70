"""Corrupt one image or one text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.backends import NATIVE, Backend, get_backend
from corruptions.catalogue import get
from corruptions.entry import DEFAULT_PROFILE, Corruption
from corruptions.image import kernels as image_kernels
from corruptions.image.entries import IMAGENET224, TINY64
from corruptions.seeding import view_generator
from corruptions.text import kernels as text_kernels
from corruptions.validation import check_image, check_kind, check_severity, check_text

__all__ = ["SMALL_SIDE", "corrupt_image", "corrupt_text", "image_view", "profile_of", "text_view"]

SMALL_SIDE = 128
"""Pictures whose shorter side has fewer pixels get profile `tiny64`, the others `imagenet224`."""


def profile_of(name: str, height: int, width: int) -> str:
    """The severity table that an image corruption uses for a picture of this size, in pixels.

    `tiny64` if the shorter side is under 128, else `imagenet224`; `default` for corruptions whose
    parameters do not depend on the size.
    """
    entry = get(name)
    check_kind(entry, "image")
    return _profile(entry, height, width)


def _profile(entry: Corruption, height: int, width: int) -> str:
    if DEFAULT_PROFILE in entry.parameters:
        return DEFAULT_PROFILE
    return TINY64 if min(height, width) < SMALL_SIDE else IMAGENET224


def _offering(backend: str, name: str) -> Backend | None:
    """The reference package that draws this corruption, None for this package itself."""
    found = get_backend(backend)
    if found is not None:
        found.check_offers(name)
    return found


def corrupt_image(
    image: NDArray[np.uint8],
    name: str,
    severity: int,
    rng: np.random.Generator,
    *,
    profile: str | None = None,
    backend: str = NATIVE,
) -> NDArray[np.uint8]:
    """A corrupted copy of an RGB image.

    `image` is uint8 of shape (H, W, 3), any H and W from 1; it is not changed. The result has the same
    shape and type and is writable. `severity` is 1 to 5. Randomness comes from `rng` only. `profile`
    names a severity table, by default that of `profile_of`; corruptions with one table ignore it if it
    is `imagenet224` or `tiny64`. `backend` names a reference package that draws instead:
    "imagecorruptions", which takes pictures from 32 x 32 pixels and has the table `imagenet224` only.
    Raises UnknownCorruptionError; UnknownBackendError, NotOfferedError, MissingBackendError (with the
    commands that install it) or BackendError for a backend; InvalidInputError for anything else.
    """
    entry = get(name)
    check_kind(entry, "image")
    level = check_severity(severity)
    pixels = check_image(image)
    reference = _offering(backend, name)
    if reference is not None:
        reference.check_profile(profile)
        drawn: NDArray[np.uint8] = reference.load().corrupt(pixels, name, level, rng)
        return drawn
    automatic = _profile(entry, pixels.shape[0], pixels.shape[1])
    if profile is None or (automatic == DEFAULT_PROFILE and profile in (IMAGENET224, TINY64)):
        profile = automatic
    return image_kernels()[name](pixels, entry.value(level, profile), rng)


def corrupt_text(
    text: str,
    name: str,
    severity: int,
    rng: np.random.Generator,
    *,
    protect: frozenset[str] | None = None,
    backend: str = NATIVE,
) -> str:
    """A corrupted copy of a text; what is not edited stays as it is, to the last blank.

    `severity` is 1 to 5. `protect` holds the words and word classes that stay untouched, whatever their
    case: None for the default list, `corruptions.PROTECTED`; an empty set protects template tokens only.
    A text without anything to edit comes back unchanged. Randomness comes from `rng` only. `backend`
    names a reference package that edits instead: "nlpaug", which also respaces what it does not edit
    (`corruptions.backends.nlpaug`).
    Raises UnknownCorruptionError; UnknownBackendError, NotOfferedError, MissingBackendError (with the
    commands that install it) or BackendError for a backend; InvalidInputError for anything else.
    """
    entry = get(name)
    check_kind(entry, "text")
    level = check_severity(severity)
    given = check_text(text)
    reference = _offering(backend, name)
    if reference is not None:
        edited: str = reference.load().corrupt(given, name, level, rng, protect)
        return edited
    return text_kernels()[name](given, entry.parameters[DEFAULT_PROFILE], level, rng, protect)


def image_view(
    image: NDArray[np.uint8],
    name: str,
    severity: int,
    *,
    seed: int,
    unit: str,
    profile: str | None = None,
    backend: str = NATIVE,
) -> NDArray[np.uint8]:
    """`corrupt_image` with the generator of this seed and unit: the same pixels whenever it is called."""
    rng = view_generator(seed, unit, name, check_severity(severity))
    return corrupt_image(image, name, severity, rng, profile=profile, backend=backend)


def text_view(
    text: str,
    name: str,
    severity: int,
    *,
    seed: int,
    unit: str,
    protect: frozenset[str] | None = None,
    backend: str = NATIVE,
) -> str:
    """`corrupt_text` with the generator of this seed and unit: the same text whenever it is called."""
    rng = view_generator(seed, unit, name, check_severity(severity))
    return corrupt_text(text, name, severity, rng, protect=protect, backend=backend)
