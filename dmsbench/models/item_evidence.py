"""What an item's picture and title say about a bank of texts: the evidence that schedulers weigh.

The bank is fixed: captions of training items that come with a fitted scheduler. So an item's weights depend
neither on the queries that are asked of it nor on what else lies in the gallery.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dmsbench.fusion.points import Evidence, Points
from dmsbench.fusion.signals import consistency, dropout_masks, uncertainty
from dmsbench.fusion.typicality import Typicality
from dmsbench.models.evidence import MonteCarlo
from dmsbench.models.mixed import typicality_of
from dmsbench.models.retrieval import EncodedImage, EncodedText


def cosines(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Of pictures (…, E, D) and texts (K, D), unit vectors: (…, K), of a picture's vectors the nearest."""
    return torch.einsum("...ed,kd->...ek", images, texts).amax(dim=-2)


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """B items: their evidence, and per point the logsumexp (B, P) of their logits over the bank."""

    evidence: Evidence
    normaliser: torch.Tensor


class ItemReader:
    """Reads evidence off items that have both modalities.

    At a point w an item's logits over the bank are ``scale`` · Σ_m w_m cos_m. Uncertainty: Monte Carlo
    dropout on the entries of the vectors that are compared. ``typicality`` of the encodings' features, if
    wanted.
    """

    def __init__(
        self,
        bank: Sequence[EncodedText],
        scale: float,
        points: Points,
        monte_carlo: MonteCarlo | None = None,
        typicality: tuple[Typicality, Typicality] | None = None,
    ) -> None:
        if len(bank) < 2:
            raise ValueError("the bank needs at least two texts")
        self.texts = tuple(text.text for text in bank)
        self.vectors = torch.stack([text.embedding for text in bank])
        self.scale, self.points, self.typicality = scale, points, typicality
        self.monte_carlo = monte_carlo or MonteCarlo()
        how = self.monte_carlo
        self._masks = dropout_masks(how.passes, self.vectors.shape[1], how.rate, how.seed)

    def settings(self) -> dict[str, Any]:
        """What identifies bank, passes and typicality in the key of a record."""
        how = self.monte_carlo
        digest = hashlib.blake2b("\0".join(self.texts).encode("utf-8", "surrogatepass"), digest_size=8)
        measured = [] if self.typicality is None else [each.fingerprint for each in self.typicality]
        return {
            "bank": f"{len(self.texts)}:{digest.hexdigest()}",
            "monte_carlo": [how.passes, how.rate, how.seed],
            **({"typicality": measured} if measured else {}),
        }

    @torch.inference_mode()
    def read(self, images: Sequence[EncodedImage], titles: Sequence[EncodedText]) -> Read:
        """The evidence of B items."""
        pictures = torch.stack([image.embedding for image in images])
        named = torch.stack([title.embedding for title in titles])
        logits = self._logits(pictures, named)
        passes = torch.stack([self._logits(pictures * mask, named * mask) for mask in self._masks])
        typicality = None
        if self.typicality is not None:
            features = [torch.stack([each.features for each in some]) for some in (images, titles)]
            typicality = typicality_of(self.typicality, (features[0], features[1]))
        energy = logits.logsumexp(dim=-1)
        evidence = Evidence(
            probabilities=logits.softmax(dim=-1),
            uncertainty=uncertainty(passes.softmax(dim=-1)),
            consistency=consistency(_nearest(pictures, named), named),
            typicality=typicality,
            energy=energy,
        )
        return Read(evidence, energy)

    def _logits(self, pictures: torch.Tensor, titles: torch.Tensor) -> torch.Tensor:
        """(B, P, K)."""
        told = torch.stack([cosines(pictures, self.vectors), titles @ self.vectors.T], dim=1)
        return self.scale * torch.einsum("pm,bmk->bpk", self.points.tensor, told)


def _nearest(pictures: torch.Tensor, titles: torch.Tensor) -> torch.Tensor:
    """Of each picture's vectors (B, E, D) the one nearest to the title (B, D)."""
    best = torch.einsum("bed,bd->be", pictures, titles).argmax(dim=1)
    return pictures[torch.arange(len(pictures)), best]
