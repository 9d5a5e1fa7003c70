"""What gives an item's two pieces of evidence their shares: nothing, a constant, or a scheduler."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from dmsbench.fusion.blind import ShareBank
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Points, PointScheduler, chosen
from dmsbench.fusion.signals import Signals, confidence
from dmsbench.models.decoding import check_shares
from dmsbench.models.item_evidence import ItemReader
from dmsbench.models.mixed import unmeasured
from dmsbench.models.retrieval import EncodedImage, EncodedText

#: Items a batch, and items whose shares are remembered.
_BATCH, _KEPT = 256, 50_000
#: The uniform point alone.
UNIFORM = Points(("uniform",), ((0.5, 0.5),))


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """Of B items with both modalities: shares (B, P), per point the normaliser (B, P), and signals."""

    shares: torch.Tensor
    normaliser: torch.Tensor
    signals: Signals


class Weigher(Protocol):
    """Gives items with both modalities their shares of the points."""

    @property
    def points(self) -> Points:
        """The points that shares are of."""

    @property
    def mixes(self) -> bool:
        """Whether shares weigh probabilities at several points, so that normalisers are needed."""

    def weigh(self, images: Sequence[EncodedImage], titles: Sequence[EncodedText]) -> Weighed:
        """Of B items."""

    def settings(self) -> dict[str, Any]:
        """All that decides the shares, as plain JSON values."""


class AtPoint:
    """Every item at one point of the simplex: static fusion, a modality alone, or fixed weights."""

    mixes = False

    def __init__(self, weights: tuple[float, float] = (0.5, 0.5)) -> None:
        self.points = UNIFORM if weights == (0.5, 0.5) else Points(("fixed",), (weights,))

    def weigh(self, images: Sequence[EncodedImage], titles: Sequence[EncodedText]) -> Weighed:
        """All share on the point; nothing is measured."""
        ones = torch.ones(len(images), 1)
        return Weighed(ones, torch.zeros_like(ones), unmeasured(len(images)))

    def settings(self) -> dict[str, Any]:
        """The point; static fusion has none."""
        if self.points == UNIFORM:
            return {}
        point = ",".join(f"{weight:g}" for weight in self.points.weights[0])
        return {"fusion": {"method": "weights", "scheduler": "fixed", "point": point}}


class ByEvidence:
    """Shares by a point scheduler from an item's evidence; by a ``ShareBank`` from nothing but its name.

    ``mixing``: "mixture" mixes the probabilities at the points, "choice" takes the point with the largest
    share.
    """

    mixes = True

    def __init__(
        self,
        reader: ItemReader,
        scheduler: PointScheduler | ShareBank,
        *,
        mixing: str = "mixture",
        fitted_on: Sequence[str] = (),
    ) -> None:
        if mixing not in ("mixture", "choice"):
            raise ValueError(f"items are weighed by mixture or choice, not '{mixing}'")
        self.reader, self.scheduler, self.mixing = reader, scheduler, mixing
        self.fitted_on = tuple(sorted(fitted_on))
        self.points = CORNERS_AND_UNIFORM
        self._known: dict[tuple[str, str], tuple[torch.Tensor, ...]] = {}

    def settings(self) -> dict[str, Any]:
        """The scheduler's settings, and what the evidence is made of."""
        return {
            "fusion": {
                "method": self.mixing,
                **self.scheduler.settings(),
                "points": [list(self.points.names), self.points.tensor.tolist()],
                **self.reader.settings(),
                **({"fitted_on": list(self.fitted_on)} if self.fitted_on else {}),
            }
        }

    def weigh(self, images: Sequence[EncodedImage], titles: Sequence[EncodedText]) -> Weighed:
        """Reads the evidence of items not seen before; equal items have equal shares."""
        keys = [(image.key, title.text) for image, title in zip(images, titles, strict=True)]
        if len(self._known) + len(keys) > _KEPT:
            self._known.clear()
        missing = {key: n for n, key in enumerate(keys) if key not in self._known}
        places = list(missing.values())
        for start in range(0, len(places), _BATCH):
            some = places[start : start + _BATCH]
            rows = self._read([images[n] for n in some], [titles[n] for n in some])
            self._known.update(zip([keys[n] for n in some], zip(*rows, strict=True), strict=True))
        if not keys:
            return Weighed(torch.zeros(0, len(self.points)), torch.zeros(0, len(self.points)), unmeasured(0))
        columns = [torch.stack(column) for column in zip(*(self._known[key] for key in keys), strict=True)]
        return Weighed(columns[0], columns[1], Signals(*columns[2:]))

    def _read(
        self, images: Sequence[EncodedImage], titles: Sequence[EncodedText]
    ) -> tuple[torch.Tensor, ...]:
        read = self.reader.read(images, titles)
        if isinstance(self.scheduler, ShareBank):
            names = [json.dumps([i.key, t.text]) for i, t in zip(images, titles, strict=True)]
            shares, signals = self.scheduler.of(names).float(), unmeasured(len(images))
        else:
            shares = self.scheduler.mixture(read.evidence).float()
            corners = list(self.points.corners)
            signals = Signals(
                confidence(read.evidence.probabilities)[:, corners],
                read.evidence.uncertainty[:, corners],
                read.evidence.consistency,
            )
        check_shares(shares)
        if self.mixing == "choice":
            shares = chosen(shares)
        return shares, read.normaliser, signals.confidence, signals.uncertainty, signals.consistency
