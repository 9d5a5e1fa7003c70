"""Muon for the matrices, AdamW for the rest, under one rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dmsbench.errors import DmsbenchError

#: The share of the rates that is left at the end.
FLOOR = 0.02


@dataclass(frozen=True, slots=True)
class Rates:
    """Peak learning rates: Muon's of hidden matrices (updates as large as AdamW's), AdamW's of the rest."""

    matrices: float
    rest: float


class Optimiser:
    """Muon (Jordan et al. 2024, as ``torch.optim.Muon``) on hidden matrices, AdamW on all else.

    On models this small Muon needs about half of AdamW's steps. All rates follow a linear warm-up and a half
    cosine down to ``FLOOR`` of their peaks. ``groups``: named parameters, each group with its rates.
    """

    def __init__(
        self,
        groups: Iterable[tuple[Iterable[tuple[str, nn.Parameter]], Rates]],
        *,
        weight_decay: float,
        steps: int,
        warm_up: int,
    ) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise DmsbenchError("training needs torch 2.9 or newer (torch.optim.Muon): pip install -U torch")
        self.steps, self.warm_up, self.done = steps, warm_up, 0
        matrices: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for named, rates in groups:
            # Rows of an embedding are vectors of their own, not one linear map.
            parts: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
            for name, parameter in named:
                parts[parameter.ndim != 2 or "embed" in name].append(parameter)
            matrices.append({"params": parts[0], "lr": rates.matrices})
            others.append({"params": parts[1], "lr": rates.rest})
        self._parts: list[Any] = [
            torch.optim.Muon(matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, weight_decay=weight_decay, betas=(0.9, 0.98)),
        ]
        self._peaks = [group["lr"] for group in self._groups()]
        self._parameters = [parameter for group in self._groups() for parameter in group["params"]]

    def step(self, loss: torch.Tensor) -> None:
        """One update from a loss, gradients cut to length 1."""
        scale = self._scale()
        for group, peak in zip(self._groups(), self._peaks, strict=True):
            group["lr"] = scale * peak
        for part in self._parts:
            part.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for part in self._parts:
            part.step()
        self.done += 1

    def _groups(self) -> list[dict[str, Any]]:
        """The parts' groups as they are now: loading a state makes new ones."""
        return [group for part in self._parts for group in part.param_groups]

    def _scale(self) -> float:
        warm = min(1.0, (self.done + 1) / self.warm_up)
        return warm * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, self.done / self.steps))))

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, beside the parameters."""
        return {"done": self.done, "parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.done = state["done"]
        for part, kept in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(kept)
