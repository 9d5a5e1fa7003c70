"""What a condition makes wrong: the samples that a suite leaves out of it.

A corruption that falsifies a topic (``corruptions.Corruption.falsifies``) leaves a sample that is about it
with a recorded answer that is no longer right. Such a sample is left out of every condition of that
corruption, at every severity: of a modality corruption, which hits a share of the samples, the samples that
are not hit too, and of a graded one the mild severities too. Else the severities of one curve would be
means over different samples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import corruptions
from corruptions import Topic
from dmsbench.corruption_settings import in_words
from dmsbench.data.base import Sample
from dmsbench.grid import Condition, View
from dmsbench.suite import Suite

#: What the default protection of words keeps true of a question; without it any edit can make it false.
SPARED: tuple[Topic, ...] = ("colour", "position", "count", "size")


@dataclass(frozen=True, slots=True)
class Truth:
    """Which samples are left out under which views.

    ``included`` names corruptions that leave none out, ``unprotected`` corruptions of words that may touch
    what the default protection spares.
    """

    included: frozenset[str] = frozenset()
    unprotected: frozenset[str] = frozenset()

    @classmethod
    def of(cls, suite: Suite) -> Truth:
        """A suite's."""
        return cls(frozenset(suite.include_false), suite.unprotected)

    def falsifies(self, corruption: str) -> tuple[Topic, ...]:
        """What the corruption can make false, as the suite sets it."""
        own = corruptions.get(corruption).falsifies
        return tuple(dict.fromkeys((*own, *SPARED))) if corruption in self.unprotected else own

    def false_topics(self, sample: Sample, corruption: str) -> tuple[Topic, ...]:
        """What of the sample's own topics the corruption makes false; ``everything`` matches any topic.

        A sample that declares no topic (``about`` None or empty) is left with what makes everything false.
        Edits of words make nothing false where they hit a context: the question stays what it was.
        """
        entry, falsifies = corruptions.get(corruption), self.falsifies(corruption)
        if "everything" in falsifies:
            return ("everything",)
        if entry.kind == "text" and sample.context is not None:
            return ()
        about = sample.about or ()
        return falsifies if "everything" in about else tuple(topic for topic in falsifies if topic in about)

    def concerns(self, view: View) -> bool:
        """Whether a sample could be left out under this view."""
        return (
            not view.is_clean
            and view.corruption not in self.included
            and bool(self.falsifies(view.corruption))
        )

    def reason(self, sample: Sample, *views: View) -> str | None:
        """Why the sample is left out under these views (``hue_shift makes colour false``), None if it is not.

        A sample with a fault is not left out: it is an error under every condition, and counted as one.
        """
        if sample.fault is not None:
            return None
        found = []
        for view in filter(self.concerns, views):
            topics = self.false_topics(sample, view.corruption)
            if topics:
                found.append(f"{view.corruption} makes {' and '.join(topics)} false")
        return "; ".join(found) or None


def told(manifest: Mapping[str, Any]) -> list[str]:
    """What a run left out, what it asked though it is false and what it set, from its manifest; a line each.

    ``left out: hue_shift 412 of 1,200 samples (colour)``; ``included though it makes answers wrong:
    mismatch``; ``set for keyboard: protect nothing``.
    """
    found = [LeftOut(**{**entry, "topics": tuple(entry["topics"])}) for entry in manifest.get("left_out", ())]
    return lines(
        found,
        manifest.get("included_though_false", ()),
        manifest["identity"].get("settings", {}),
        manifest["dataset"]["samples"],
    )


def lines(
    found: Iterable[LeftOut],
    included: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    samples: int,
) -> list[str]:
    """As ``told``, of so many samples in all; ``settings`` as ``Suite.differing`` gives them."""
    shown = [
        f"left out: {entry.corruption} {entry.samples:,} of {samples:,} samples ({', '.join(entry.topics)})"
        + ("; in no mean" if entry.samples == samples else "")
        for entry in found
    ]
    if included:
        they = "it makes" if len(included) == 1 else "they make"
        shown.append(f"included though {they} answers wrong: {', '.join(included)}")
    return shown + [f"set for {name}: {in_words(made)}" for name, made in settings.items()]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many samples a corruption (``hue_shift``, ``flip_h+word_swap``) is not applied to, and why."""

    corruption: str
    samples: int
    topics: tuple[Topic, ...]


def included_though_false(truth: Truth, samples: Collection[Sample]) -> list[str]:
    """The included corruptions that make the answer of at least one sample wrong."""
    return sorted(
        name
        for name in truth.included
        if any(sample.fault is None and truth.false_topics(sample, name) for sample in samples)
    )


def left_out(truth: Truth, samples: Collection[Sample], conditions: Iterable[Condition]) -> list[LeftOut]:
    """Every corruption of the grid that leaves something out, in the grid's order."""
    # Equal for all severities, so any condition of a corruption will do.
    views = {c.corruption: list(filter(truth.concerns, (c.image, c.text))) for c in conditions}
    found = []
    for name, concerned in views.items():
        lost = [sample for sample in samples if truth.reason(sample, *concerned) is not None]
        topics = dict.fromkeys(
            topic
            for sample in lost
            for view in concerned
            for topic in truth.false_topics(sample, view.corruption)
        )
        if lost:
            found.append(LeftOut(name, len(lost), tuple(topics)))
    return found
