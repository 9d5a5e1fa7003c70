"""Corrupt one image or one text."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from corruptions.backends import NATIVE, Backend, get_backend
from corruptions.catalogue import get
from corruptions.entry import DEFAULT_PROFILE
from corruptions.image import UNSEEDED
from corruptions.image import kernels as image_kernels
from corruptions.image.profiles import SMALL_SIDE, table_of
from corruptions.plugins import corrupted_image, corrupted_text
from corruptions.seeding import borrowed_generator, check_fields
from corruptions.text import kernels as text_kernels
from corruptions.validation import check_image, check_kind, check_severity, check_text

__all__ = ["SMALL_SIDE", "corrupt_image", "corrupt_text", "image_view", "profile_of", "text_view"]

# A kernel that draws from it after all fails at once.
_NONE = cast(np.random.Generator, None)


def profile_of(name: str, height: int, width: int, *, profile: str | None = None) -> str:
    """The severity table that an image corruption uses for a picture of this size, in pixels.

    Without a profile `tiny64` if the shorter side is under 128, else `imagenet224`; under `calibrated`
    likewise `calibrated64` or `calibrated224`; `default` for corruptions whose parameters do not depend on
    the size. InvalidInputError for a profile that it does not have.
    """
    entry = get(name)
    check_kind(entry, "image")
    table = table_of(entry, height, width, profile)
    entry.value(1, table)  # a name that is no table is an error here already
    return table


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

    `image` is uint8 of shape (H, W, 3), any H and W from 1 (up to 16,384 for fog and frost, 65,500 for
    JPEG); it is not changed. The result has the same shape and type and is writable. `severity` is 1 to 5.
    Randomness comes from `rng` only. `profile` is `imagenet224`, `tiny64` or `calibrated`, by default what
    `profile_of` says; corruptions with one table use that under any of them. `backend` names a reference
    package that draws instead: "imagecorruptions", which takes pictures from 32 x 32 pixels and has the
    table `imagenet224` only, under none of the other names.
    Raises UnknownCorruptionError; UnknownBackendError, NotOfferedError, MissingBackendError (with the
    commands that install it) or BackendError for a backend; PluginError for another package's corruption
    that fails; InvalidInputError for anything else.
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
    table = table_of(entry, pixels.shape[0], pixels.shape[1], profile)
    kernel = image_kernels().get(name)
    if kernel is None:
        return corrupted_image(name, pixels, entry.value(level, table), rng)
    return kernel(pixels, entry.value(level, table), rng)


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
    commands that install it) or BackendError for a backend; PluginError for another package's corruption
    that fails; InvalidInputError for anything else.
    """
    entry = get(name)
    check_kind(entry, "text")
    level = check_severity(severity)
    given = check_text(text)
    reference = _offering(backend, name)
    if reference is not None:
        edited: str = reference.load().corrupt(given, name, level, rng, protect)
        return edited
    kernel = text_kernels().get(name)
    if kernel is None:
        return corrupted_text(name, given, entry.parameters[DEFAULT_PROFILE], level, rng, protect)
    return kernel(given, entry.parameters[DEFAULT_PROFILE], level, rng, protect)


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
    level = check_severity(severity)
    if backend != NATIVE or name not in UNSEEDED:
        rng = borrowed_generator(seed, unit, name, level)
    else:
        check_fields(seed, unit)
        rng = _NONE
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
    rng = borrowed_generator(seed, unit, name, check_severity(severity))
    return corrupt_text(text, name, severity, rng, protect=protect, backend=backend)
