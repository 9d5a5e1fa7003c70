"""Visual question answering: reading an answer and scoring it."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

#: Enters the key of every record: a changed rule must not be mixed with old scores.
EXACT_MATCH_SIGNATURE = "exact_match|norm:lower,punctuation,articles,whitespace|v1"

_ARTICLES = frozenset({"a", "an", "the"})
_EDGES = string.punctuation + string.whitespace


def normalise(answer: str) -> str:
    """Lower case, no punctuation at the edges of words, no articles, single blanks.

    An answer that consists of articles alone keeps them: "A" stays an answer.
    """
    words = [word.strip(_EDGES) for word in re.split(r"\s+", answer.lower())]
    words = [word for word in words if word]
    kept = [word for word in words if word not in _ARTICLES]
    return " ".join(kept or words)


def exact_match(prediction: str, references: Sequence[str]) -> float:
    """1.0 where the prediction equals a reference after ``normalise``, else 0.0.

    Raises ValueError without references: such a sample has no score.
    """
    if not references:
        raise ValueError("no reference answers")
    found = normalise(prediction)
    return float(any(found == normalise(reference) for reference in references))
