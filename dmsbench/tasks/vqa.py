"""Visual question answering: reading an answer and scoring it."""

from __future__ import annotations

import functools
import re
import string
import unicodedata
from collections.abc import Sequence

#: Enters the key of every record: a changed rule must not be mixed with old scores.
EXACT_MATCH_SIGNATURE = "exact_match|norm:lower,punctuation,articles,whitespace|v1"

_ARTICLES = frozenset({"a", "an", "the"})
_EDGES = string.punctuation + string.whitespace


@functools.lru_cache(maxsize=2**14)
def normalise(answer: str) -> str:
    """Lower case, no punctuation at the edges of words, no articles, single blanks.

    An answer that consists of articles alone keeps them: "A" stays an answer; one of punctuation alone
    stays as it is, and "-5" stays negative. Unicode in composed form (NFC).
    """
    words = [_bare(word) for word in re.split(r"\s+", unicodedata.normalize("NFC", answer).lower())]
    words = [word for word in words if word]
    kept = [word for word in words if word not in _ARTICLES]
    return " ".join(kept or words) or answer.strip()


def _bare(word: str) -> str:
    """A word without the punctuation at its edges; a minus before a digit is no punctuation."""
    bare = word.strip(_EDGES)
    return f"-{bare}" if re.match(r"\W*-\d", word) else bare


def exact_match(prediction: str, references: Sequence[str]) -> float:
    """1.0 where the prediction equals a reference after ``normalise``, else 0.0.

    Raises ValueError without references: such a sample has no score.
    """
    if not references:
        raise ValueError("no reference answers")
    found = normalise(prediction)
    return float(any(found == normalise(reference) for reference in references))
