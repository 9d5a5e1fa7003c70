"""The scores that a suite may name, each with the signature that enters every record's key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dmsbench.errors import UnknownNameError
from dmsbench.tasks import vqa, vqa_v2
from dmsbench.tasks.answer_parsing import PARSING_SIGNATURE, short_answer

__all__ = ["Scorer", "chance_under", "names", "scorer", "scorers"]

#: Added to the definition of chance under a score by which some answers are equal that differ in letters.
_BY_EQUALITY = ", by exact match"

ScoreFunction = Callable[[str, Sequence[str]], float]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A score of answers: what it is called, what identifies it, how it is computed."""

    name: str
    task: str
    #: Name, rules and version: records of another signature are never mixed in.
    signature: str
    description: str
    #: Of a prediction and its references, in [0, 1]. Raises ValueError without references.
    function: ScoreFunction
    #: Whether an answer that equals a reference may score less than 1. Chance, which data sets count by
    #: equality, says nothing about such a score.
    graded: bool = False


def _parsed(function: ScoreFunction) -> ScoreFunction:
    """The score of the short answer in a prediction."""
    return lambda prediction, references: function(short_answer(prediction), references)


_SCORERS = {
    entry.name: entry
    for entry in (
        Scorer(
            "exact_match",
            "vqa",
            vqa.EXACT_MATCH_SIGNATURE,
            "1 where the answer equals a reference after normalisation, else 0",
            vqa.exact_match,
        ),
        Scorer(
            "exact_match_parsed",
            "vqa",
            f"exact_match_parsed|{PARSING_SIGNATURE}|{vqa.EXACT_MATCH_SIGNATURE}",
            "exact_match of the short answer that is read from a sentence",
            _parsed(vqa.exact_match),
        ),
        Scorer(
            "vqa_v2_official",
            "vqa",
            vqa_v2.OFFICIAL_SIGNATURE,
            "VQA v2's accuracy over 10 references: 1, 2, 3, 4 or more matches give 0.3, 0.6, 0.9, 1",
            vqa_v2.official_accuracy,
            graded=True,
        ),
        Scorer(
            "vqa_v2_normalized",
            "vqa",
            vqa_v2.NORMALIZED_SIGNATURE,
            "1 where the answer equals a reference after VQA v2's processing of both, else 0",
            vqa_v2.normalized_match,
        ),
        Scorer(
            "vqa_v2_normalized_parsed",
            "vqa",
            f"vqa_v2_normalized_parsed|{PARSING_SIGNATURE}|{vqa_v2.NORMALIZED_SIGNATURE}",
            "vqa_v2_normalized of the short answer that is read from a sentence",
            _parsed(vqa_v2.normalized_match),
        ),
    )
}


def scorers(task: str | None = None) -> tuple[Scorer, ...]:
    """Every score, or those of a task."""
    return tuple(entry for entry in _SCORERS.values() if task in (None, entry.task))


def names(task: str | None = None) -> tuple[str, ...]:
    """The names of ``scorers``."""
    return tuple(entry.name for entry in scorers(task))


def scorer(name: str, task: str = "vqa") -> Scorer:
    """A task's score by name; raises UnknownNameError for one that the task does not have."""
    if name not in names(task):
        raise UnknownNameError("score", name, names(task))
    return _SCORERS[name]


def chance_under(score: Scorer, chance: dict[str, Any] | None) -> dict[str, Any] | None:
    """A data set's chance (``value``, ``definition``), counted by equality, under a score; None: unknown."""
    if chance is None or score.graded:
        return None
    definition = chance["definition"].removesuffix(_BY_EQUALITY)
    return chance | {"definition": definition + ("" if score.name == "exact_match" else _BY_EQUALITY)}
