"""Simulated corruption for fitting: what is damaged, how, and what is kept out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import corruptions
from dmsbench.data.base import Dataset, Sample
from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.families import every_name, family_members
from dmsbench.fusion.objective import unit_hash
from dmsbench.grid import Condition, View
from dmsbench.suite import Suite
from dmsbench.truth import Truth

#: Kinds of damage that are fitted on where no corruption is named: what is damaged, and a family of the
#: catalogue. Of images noise, cover and tone; of texts characters, words, and all of it blanked or another's.
DAMAGE = (
    ("image", "noise"),
    ("image", "occlusion"),
    ("image", "colour"),
    ("text", "character"),
    ("text", "word"),
    ("text", "blank"),
    ("text", "mismatch"),
)


def _first(target: str, family: str) -> str:
    return next(one.name for one in corruptions.catalogue() if (one.target, one.family) == (target, family))


#: Of each kind of damage the catalogue's first corruption: a rule, so that no score chooses among them.
FAMILIES = tuple(_first(target, family) for target, family in DAMAGE)
#: What exchanges one modality for another sample's.
MISMATCHES = ("mismatch", "mismatch_text")
#: What leaves a sample one modality.
ABSENT = ("drop_image", "drop_text")
SEVERITIES = (1, 2, 3, 4, 5)
#: How often each image is drawn, under a condition of its own each time.
DRAWS = 2


def reserved(held_out: Sequence[str]) -> tuple[str, ...]:
    """The corruptions that these names hold out: each is one, or a whole family such as ``image:noise``.

    One that has two names is held out under both.
    Raises UnknownNameError for a name that is neither.
    """
    whole = family_members()
    found: list[str] = []
    for name in held_out:
        if name not in whole and not corruptions.is_known(name):
            without_target = [family for family in whole if family.endswith(f":{name}")]
            known = without_target or [*corruptions.names(), *corruptions.offered(), *whole]
            raise UnknownNameError("corruption or family", name, known)
        found += whole.get(name) or every_name(name)
    return tuple(dict.fromkeys(found))


def chosen_families(named: Sequence[str], held_out: Sequence[str]) -> tuple[str, ...]:
    """The corruptions to fit on: those named, else ``FAMILIES``, without those held out for testing.

    What is held out is named as ``reserved`` takes it. Raises UnknownNameError for a name that is no
    corruption; DmsbenchError where one is both named and held out, where it drops a modality (nothing is left
    to schedule), or where nothing is left.
    """
    for name in named:
        if not corruptions.is_known(name):
            raise UnknownNameError("corruption", name, (*corruptions.names(), *corruptions.offered()))
    held_out = reserved(held_out)
    both = [name for name in named if name in held_out]
    if both:
        raise DmsbenchError(f"'{both[0]}' is held out for testing: it cannot be fitted on")
    absent = [name for name in named if name in ABSENT]
    if absent:
        raise DmsbenchError(f"'{absent[0]}' leaves one modality: there is nothing to fit")
    found = tuple(name for name in dict.fromkeys(named or FAMILIES) if name not in held_out)
    if not found:
        raise DmsbenchError("every corruption is held out: nothing is left to fit on")
    return found


@dataclass(frozen=True, slots=True)
class Draw:
    """An image's samples under one condition."""

    group: str
    number: int
    condition: Condition
    samples: tuple[Sample, ...]


def simulating(suite: Suite, families: Sequence[str]) -> Suite:
    """The suite with these corruptions as its grid, made as the suite sets them (profile, protection)."""
    data = suite.model_dump(mode="python")
    data["grid"] = {
        kind: tuple(name for name in families if corruptions.get(name).kind == kind)
        for kind in ("image", "text", "modality")
    }
    data["include_false"] = ()
    data["settings"] = {name: own for name, own in data["settings"].items() if name in families}
    return Suite.model_validate(data)


def draws(
    samples: Iterable[Sample],
    families: Sequence[str],
    seed: int,
    times: int = DRAWS,
    unprotected: frozenset[str] = frozenset(),
) -> list[Draw]:
    """Every image so many times, each under clean or a family (all equally likely) at a random severity.

    A draw depends on the image's name and the seed alone. A draw keeps the samples that can be asked and
    whose answer the corruption leaves true; a draw that keeps none is left out. What is mismatched is asked
    only of samples with a context, of which the other half still tells the truth. ``unprotected``: text
    corruptions that spare no words.
    """
    truth = Truth(frozenset(MISMATCHES), unprotected)
    members: dict[str, list[Sample]] = {}
    for sample in samples:
        members.setdefault(sample.group, []).append(sample)
    found = []
    for group, asked in members.items():
        for number in range(times):
            condition = _condition(f"{seed}/{number}/{group}", families)
            kept = tuple(
                sample
                for sample in asked
                if sample.fault is None
                and truth.reason(sample, condition.image, condition.text) is None
                and (condition.corruption not in MISMATCHES or sample.context is not None)
            )
            if kept:
                found.append(Draw(group, number, condition, kept))
    return found


def _condition(name: str, families: Sequence[str]) -> Condition:
    choice = int(unit_hash(f"family/{name}") * (len(families) + 1))
    if choice == len(families):
        return Condition()
    severity = SEVERITIES[int(unit_hash(f"severity/{name}") * len(SEVERITIES))]
    view = View(families[choice], severity)
    on_image = corruptions.get(families[choice]).target == "image"
    return Condition(image=view) if on_image else Condition(text=view)


def taken(dataset: Dataset, limit: int | None) -> tuple[Sample, ...]:
    """The first ``limit`` samples, whole images together as the data set has them."""
    return dataset.samples[:limit]
