"""ROUGE-L: the longest sequence of words that a caption shares with a reference, gaps allowed."""

from __future__ import annotations

from collections.abc import Sequence

from dmsbench.tasks.captions.signatures import signed
from dmsbench.tasks.captions.tokens import TOKENIZER

#: Weight of recall against precision: what coco-caption uses.
BETA = 1.2


def rouge_l(prediction: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """ROUGE-L of a caption's words against those of its references, in [0, 1]; 0 where either is empty.

    Lin, "ROUGE: a package for automatic evaluation of summaries", 2004, as coco-caption computes it:
    precision and recall each by the reference where they are highest, which need not be the same one, then
    (1 + β²)·P·R / (R + β²·P). A further reference never lowers it. Raises ValueError without references.
    """
    if not references:
        raise ValueError("no reference captions")
    if not prediction:
        return 0.0
    shared = [(longest_common(prediction, reference), len(reference)) for reference in references]
    precision = max(count for count, _ in shared) / len(prediction)
    recall = max((count / length for count, length in shared if length), default=0.0)
    if precision == 0:
        return 0.0
    return min(1.0, (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision))


def longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence.

    One addition of whole rows a word instead of a table of cells: Hyyrö, "Bit-parallel LCS-length
    computation revisited", AWOCA 2004. A bit is 0 where the table's row goes up by one.
    """
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    whole = (1 << len(first)) - 1
    row = whole
    for word in second:
        here = row & places.get(word, 0)
        row = ((row + here) | (row - here)) & whole
    return len(first) - row.bit_count()


def signature(references: int | None) -> str:
    """Says how it is computed; ``references`` a caption, None where their number varies."""
    return signed("rouge_l", references, tok=TOKENIZER, beta=str(BETA), best="precision,recall")
