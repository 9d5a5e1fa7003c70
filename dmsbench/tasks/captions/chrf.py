"""chrF2: how many runs of characters a caption shares with a reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from dmsbench.tasks.captions.signatures import signed

#: Longest run of characters, and the weight of recall against precision.
ORDER = 6
BETA = 2


def chrf(prediction: str, references: Sequence[str]) -> float:
    """chrF2 of a caption against the reference where it is highest, in [0, 1]; 0 where either is empty.

    Popović, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015, as in sacrebleu, over
    100: runs of 1 to 6 characters of the text as it stands, blanks left out, case kept; precision and recall
    are means over the lengths of run that both texts have. A further reference never lowers it. Raises
    ValueError without references.
    """
    if not references:
        raise ValueError("no reference captions")
    found = _counts(prediction)
    return max(_against(found, _counts(reference)) for reference in references)


def _against(found: tuple[Counter[str], ...], known: tuple[Counter[str], ...]) -> float:
    precision = recall = 0.0
    lengths = 0
    for here, there in zip(found, known, strict=True):
        if not here or not there:
            break
        matches = sum(min(count, there[run]) for run, count in here.items() if run in there)
        precision += matches / here.total()
        recall += matches / there.total()
        lengths += 1
    if precision == 0:
        return 0.0
    precision, recall = precision / lengths, recall / lengths
    return min(1.0, (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall))


# A data set's references come back under every condition.
@lru_cache(maxsize=8192)
def _counts(text: str) -> tuple[Counter[str], ...]:
    bare = "".join(text.split())
    return tuple(
        Counter(bare[start : start + length] for start in range(len(bare) - length + 1))
        for length in range(1, ORDER + 1)
    )


def signature(references: int | None) -> str:
    """Says how it is computed; ``references`` a caption, None where their number varies."""
    settings = {"tok": "none", "case": "mixed", "nc": str(ORDER), "nw": "0", "smooth": "effective"}
    return signed(f"chrf{BETA}", references, **settings)
