"""Reproducible image, text and modality corruptions.

>>> from corruptions import text_view
>>> text_view("Is there a red circle?", "keyboard", 1, seed=0, unit="sample-1")
'Us there a red circle?'

Every draw is a function of (seed, unit, corruption, severity): the same sample gets the same corruption
under any order, batch size, number of workers or subset. NumPy, Pillow and OpenCV only.

pytest need not look for asserts here, nor warn that this was imported before it: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

from corruptions.apply import SMALL_SIDE, corrupt_image, corrupt_text, image_view, profile_of, text_view
from corruptions.backends import NATIVE, Backend, backend_names, backend_version, get_backend
from corruptions.batch import corrupt_images
from corruptions.catalogue import catalogue, get, is_known, names, version_of
from corruptions.distance import Distance, distances, flags, growth_measure
from corruptions.entry import DEFAULT_PROFILE, SEVERITIES, TOPICS, Corruption, Topic
from corruptions.errors import (
    BackendError,
    CorruptionError,
    InvalidInputError,
    MissingBackendError,
    NotOfferedError,
    PluginError,
    UnknownBackendError,
    UnknownCorruptionError,
    did_you_mean,
)
from corruptions.image.convert import as_rgb
from corruptions.modality import blank_image, derangement, is_hit, masked_text
from corruptions.plugins import Definition, offered
from corruptions.seeding import generator, key, uniform, view_generator
from corruptions.text.protect import CONTRACTED_NOT, NUMERALS, OPTION_LETTERS, PROTECTED

__all__ = [
    "CONTRACTED_NOT",
    "DEFAULT_PROFILE",
    "NATIVE",
    "NUMERALS",
    "OPTION_LETTERS",
    "PROTECTED",
    "SEVERITIES",
    "SMALL_SIDE",
    "TOPICS",
    "Backend",
    "BackendError",
    "Corruption",
    "CorruptionError",
    "Definition",
    "Distance",
    "InvalidInputError",
    "MissingBackendError",
    "NotOfferedError",
    "PluginError",
    "Topic",
    "UnknownBackendError",
    "UnknownCorruptionError",
    "as_rgb",
    "backend_names",
    "backend_version",
    "blank_image",
    "catalogue",
    "corrupt_image",
    "corrupt_images",
    "corrupt_text",
    "derangement",
    "did_you_mean",
    "distances",
    "flags",
    "generator",
    "get",
    "get_backend",
    "growth_measure",
    "image_view",
    "is_hit",
    "is_known",
    "key",
    "masked_text",
    "names",
    "offered",
    "profile_of",
    "text_view",
    "uniform",
    "version_of",
    "view_generator",
]
