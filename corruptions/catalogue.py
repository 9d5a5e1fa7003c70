"""Every corruption by name: those of this package, and what other packages offer (`plugins`)."""

from __future__ import annotations

from corruptions.entry import DEFAULT_PROFILE, Corruption, Kind, Target
from corruptions.errors import InvalidInputError, UnknownCorruptionError
from corruptions.image.entries import ENTRIES as IMAGE_ENTRIES
from corruptions.image.entries_geometry import ENTRIES as GEOMETRY_ENTRIES
from corruptions.image.entries_lens import ENTRIES as LENS_ENTRIES
from corruptions.image.entries_more import ENTRIES as MORE_IMAGE_ENTRIES
from corruptions.image.entries_scene import ENTRIES as SCENE_ENTRIES
from corruptions.image.entries_sensor import ENTRIES as SENSOR_ENTRIES
from corruptions.image.entries_tone import ENTRIES as TONE_ENTRIES
from corruptions.plugins import definition, offered
from corruptions.text.entries import ENTRIES as TEXT_ENTRIES

__all__ = ["Corruption", "catalogue", "get", "is_known", "names", "version_of"]


def _modality(name: str, target: Target, family: str, doc: str, *, wrong: bool = False) -> Corruption:
    return Corruption(
        name=name,
        kind="modality",
        target=target,
        family=family,
        parameter="share of the samples hit",
        parameters={DEFAULT_PROFILE: (0.2, 0.4, 0.6, 0.8, 1.0)},
        source="this package",
        doc=doc,
        nested=True,
        notes=_WRONG_ANSWER if wrong else "",
        falsifies=("everything",) if wrong else (),
    )


_WRONG_ANSWER = (
    "The sample's own answer is about what it no longer shows: a mismatch is not meant to be solved."
)


_ENTRIES = (
    *IMAGE_ENTRIES,
    *MORE_IMAGE_ENTRIES,
    *GEOMETRY_ENTRIES,
    *TONE_ENTRIES,
    *SENSOR_ENTRIES,
    *LENS_ENTRIES,
    *SCENE_ENTRIES,
    *TEXT_ENTRIES,
    _modality("drop_image", "image", "absence", "The image is missing."),
    _modality("drop_text", "text", "absence", "The text is missing."),
    _modality("blank_black", "image", "blank", "The image is black, in its own size."),
    _modality("blank_mean", "image", "blank", "The image is its own mean colour throughout."),
    _modality("blank_noise", "image", "blank", "The image is uniform noise, in its own size."),
    _modality("mask_text", "text", "blank", "Every word of the text reads [MASK]; the layout stays."),
    _modality("mismatch", "image", "mismatch", "The image is that of another sample.", wrong=True),
    _modality(
        "mismatch_image",
        "image",
        "mismatch",
        "The image is that of another sample: mismatch under its full name, the same hits and donors.",
        wrong=True,
    ),
    _modality("mismatch_text", "text", "mismatch", "The text is that of another sample.", wrong=True),
)
_BY_NAME = {entry.name: entry for entry in _ENTRIES}


def catalogue() -> tuple[Corruption, ...]:
    """This package's corruptions: images, then texts, then modalities, each family together."""
    return _ENTRIES


def get(name: str) -> Corruption:
    """The corruption of this name, of this package or else of another that offers it.

    UnknownCorruptionError, with the nearest names, if there is none; PluginError where the other package
    cannot be loaded. This package's own are never replaced.
    """
    try:
        return _BY_NAME[name]
    except (KeyError, TypeError):
        found = definition(name) if isinstance(name, str) else None
    if found is None:
        raise UnknownCorruptionError(name, (*_BY_NAME, *offered()))
    return found[1].entry


def is_known(name: str) -> bool:
    """Whether there is a corruption of this name, here or in another package, which is not imported."""
    return name in _BY_NAME or name in offered()


def version_of(name: str) -> int | str:
    """What belongs in every cache key of a corruption; of another package's with that and its version.

    `1`; `1 of dmsbench-extras 1.0`. Errors as those of `get`.
    """
    entry = get(name)
    if name in _BY_NAME:
        return entry.version
    return f"{entry.version} of {offered()[name].title}"


def names(kind: Kind | None = None) -> tuple[str, ...]:
    """The catalogue's names in its order, all or those of one kind. InvalidInputError for an unknown kind."""
    if kind not in (None, "image", "text", "modality"):
        raise InvalidInputError(f"unknown kind {kind!r}; use image, text or modality")
    return tuple(entry.name for entry in _ENTRIES if kind is None or entry.kind == kind)
