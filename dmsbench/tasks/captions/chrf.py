"""chrF2: how many runs of characters a caption shares with a reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
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
    found = _read(prediction)
    return max(_against(found, _known(reference)) for reference in references)


@dataclass(frozen=True, slots=True)
class _Runs:
    """A text's length and its runs of all lengths, without blanks."""

    length: int
    counts: Counter[str]


def _against(found: _Runs, known: _Runs) -> float:
    matches = [0] * (ORDER + 1)
    for run in found.counts.keys() & known.counts.keys():
        matches[len(run)] += min(found.counts[run], known.counts[run])
    if not any(matches):
        return 0.0
    lengths = range(1, min(ORDER, found.length, known.length) + 1)
    precision = sum(matches[n] / (found.length - n + 1) for n in lengths) / len(lengths)
    recall = sum(matches[n] / (known.length - n + 1) for n in lengths) / len(lengths)
    return min(1.0, (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall))


def _read(text: str) -> _Runs:
    bare = "".join(text.split())
    starts = [(n, range(len(bare) - n + 1)) for n in range(1, ORDER + 1)]
    return _Runs(len(bare), Counter([bare[i : i + n] for n, places in starts for i in places]))


# A data set's references come back under every condition.
_known = lru_cache(maxsize=2048)(_read)


def signature(references: int | None) -> str:
    """Says how it is computed; ``references`` a caption, None where their number varies."""
    settings = {"tok": "none", "case": "mixed", "nc": str(ORDER), "nw": "0", "smooth": "effective"}
    return signed(f"chrf{BETA}", references, **settings)
