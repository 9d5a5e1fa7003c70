"""Corruption as augmentation: pictures and contexts of a batch, damaged as ``dmsbench fit`` damages them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

import corruptions
from dmsbench.data.base import Sample
from dmsbench.data.scenes.language import context
from dmsbench.training.scene_stream import Source
from dmsbench.training.simulated import FAMILIES, SEVERITIES

#: The severity tables that ``context-vqa-corrupt`` uses on pictures of 64 px.
PROFILE = "imagenet224"
Pixels = npt.NDArray[np.uint8]


class Damage:
    """Hits a share of a batch's pictures, or the contexts said of them, at a random severity.

    The corruptions are those that a scheduler is fitted on (``FAMILIES``), all equally likely, so that a
    checkpoint trained with them has seen what the scheduler has seen. The generator is the source's.
    """

    def __init__(self, source: Source, share: float) -> None:
        self.source, self.share = source, share

    def __call__(
        self, pictures: Sequence[Pixels], samples: Sequence[Sequence[Sample]]
    ) -> tuple[list[Pixels], list[list[Sample]]]:
        """Pictures and samples in their order; without a share as they came, and nothing is drawn."""
        seen, asked = list(pictures), [list(group) for group in samples]
        if not self.share:
            return seen, asked
        rng = self.source.rng
        for i in range(len(seen)):
            if rng.random() >= self.share:
                continue
            name = FAMILIES[int(rng.integers(len(FAMILIES)))]
            severity = SEVERITIES[int(rng.integers(len(SEVERITIES)))]
            if corruptions.get(name).target == "image":
                seen[i] = corruptions.corrupt_image(seen[i], name, severity, rng, profile=PROFILE)
            else:
                # Samples of one context keep one.
                told = {
                    text: self._text(text, name, severity)
                    for text in dict.fromkeys(s.evidence for s in asked[i])
                }
                asked[i] = [replace(sample, context=told[sample.evidence]) for sample in asked[i]]
        return seen, asked

    def _text(self, text: str, name: str, severity: int) -> str:
        rng = self.source.rng
        if corruptions.get(name).kind != "modality":
            return corruptions.corrupt_text(text, name, severity, rng, protect=frozenset())
        if not corruptions.is_hit(0, f"{rng.integers(2**62)}", name, severity):
            return text
        if name == "mask_text":
            return corruptions.masked_text(text)
        (other,) = self.source.scenes(1)
        return context(other, rng)
