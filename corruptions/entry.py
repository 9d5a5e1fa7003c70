"""What the catalogue says about one corruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from corruptions.errors import InvalidInputError

__all__ = [
    "DEFAULT_PROFILE",
    "SEVERITIES",
    "TOPICS",
    "Corruption",
    "Kind",
    "Target",
    "Topic",
    "Value",
    "number",
    "pair",
    "several",
]

Kind = Literal["image", "text", "modality"]
Target = Literal["image", "text"]
Value = float | tuple[float, ...]
Topic = Literal["colour", "position", "count", "size", "text", "wording", "everything"]

TOPICS: tuple[Topic, ...] = get_args(Topic)
"""What an answer can hang on, and so what a corruption can make false.

colour: what colour something has, and which thing has it. position: where something is, in the picture or
beside another. count: how many there are, and whether there is one at all. size: how large it is. text: the
writing in the picture. wording: every word of the question and their order, as where it names a quality of
the thing ("a small circle") or says who does what to whom. everything: all of these.
"""

SEVERITIES = (1, 2, 3, 4, 5)
"""The severities of every corruption; 0 means clean and is never passed."""

DEFAULT_PROFILE = "default"
"""The one profile of corruptions whose parameters do not depend on the image's size."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """One catalogue entry: names, parameters and provenance, no code.

    Attributes:
        name: the name that calls it, lower_snake_case.
        kind: what it works on: the pixels, the characters, or a modality of the sample as a whole.
        target: the modality of the sample that is damaged.
        family: its group in reports (noise, blur, character, word, absence, mismatch and others).
        parameter: what the severity changes, with its unit.
        parameters: profile -> the parameter's five values, severities 1 to 5.
        source: where the definition comes from.
        doc: one line for a reader of the catalogue.
        version: raised whenever the output for a given seed changes; belongs in every cache key.
        nested: a lower severity's edits are contained in a higher one's, because the generator is
            seeded without the severity; or they go further along the same path.
        notes: what a reader of results must know: inputs that it leaves unchanged, severities that
            saturate or do not grow, answers that it can make wrong. Empty where there is nothing to say.
        falsifies: what it can make false, at some severity and with the default protection of words: the
            damaged sample shows or asks something else than the recorded answer says. To hide or to blur
            the evidence makes nothing false.
    """

    name: str
    kind: Kind
    target: Target
    family: str
    parameter: str
    parameters: Mapping[str, tuple[Value, ...]] = field(hash=False)
    source: str
    doc: str
    version: int = 1
    nested: bool = False
    notes: str = ""
    falsifies: tuple[Topic, ...] = ()

    def __post_init__(self) -> None:
        for profile, values in self.parameters.items():
            if len(values) != len(SEVERITIES):
                raise InvalidInputError(
                    f"{self.name}: profile {profile!r} has {len(values)} values; give one per severity 1-5"
                )
        unknown = [topic for topic in self.falsifies if topic not in TOPICS]
        if unknown:
            raise InvalidInputError(f"{self.name}: no topic {unknown[0]!r}; use one of: {', '.join(TOPICS)}")
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def __reduce__(self) -> tuple[Callable[..., Corruption], tuple[Any, ...]]:
        # A mapping proxy cannot be pickled, and workers receive entries by pickle.
        return Corruption, (
            self.name,
            self.kind,
            self.target,
            self.family,
            self.parameter,
            dict(self.parameters),
            self.source,
            self.doc,
            self.version,
            self.nested,
            self.notes,
            self.falsifies,
        )

    def value(self, severity: int, profile: str = DEFAULT_PROFILE) -> Value:
        """The parameter at a severity (1-5). InvalidInputError for a profile that it does not have."""
        try:
            values = self.parameters[profile]
        except KeyError:
            raise InvalidInputError(
                f"{self.name} has no profile {profile!r}; use one of: {', '.join(self.parameters)}"
            ) from None
        return values[severity - 1]

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain JSON-ready data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "target": self.target,
            "family": self.family,
            "parameter": self.parameter,
            "parameters": {
                profile: [list(v) if isinstance(v, tuple) else v for v in values]
                for profile, values in self.parameters.items()
            },
            "source": self.source,
            "doc": self.doc,
            "version": self.version,
            "nested": self.nested,
            "notes": self.notes,
            "falsifies": list(self.falsifies),
        }


def number(value: Value) -> float:
    """A parameter that is one number."""
    return value[0] if isinstance(value, tuple) else value


def pair(value: Value) -> tuple[float, float]:
    """A parameter that is two numbers."""
    first, second = value if isinstance(value, tuple) else (value, value)
    return first, second


def several(value: Value) -> tuple[float, ...]:
    """A parameter that is any number of numbers."""
    return value if isinstance(value, tuple) else (value,)
