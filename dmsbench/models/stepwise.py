"""Scheduling token by token: long answers hang on now one modality, now the other."""

from __future__ import annotations

from dataclasses import replace

import torch

from dmsbench.fusion.points import Evidence, PointScheduler, modality_weights
from dmsbench.fusion.signals import confidence
from dmsbench.models.evidence import OutcomeHead


class EachToken:
    """Shares of every token of B answers from the evidence at that token: a ``decoding.Reweigh``.

    What evidence says of the sample (consistency, typicality) stays as it is. ``evidence`` and ``shares``
    (B, P) are those of the first token. ``weights``, ``confidence``, ``uncertainty``, all (B, M), are means
    over the tokens so far, the end of the answer included; where it is never called, the first token's.
    """

    def __init__(
        self, scheduler: PointScheduler, head: OutcomeHead, evidence: Evidence, shares: torch.Tensor
    ) -> None:
        self.scheduler, self.head, self.evidence = scheduler, head, evidence
        rows = torch.arange(len(evidence))
        self._count = torch.zeros(len(rows), 1)
        self._sums = [torch.zeros(len(rows), len(scheduler.points.corners)) for _ in range(3)]
        self._add(rows, evidence, shares)

    def __call__(self, hidden: torch.Tensor, at: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Shares (B', P) of the next token of these rows."""
        found = self.head(hidden)
        now = replace(
            self.evidence.rows(rows),
            probabilities=found.probabilities[at],
            uncertainty=found.uncertainty[at],
            energy=found.energy[at],
        )
        shares = self.scheduler.mixture(now).float()
        self._add(rows, now, shares)
        return shares

    def _add(self, rows: torch.Tensor, evidence: Evidence, shares: torch.Tensor) -> None:
        corners = list(self.scheduler.points.corners)
        self._count[rows] += 1
        for total, value in zip(
            self._sums,
            (
                modality_weights(shares, self.scheduler.points),
                confidence(evidence.probabilities[:, corners]),
                evidence.uncertainty[:, corners],
            ),
            strict=True,
        ):
            total[rows] += value

    @property
    def weights(self) -> torch.Tensor:
        """The mean modality weights."""
        return self._sums[0] / self._count

    @property
    def confidence(self) -> torch.Tensor:
        """The mean confidence of each modality alone."""
        return self._sums[1] / self._count

    @property
    def uncertainty(self) -> torch.Tensor:
        """The mean uncertainty of each modality alone."""
        return self._sums[2] / self._count
