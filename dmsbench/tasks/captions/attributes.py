"""How much of a scene a caption tells, and how much of what it tells is so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dmsbench.tasks.captions.assignment import largest_sum
from dmsbench.tasks.captions.signatures import signed
from dmsbench.tasks.captions.things import ATTRIBUTES, Said, things_said


@dataclass(frozen=True, slots=True)
class AttributeScore:
    """Claims of a caption that are right, all that it makes, and all that its reference makes."""

    right: int
    claimed: int
    true: int

    @property
    def precision(self) -> float:
        """The share of the claims that is right, in [0, 1]; 0 where there is none."""
        return self.right / self.claimed if self.claimed else 0.0

    @property
    def recall(self) -> float:
        """The share of the reference's claims that the caption makes, in [0, 1]; 0 where there is none."""
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both, in [0, 1]; 1 where the caption says everything and nothing wrong."""
        both = self.claimed + self.true
        return 2 * self.right / both if both else 0.0


def attribute_score(prediction: str, references: Sequence[str]) -> AttributeScore:
    """What a caption of a scene gets right, against the reference where F1 is highest.

    Every thing named makes up to four claims: shape, colour, size, place. The caption's things are paired
    with the reference's, each at most once, so that most claims are right; a claim is right where the paired
    thing has that attribute. A thing too many, or named twice, has wrong claims alone; so has a place that is
    told by half. The reference is taken to say all: what it leaves out cannot be right. A caption or
    reference that names nothing scores 0. A further reference never lowers F1. Raises ValueError without
    references.

    A guess is worth something, since any thing pairs with any: compare with what a constant caption gets.
    """
    if not references:
        raise ValueError("no reference captions")
    said = things_said(prediction)
    return max((_against(said, things_said(reference)) for reference in references), key=lambda s: s.f1)


def _against(said: tuple[Said, ...], known: tuple[Said, ...]) -> AttributeScore:
    return AttributeScore(
        largest_sum([[thing.agreements(other) for other in known] for thing in said]),
        sum(thing.claims for thing in said),
        sum(thing.claims for thing in known),
    )


def signature(references: int | None) -> str:
    """Says how it is computed; ``references`` a caption, None where their number varies."""
    return signed("attributes_f1", references, tok="scene_words:2", claims=",".join(ATTRIBUTES), best="f1")
