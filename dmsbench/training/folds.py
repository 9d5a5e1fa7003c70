"""Images dealt into folds, so that what is fitted on some measures the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from dmsbench.fusion.objective import unit_hash


def dealt(groups: Sequence[str], first: Collection[str], folds: int, seed: int) -> torch.Tensor:
    """The fold (N,) of each row, all rows of a group in one; by the groups' names and the seed alone.

    The groups of ``first`` are dealt out first, so that every fold gets its part of them.
    """
    order = sorted(set(groups), key=lambda group: (group not in first, unit_hash(f"fold/{seed}/{group}")))
    number = {group: place % folds for place, group in enumerate(order)}
    return torch.tensor([number[group] for group in groups])
