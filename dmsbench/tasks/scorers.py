"""The scores that a suite may name, each with the signature that enters every record's key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from dmsbench.errors import UnknownNameError
from dmsbench.plugins import SCORES, offered
from dmsbench.tasks import retrieval, vqa, vqa_v2
from dmsbench.tasks.answer_parsing import PARSING_SIGNATURE, short_answer
from dmsbench.tasks.base import Task
from dmsbench.tasks.captions import attributes, bleu, chrf, rouge
from dmsbench.tasks.captions.cider import HIGHEST, CiderD
from dmsbench.tasks.captions.signatures import VERSION
from dmsbench.tasks.captions.tokens import tokenise

__all__ = ["ScoreFunction", "Scorer", "chance_under", "is_builtin", "names", "scorer", "scorers"]

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
    #: Makes function and signature from a whole split, each image's references once; None: needs no split.
    of_split: Callable[[Sequence[Sequence[str]]], tuple[ScoreFunction, str]] | None = None
    #: Of retrieval: the score of a rank, counted from 1, in place of ``function``.
    of_rank: Callable[[int], float] | None = None
    #: Of retrieval: what a random order scores, of a gallery's size and how many in it are right.
    of_chance: Callable[[int, int], float] | None = None

    def on(self, images: Sequence[Sequence[str]]) -> Scorer:
        """The score with what it takes from a whole split: ``images`` has each image's references, once.

        Under every condition and any limit it is then the same score. Raises ValueError where the split holds
        too little for it.
        """
        if self.of_split is None:
            return self
        function, signature = self.of_split(images)
        return replace(self, function=function, signature=signature, of_split=None)


def _parsed(function: ScoreFunction) -> ScoreFunction:
    """The score of the short answer in a prediction."""
    return lambda prediction, references: function(short_answer(prediction), references)


def _of_words(function: Callable[[Sequence[str], Sequence[Sequence[str]]], float]) -> ScoreFunction:
    """The score of captions as words."""
    return lambda prediction, references: function(tokenise(prediction), [*map(tokenise, references)])


def _unfixed(prediction: str, references: Sequence[str]) -> float:
    raise ValueError("CIDEr-D needs the document frequencies of a split")


def _cider_d(images: Sequence[Sequence[str]]) -> tuple[ScoreFunction, str]:
    cider = CiderD([tokenise(text) for text in references] for references in images)
    signature = f"{cider.signature(None)}|{_SCALE}"
    return _of_words(lambda words, known: cider.score(words, known) / HIGHEST), signature


def _no_rank(prediction: str, references: Sequence[str]) -> float:
    raise ValueError("a score of retrieval is computed from a rank, not from references")


def _ranked(
    name: str, description: str, of_rank: Callable[[int], float], of_chance: Callable[[int, int], float]
) -> Scorer:
    """A score of retrieval."""
    signature = f"{name}|ties:against|v1"
    return Scorer(
        name,
        "retrieval",
        signature,
        description,
        _no_rank,
        graded=True,
        of_rank=of_rank,
        of_chance=of_chance,
    )


#: CIDEr-D's own scale ends at 10; records hold scores up to 1.
_SCALE = "scale:0.1"

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
        Scorer(
            "attributes",
            "captioning",
            attributes.signature(None),
            "F1 of the shapes, colours, sizes and places that a caption of a scene or of easy-VQA claims",
            lambda prediction, references: attributes.attribute_score(prediction, references).f1,
            graded=True,
        ),
        Scorer(
            "cider_d",
            "captioning",
            f"cider_d|{_SCALE}|v{VERSION}",
            "CIDEr-D over 10, document frequencies of the whole split",
            _unfixed,
            graded=True,
            of_split=_cider_d,
        ),
        Scorer(
            "bleu4",
            "captioning",
            bleu.sentence_signature(None),
            "BLEU-4 of each caption, smoothed",
            _of_words(lambda words, known: bleu.sentence_bleu(bleu.bleu_statistics(words, known))),
            graded=True,
        ),
        Scorer(
            "rouge_l",
            "captioning",
            rouge.signature(None),
            "ROUGE-L as in COCO captions",
            _of_words(rouge.rouge_l),
            graded=True,
        ),
        Scorer(
            "chrf", "captioning", chrf.signature(None), "chrF2 of the best reference", chrf.chrf, graded=True
        ),
        *(
            _ranked(
                f"recall_at_{k}",
                f"1 where a right candidate is {'first' if k == 1 else f'among the first {k}'}, else 0",
                partial(retrieval.recall_at, k),
                partial(retrieval.expected_recall, k),
            )
            for k in retrieval.RECALLS
        ),
        _ranked(
            "reciprocal_rank",
            "1 over the rank of the best right candidate",
            retrieval.reciprocal_rank,
            retrieval.expected_reciprocal_rank,
        ),
    )
}


def scorers(task: str | None = None) -> tuple[Scorer, ...]:
    """Every builtin score, or those of a task; of another package's task those that it has."""
    if task is None:
        return tuple(_SCORERS.values())
    if task in {entry.task for entry in _SCORERS.values()}:
        return tuple(entry for entry in _SCORERS.values() if task == entry.task)
    from dmsbench.tasks.catalogue import task_of

    asked = task_of(task)
    return tuple(_of_task(_SCORERS[one] if isinstance(one, str) else one, asked) for one in asked.scores)


def is_builtin(name: str) -> bool:
    """Whether a score of this name comes with dmsbench."""
    return name in _SCORERS


def names(task: str | None = None) -> tuple[str, ...]:
    """The names of ``scorers``, and of what other packages offer, which may not fit the task."""
    return tuple(dict.fromkeys((*(entry.name for entry in scorers(task)), *_foreign())))


def scorer(name: str, task: str = "vqa") -> Scorer:
    """A task's score by name; that of another package is loaded.

    Raises UnknownNameError for one that the task does not have, DmsbenchError where a package's cannot be
    loaded or does not fit the task.
    """
    for entry in scorers(task):
        if entry.name == name:
            return entry
    if name not in _foreign():
        raise UnknownNameError("score", name, names(task))
    from dmsbench.tasks.catalogue import is_foreign, task_of
    from dmsbench.tasks.foreign_scores import load

    made = load(offered(SCORES)[name], task)
    return _of_task(made, task_of(task)) if is_foreign(task) else made


def _foreign() -> tuple[str, ...]:
    return tuple(name for name in offered(SCORES) if name not in _SCORERS)


def _of_task(score: Scorer, task: Task) -> Scorer:
    """A score under another package's task: of the answer that the task reads."""

    def reading(function: ScoreFunction) -> ScoreFunction:
        return lambda prediction, references: function(task.parse(prediction), references)

    of_split = score.of_split

    def fixed(images: Sequence[Sequence[str]]) -> tuple[ScoreFunction, str]:
        function, signature = (score.function, score.signature) if of_split is None else of_split(images)
        return reading(function), f"{signature}|{task.signature}"

    return replace(
        score,
        task=task.name,
        function=reading(score.function),
        signature=f"{score.signature}|{task.signature}",
        of_split=None if of_split is None else fixed,
    )


def chance_under(score: Scorer, chance: dict[str, Any] | None) -> dict[str, Any] | None:
    """A data set's chance (``value``, ``definition``), counted by equality, under a score; None: unknown."""
    if chance is None or score.graded:
        return None
    definition = chance["definition"].removesuffix(_BY_EQUALITY)
    return chance | {"definition": definition + ("" if score.name == "exact_match" else _BY_EQUALITY)}
