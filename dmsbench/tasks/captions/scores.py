"""All scores of a caption at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dmsbench.tasks.captions import attributes, bleu, chrf, rouge
from dmsbench.tasks.captions.cider import CiderD
from dmsbench.tasks.captions.tokens import tokenise


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """A caption's scores: all in [0, 1], ``cider_d`` in [0, 10]; ``attributes`` None where not of a scene."""

    bleu4: float
    rouge_l: float
    chrf: float
    cider_d: float
    attributes: float | None


@dataclass(frozen=True, slots=True)
class CaptionScorer:
    """Scores captions, with document frequencies that are fixed; ``of_scenes`` adds the attributes."""

    cider: CiderD
    of_scenes: bool = False

    @classmethod
    def of(cls, images: Iterable[Sequence[str]], *, of_scenes: bool = False) -> CaptionScorer:
        """With the document frequencies of a whole split: each image's references, every image once.

        Raises ValueError for an image without references and for fewer than two images.
        """
        return cls(CiderD([_words(text) for text in references] for references in images), of_scenes)

    def score(self, prediction: str, references: Sequence[str]) -> CaptionScores:
        """A caption's scores against its references; raises ValueError without references."""
        words, known = _words(prediction), [_words(reference) for reference in references]
        return CaptionScores(
            bleu.sentence_bleu(bleu.bleu_statistics(words, known)),
            rouge.rouge_l(words, known),
            chrf.chrf(prediction, references),
            self.cider.score(words, known),
            attributes.attribute_score(prediction, references).f1 if self.of_scenes else None,
        )

    def signatures(self, references: int | None) -> dict[str, str]:
        """Each score's signature by its name; ``references`` a caption, None where their number varies."""
        found = {
            "bleu4": bleu.sentence_signature(references),
            "rouge_l": rouge.signature(references),
            "chrf": chrf.signature(references),
            "cider_d": self.cider.signature(references),
        }
        return found | ({"attributes": attributes.signature(references)} if self.of_scenes else {})


# A data set's references come back under every condition.
@lru_cache(maxsize=2048)
def _words(caption: str) -> tuple[str, ...]:
    return tuple(tokenise(caption))
