"""Rows of unlike length in one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from dmsbench.models.prompts import Suffix


def mean_of(tokens: torch.Tensor, marked: torch.Tensor) -> torch.Tensor:
    """The mean (B, D) of the marked (B, T) of the tokens (B, T, D), zeros for none."""
    return (tokens * marked[:, :, None]).sum(dim=1) / marked.sum(dim=1, keepdim=True).clamp_min(1)


def padded(
    suffixes: Sequence[Suffix], width: int, pad: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Right-padded ids, which of them are real, and which are text evidence, each (B, width)."""
    ids = np.full((len(suffixes), width), pad, dtype=np.int64)
    real = np.zeros((len(suffixes), width), dtype=bool)
    evidence = np.zeros((len(suffixes), width), dtype=bool)
    for row, suffix in enumerate(suffixes):
        ids[row, : len(suffix.ids)] = suffix.ids
        real[row, : len(suffix.ids)] = True
        evidence[row, suffix.first : suffix.last] = True
    return torch.from_numpy(ids), torch.from_numpy(real), torch.from_numpy(evidence)


def bias_of_keys(bias: torch.Tensor, image: int, evidence: torch.Tensor) -> torch.Tensor:
    """The bias of every key (B, image + T): the image's on its tokens, the text's on its evidence, else 0.

    ``bias`` (B, 2) of image and text, ``image`` tokens first, then ``evidence`` (B, T) of the padded prompts.
    """
    of_text = torch.where(evidence, bias[:, 1:], torch.zeros(()))
    return torch.cat([bias[:, :1].expand(-1, image), of_text], dim=1)


def id_rows(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Ids (B, T), T the longest row's, at least 1; −1 where a row has ended."""
    ids = np.full((len(rows), max(1, *map(len, rows))), -1, dtype=np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
    return torch.from_numpy(ids)
