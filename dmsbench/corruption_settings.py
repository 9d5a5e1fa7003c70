"""What a suite sets for single corruptions: who draws them, their severity table, the words they spare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

import corruptions
from corruptions import CONTRACTED_NOT, NATIVE, NUMERALS, OPTION_LETTERS, PROTECTED, did_you_mean
from corruptions.image.profiles import CALIBRATED, CALIBRATED224

#: In `protect`: all words and classes of `corruptions.PROTECTED`.
DEFAULT = "default"
#: As a profile: the table that suits the picture's size.
AUTO = "auto"
_CLASSES = (NUMERALS, OPTION_LETTERS, CONTRACTED_NOT)


def _words(value: object) -> object:
    """``default`` or a list of words and classes, as a tuple; ValueError for anything else."""
    if isinstance(value, str) and value.casefold() == DEFAULT:
        return (DEFAULT,)
    if not isinstance(value, list | tuple):
        raise ValueError(f"use '{DEFAULT}' or a list of words, such as [{DEFAULT}, circle] or []")
    for word in value:
        if not isinstance(word, str):
            raise ValueError(
                f"{word!r} is not a word; quote what YAML reads otherwise, such as 'no' and '{NUMERALS}'"
            )
        if not word or word.split() != [word]:
            raise ValueError(f"'{word}' is not one word; give each word by itself")
        if word.startswith("#") and word not in _CLASSES:
            raise ValueError(f"unknown class '{word}': known: {', '.join(_CLASSES)}")
    # Case does not count in words, so it does not in this one: `Default` must not lose the whole list.
    return tuple(dict.fromkeys(DEFAULT if word.casefold() == DEFAULT else word for word in value))


Protect = Annotated[tuple[str, ...], BeforeValidator(_words)]


class CorruptionSettings(BaseModel):
    """``backend`` draws the corruption, ``profile`` is its severity table, ``protect`` what it spares.

    None stands for the suite's own ``profile`` and ``protect``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: str = NATIVE
    profile: str | None = None
    protect: Protect | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """How the views of a corruption are made, suite and settings taken together.

    ``profile`` None goes by the picture's size, ``protect`` None is the default.
    """

    backend: str = NATIVE
    profile: str | None = None
    protect: frozenset[str] | None = None


def plain(profile: str) -> Applied:
    """What holds where a suite sets nothing but its profile."""
    return Applied(profile=None if profile == AUTO else profile)


def applied(name: str, own: CorruptionSettings, profile: str, protect: tuple[str, ...]) -> Applied:
    """What holds for a corruption under a suite's ``profile`` and ``protect``."""
    spared = protect if own.protect is None else own.protect
    backend = corruptions.get_backend(own.backend)
    return Applied(
        own.backend,
        # A reference package has one table, whatever the picture's size.
        plain(own.profile or profile).profile if backend is None else None,
        _protected(spared) if corruptions.get(name).kind == "text" else None,
    )


def differing(
    own: CorruptionSettings, how: Applied, profile: str, protect: tuple[str, ...]
) -> dict[str, Any]:
    """What decides the views of a corruption beyond the suite's profile; empty where nothing else does.

    Belongs in the key of every record. Raises MissingBackendError: a backend counts with its version.
    """
    found: dict[str, Any] = {}
    if how.backend != NATIVE:
        found["backend"] = corruptions.backend_version(how.backend)
    elif own.profile not in (None, profile):
        found["profile"] = own.profile
    if how.protect is not None:
        found["protect"] = sorted(_folded(protect if own.protect is None else own.protect))
    return found


def in_words(found: Mapping[str, Any]) -> str:
    """What `differing` found, for a reader: ``backend nlpaug 1.1.11; protect circle, default``."""
    parts = []
    for key, value in found.items():
        words = value if isinstance(value, str) else ", ".join(value) or "nothing"
        parts.append(f"{key} {words}")
    return "; ".join(parts) or "nothing set"


def check(settings: Mapping[str, CorruptionSettings], held: Iterable[str], profile: str) -> None:
    """ValueError where a suite that holds these corruptions cannot set this."""
    known = tuple(held)
    for name, own in settings.items():
        if name not in known:
            near = did_you_mean(name, known)
            hint = f"did you mean '{near[0]}'?" if near else f"it holds {', '.join(known) or 'none'}"
            raise ValueError(f"'{name}' is not in the grid: {hint}")
        try:
            _check_one(corruptions.get(name), own, profile)
        except corruptions.CorruptionError as error:
            raise ValueError(f"{name}: {error}") from None


def _check_one(entry: corruptions.Corruption, own: CorruptionSettings, profile: str) -> None:
    if entry.kind == "modality":
        raise ValueError(f"'{entry.name}' is a corruption of kind modality, which has no settings")
    if own.protect is not None and entry.kind != "text":
        raise ValueError(
            f"{entry.name}: 'protect' belongs to text, and this corruption is of kind {entry.kind}"
        )
    if own.profile is not None and entry.kind != "image":
        raise ValueError(
            f"{entry.name}: 'profile' belongs to images, and this corruption is of kind {entry.kind}"
        )
    backend = corruptions.get_backend(own.backend)
    if backend is not None:
        backend.check_offers(entry.name)
        if entry.kind == "image":
            asked = own.profile or profile
            backend.check_profile(None if asked == AUTO else asked)
        return
    tables = (AUTO, *entry.parameters, *((CALIBRATED,) if CALIBRATED224 in entry.parameters else ()))
    if own.profile is not None and own.profile not in tables:
        near = did_you_mean(own.profile, tables)
        hint = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(tables)}"
        raise ValueError(f"{entry.name}: no profile '{own.profile}': {hint}")


def _protected(words: tuple[str, ...]) -> frozenset[str] | None:
    found = _folded(words) - {DEFAULT}
    if DEFAULT in words:
        found |= PROTECTED
    return None if found == PROTECTED else found


def _folded(words: tuple[str, ...]) -> frozenset[str]:
    # Case does not count in what a corruption spares.
    return frozenset(word.casefold() for word in words)
