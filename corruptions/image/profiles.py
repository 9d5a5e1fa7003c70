"""Severity tables by name: which one a profile means for a picture of some size."""

from __future__ import annotations

from corruptions.entry import DEFAULT_PROFILE, Corruption

__all__ = [
    "CALIBRATED",
    "CALIBRATED64",
    "CALIBRATED224",
    "IMAGENET224",
    "LARGE",
    "PROFILES",
    "SMALL",
    "SMALL_SIDE",
    "SMALL_TABLES",
    "TINY64",
    "table_of",
]

IMAGENET224 = "imagenet224"
TINY64 = "tiny64"
CALIBRATED = "calibrated"
"""The profile of evenly growing severities: `calibrated224` or `calibrated64` by the picture's size."""
CALIBRATED224 = "calibrated224"
CALIBRATED64 = "calibrated64"

PROFILES = (IMAGENET224, TINY64, CALIBRATED)
"""The profiles that may be asked for; without one, size decides between the published two."""

SMALL_SIDE = 128
"""Pictures whose shorter side has fewer pixels are small: `tiny64`, `calibrated64`."""

LARGE, SMALL = "large", "small"
SMALL_TABLES = (TINY64, CALIBRATED64)


def table_of(entry: Corruption, height: int, width: int, profile: str | None = None) -> str:
    """The severity table of an image corruption for a picture of this size, in pixels, under a profile.

    A name that is no profile is taken for a table's and returned as it is. Entries with one table use it
    whatever the profile.
    """
    if DEFAULT_PROFILE in entry.parameters and profile in (None, *PROFILES, CALIBRATED224, CALIBRATED64):
        return DEFAULT_PROFILE
    small = min(height, width) < SMALL_SIDE
    if profile == CALIBRATED:
        return CALIBRATED64 if small else CALIBRATED224
    if profile is None:
        return TINY64 if small else IMAGENET224
    return profile
