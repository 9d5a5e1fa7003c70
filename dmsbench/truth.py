"""What a condition makes wrong: the samples that a suite leaves out of it.

A corruption that falsifies a topic (``corruptions.Corruption.falsifies``) leaves a sample that is about it
with a recorded answer that is no longer right. Such a sample is left out of every condition of that
corruption, at every severity: of a modality corruption, which hits a share of the samples, the samples that
are not hit too, and of a graded one the mild severities too. Else the severities of one curve would be
means over different samples.

Of retrieval a suite says which side of each search is corrupted. A query is left out too where a corruption
hits nothing there: of a search for damaged pictures by whole texts, what damages texts. What makes a query
false is judged by what is hit.
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
from dmsbench.suite import RetrievalConfig, Suite

#: What the default protection of words keeps true of a question; without it any edit can make it false.
SPARED: tuple[Topic, ...] = ("colour", "position", "count", "size")

#: Stands among topics for a query of retrieval in which a corruption hits nothing.
IDLE = "nothing to corrupt"


@dataclass(frozen=True, slots=True)
class Truth:
    """Which samples are left out under which views.

    ``included`` names corruptions that leave none out, ``unprotected`` corruptions of words that may touch
    what the default protection spares.
    """

    included: frozenset[str] = frozenset()
    unprotected: frozenset[str] = frozenset()
    #: Of retrieval: the side that is corrupted in each direction, and the groups whose item has a title.
    retrieval: RetrievalConfig | None = None
    titled: frozenset[str] = frozenset()

    @classmethod
    def of(cls, suite: Suite, samples: Iterable[Sample] = ()) -> Truth:
        """A suite's; of retrieval ``samples`` are all of the data set's."""
        titled = (
            sample.group
            for sample in samples
            if sample.direction == "image_to_text" and sample.fault is None and sample.context is not None
        )
        return cls(frozenset(suite.include_false), suite.unprotected, suite.retrieval, frozenset(titled))

    def falsifies(self, corruption: str) -> tuple[Topic, ...]:
        """What the corruption can make false, as the suite sets it."""
        own = corruptions.get(corruption).falsifies
        return tuple(dict.fromkeys((*own, *SPARED))) if corruption in self.unprotected else own

    def false_topics(self, sample: Sample, corruption: str) -> tuple[Topic, ...]:
        """What of the sample's own topics the corruption makes false; ``everything`` matches any topic.

        A sample that declares no topic (``about`` None or empty) is left with what makes everything false.
        Edits of words make nothing false where they hit a context, or a title alone: the question stays what
        it was. What hits nothing makes nothing false.
        """
        if self._idle(sample, corruption) is not None:
            return ()
        entry, falsifies = corruptions.get(corruption), self.falsifies(corruption)
        if "everything" in falsifies:
            return ("everything",)
        if entry.kind == "text" and self._beside(sample):
            return ()
        about = sample.about or ()
        return falsifies if "everything" in about else tuple(topic for topic in falsifies if topic in about)

    def concerns(self, view: View) -> bool:
        """Whether a sample could be left out under this view."""
        if view.is_clean:
            return False
        return self.retrieval is not None or self._can_falsify(view.corruption)

    def _can_falsify(self, corruption: str) -> bool:
        return corruption not in self.included and bool(self.falsifies(corruption))

    def _hit(self, direction: str) -> tuple[bool, bool]:
        """Whether items, their pictures and titles, and whether texts are corrupted in a direction."""
        side = None if self.retrieval is None else self.retrieval.side(direction)
        queries, candidates = side in ("query", "both"), side in ("gallery", "both")
        return (queries, candidates) if direction == "image_to_text" else (candidates, queries)

    def _beside(self, sample: Sample) -> bool:
        """Whether what a corruption of words hits stands beside what is asked."""
        if self.retrieval is None or sample.direction is None:
            return sample.context is not None
        return not self._hit(sample.direction)[1]

    def _idle(self, sample: Sample, corruption: str) -> str | None:
        """Why the corruption hits nothing in a query of retrieval, None where it hits something."""
        if self.retrieval is None or sample.direction is None:
            return None
        items, texts = self._hit(sample.direction)
        on_image = corruptions.get(corruption).target == "image"
        if items if on_image else texts or (items and sample.group in self.titled):
            return None
        untitled = ", and the item has no title" if items else ""
        side = self.retrieval.side(sample.direction)
        return f"{corruption} hits nothing: of {sample.direction} the {side} is corrupted{untitled}"

    def _why(self, sample: Sample, corruption: str) -> tuple[str | None, tuple[str, ...]]:
        """Why a sound sample is left out under a corruption, in a sentence and in words."""
        idle = self._idle(sample, corruption)
        if idle is not None:
            return idle, (IDLE,)
        topics = self.false_topics(sample, corruption) if self._can_falsify(corruption) else ()
        return (f"{corruption} makes {' and '.join(topics)} false" if topics else None), topics

    def reason(self, sample: Sample, *views: View) -> str | None:
        """Why the sample is left out under these views (``hue_shift makes colour false``), None if it is not.

        A sample with a fault is not left out: it is an error under every condition, and counted as one.
        """
        if sample.fault is not None:
            return None
        found = (self._why(sample, view.corruption)[0] for view in views if self.concerns(view))
        return "; ".join(filter(None, found)) or None

    def words(self, sample: Sample, *views: View) -> tuple[str, ...]:
        """``reason`` in words: the topics that are made false, or that there is nothing to corrupt."""
        found = (self._why(sample, view.corruption)[1] for view in views if self.concerns(view))
        return tuple(dict.fromkeys(word for own in found for word in own))


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
    #: What is made false, and ``IDLE`` where there is nothing to corrupt.
    topics: tuple[str, ...]


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
        topics = dict.fromkeys(topic for sample in lost for topic in truth.words(sample, *concerned))
        if lost:
            found.append(LeftOut(name, len(lost), tuple(topics)))
    return found
