"""Runs of words, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

#: Longest run that BLEU-4 and CIDEr-D count.
LONGEST = 4
#: How many texts' counts are kept at most: some ten kilobytes each.
KEPT = 2048

Ngram = tuple[str, ...]
#: Counts of the runs of one word, of two words, … of ``LONGEST`` words.
NgramCounts = tuple[Counter[Ngram], ...]


def ngram_counts(words: Sequence[str]) -> NgramCounts:
    """How often each run of 1 to ``LONGEST`` words occurs; not to be changed, since answers are kept."""
    return _counts(tuple(words))


# A data set's references come back under every condition.
@lru_cache(maxsize=KEPT)
def _counts(words: Ngram) -> NgramCounts:
    return tuple(
        Counter(zip(*(words[start:] for start in range(length)), strict=False))
        for length in range(1, LONGEST + 1)
    )
