"""CIDEr-D: how like a caption is to its references in the runs of words that few other images have."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from dmsbench.tasks.captions.ngrams import KEPT, LONGEST, Ngram, ngram_counts
from dmsbench.tasks.captions.signatures import signed
from dmsbench.tasks.captions.tokens import TOKENIZER

#: Width, in words, of the penalty of a length that differs.
SIGMA = 6.0
#: The highest score.
HIGHEST = 10.0


@dataclass(frozen=True, slots=True)
class _Vector:
    """A text's runs, weighted by how rare they are, by length of run, with each one's norm."""

    weights: tuple[dict[Ngram, float], ...]
    norms: tuple[float, ...]
    length: int


class CiderD:
    """CIDEr-D with document frequencies that stay what they are.

    Which runs of words count as rare is taken once, from the references of a whole split, and not from the
    captions that happen to be scored: so scores under all conditions, and under any ``--limit``, are of one
    measure. ``fingerprint`` names these frequencies and enters the signature.
    """

    def __init__(self, images: Iterable[Sequence[Sequence[str]]]) -> None:
        """Counts in how many images each run of 1 to 4 words occurs.

        ``images``: each image's references, as words; every image once. Their order does not matter. Raises
        ValueError for an image without references and for fewer than two images, where no run is rare.
        """
        self._images = 0
        self._frequencies: Counter[Ngram] = Counter()
        for references in images:
            if not references:
                raise ValueError("an image has no reference captions")
            self._images += 1
            self._frequencies.update(
                {ngram for reference in references for counts in ngram_counts(reference) for ngram in counts}
            )
        if self._images < 2:
            raise ValueError(f"document frequencies need at least two images, not {self._images}")
        self._known: dict[Ngram, _Vector] = {}

    @cached_property
    def fingerprint(self) -> str:
        """Of the number of images and of every run's frequency: 16 hexadecimal digits."""
        digest = hashlib.blake2b(str(self._images).encode(), digest_size=8)
        for ngram, count in sorted(self._frequencies.items()):
            digest.update(repr((ngram, count)).encode())
        return digest.hexdigest()

    def score(self, prediction: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """CIDEr-D of a caption's words against those of its references, in [0, 10].

        Vedantam, Zitnick and Parikh, "CIDEr: consensus-based image description evaluation", CVPR 2015, as
        coco-caption computes it: 10 times the mean over lengths of run n = 1…4 and over references of

            exp(−(l − l′)² / 2σ²) · Σ min(g, g′)·g′ / (‖g‖·‖g′‖),  g = count · (log N − log max(1, df)),

        where l are lengths in words, N is the number of images and df the number of those that have the run;
        one that no image has weighs like one that a single image has. Counts are clipped as they are, not
        divided by the caption's length.

        10 needs one wording in all references, at least four words, and for each length a run that not all
        images have: a caption of one word reaches 2.5 at most, an empty caption or reference gives 0, a
        reference that is given twice counts twice, and a further reference can lower the mean. Raises
        ValueError without references.
        """
        if not references:
            raise ValueError("no reference captions")
        found = self._vector(tuple(prediction))
        total = math.fsum(_likeness(found, self._reference(tuple(reference))) for reference in references)
        return min(HIGHEST, HIGHEST * total / (LONGEST * len(references)))

    def signature(self, references: int | None) -> str:
        """Says how it is computed; ``references`` a caption, None where their number varies."""
        return signed(
            "cider_d",
            references,
            tok=TOKENIZER,
            n="1-4",
            sigma=f"{SIGMA:g}",
            scale=f"{HIGHEST:g}",
            smooth="none",
            idf=self.fingerprint,
        )

    def _reference(self, words: Ngram) -> _Vector:
        """A reference's vector: it comes back under every condition."""
        if words not in self._known:
            if len(self._known) == KEPT:
                self._known.clear()
            self._known[words] = self._vector(words)
        return self._known[words]

    def _vector(self, words: Ngram) -> _Vector:
        everywhere = math.log(self._images)
        weights = tuple(
            {
                ngram: count * (everywhere - math.log(max(1, self._frequencies[ngram])))
                for ngram, count in counts.items()
            }
            for counts in ngram_counts(words)
        )
        norms = tuple(math.sqrt(sum(weight * weight for weight in of.values())) for of in weights)
        return _Vector(weights, norms, len(words))


def _likeness(found: _Vector, known: _Vector) -> float:
    """The sum over lengths of run of the clipped cosine, with the penalty for length: in [0, 4]."""
    total = 0.0
    for here, there, norm, other in zip(found.weights, known.weights, found.norms, known.norms, strict=True):
        # Either is 0 where there is no run of this length, or none that is rare.
        if norm > 0 and other > 0:
            # In the caption's order: a set's order, and with it the rounding, differs between processes.
            shared = sum(
                min(weight, there[ngram]) * there[ngram] for ngram, weight in here.items() if ngram in there
            )
            total += shared / (norm * other)
    return total * math.exp(-((found.length - known.length) ** 2) / (2 * SIGMA**2))
