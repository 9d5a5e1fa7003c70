"""BLEU-4: how many runs of a caption's words its references have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_

from dmsbench.tasks.captions.ngrams import KEPT, LONGEST, Ngram, NgramCounts, ngram_counts
from dmsbench.tasks.captions.signatures import signed
from dmsbench.tasks.captions.tokens import TOKENIZER


@dataclass(frozen=True, slots=True)
class BleuStatistics:
    """What BLEU is computed from; those of captions add up to a corpus's.

    ``matches`` and ``totals`` count runs of 1 to 4 words, ``length`` and ``reference_length`` words.
    """

    matches: tuple[int, ...] = (0,) * LONGEST
    totals: tuple[int, ...] = (0,) * LONGEST
    length: int = 0
    reference_length: int = 0

    def __add__(self, other: BleuStatistics) -> BleuStatistics:
        return BleuStatistics(
            tuple(a + b for a, b in zip(self.matches, other.matches, strict=True)),
            tuple(a + b for a, b in zip(self.totals, other.totals, strict=True)),
            self.length + other.length,
            self.reference_length + other.reference_length,
        )


def bleu_statistics(prediction: Sequence[str], references: Sequence[Sequence[str]]) -> BleuStatistics:
    """The statistics of a caption's words against those of its references.

    A run matches as often as the reference that has it most often. The reference length is the one closest
    to the caption's, the shorter of two as close, as in sacrebleu and coco-caption. Raises ValueError
    without references.
    """
    if not references:
        raise ValueError("no reference captions")
    length = len(prediction)
    most = _most(tuple(map(tuple, references)))
    return BleuStatistics(
        tuple(
            sum(min(here[ngram], there[ngram]) for ngram in here.keys() & there.keys())
            for here, there in zip(ngram_counts(prediction), most, strict=True)
        ),
        tuple(max(0, length - shorter) for shorter in range(LONGEST)),
        length,
        min((abs(len(reference) - length), len(reference)) for reference in references)[1],
    )


# A data set's references come back under every condition.
@lru_cache(maxsize=KEPT)
def _most(references: tuple[Ngram, ...]) -> NgramCounts:
    """How often each run occurs in the reference that has it most often."""
    counts = [ngram_counts(reference) for reference in references]
    return tuple(reduce(or_, of_length) for of_length in zip(*counts, strict=True))


def sentence_bleu(statistics: BleuStatistics) -> float:
    """BLEU-4 of one caption, in [0, 1]; 0 where no word matches, so for an empty caption or reference too.

    Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002. A caption
    rarely has a run of four words right, so the k-th length of run without a match counts as 2⁻ᵏ of a match
    (the smoothing of NIST's mteval-v13a, method 3 of Chen and Cherry, WMT 2014), and a caption of fewer than
    four words is judged by the runs that it can have. This is sacrebleu's sentence BLEU over 100;
    coco-caption's is not smoothed. A further reference can lower it, through the length that is closest.
    """
    if statistics.matches[0] == 0:
        return 0.0
    logs: list[float] = []
    halved = 1.0
    for matches, total in zip(statistics.matches, statistics.totals, strict=True):
        if total == 0:
            break
        if matches == 0:
            halved /= 2
        logs.append(math.log((matches or halved) / total))
    return _brevity(statistics) * math.exp(sum(logs) / len(logs))


def corpus_bleu(statistics: BleuStatistics) -> float:
    """BLEU-4 of a corpus from the sum of its captions' statistics, in [0, 1]; not smoothed.

    0 where no run of four words matches. Equals coco-caption's ``Bleu_4``, and sacrebleu's with
    ``smooth_method="none"`` over 100.
    """
    if 0 in statistics.matches:
        return 0.0
    logs = [math.log(m / t) for m, t in zip(statistics.matches, statistics.totals, strict=True)]
    return _brevity(statistics) * math.exp(sum(logs) / len(logs))


def _brevity(statistics: BleuStatistics) -> float:
    """The penalty of captions shorter than their references; there is a word."""
    return math.exp(min(0.0, 1 - statistics.reference_length / statistics.length))


def sentence_signature(references: int | None) -> str:
    """Says how sentence BLEU is computed; ``references`` a caption, None where their number varies."""
    return signed(
        "bleu4",
        references,
        level="sentence",
        tok=TOKENIZER,
        n="1-4",
        smooth="exp",
        order="effective",
        length="closest",
    )


def corpus_signature(references: int | None) -> str:
    """Says how corpus BLEU is computed; ``references`` a caption, None where their number varies."""
    return signed(
        "bleu4",
        references,
        level="corpus",
        tok=TOKENIZER,
        n="1-4",
        smooth="none",
        order="4",
        length="closest",
    )
