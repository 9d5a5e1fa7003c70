"""What a fit keeps beside its scheduler: rivals and controls that had the same data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmsbench.errors import ModelError
from dmsbench.files import write_atomically
from dmsbench.fusion.blind import ShareBank
from dmsbench.fusion.correctness import PredictedCorrectness
from dmsbench.fusion.points import Points
from dmsbench.fusion.rivals import EXPERTS, LateFusion
from dmsbench.fusion.rule import PointRule
from dmsbench.models.decoding import POOLINGS

RIVALS_FILE = "rivals.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class FittedRivals:
    """Of one fit, over its points.

    ``rule``: the training-free rule with the hyperparameters that were best on held-out images. ``late``:
    late fusion with its signal and temperature chosen there, by pooling and experts. ``pdf``: predicted
    correctness, by experts. ``constant``: the best constant shares. ``permuted``: the scheduler's shares of
    held-out rows.
    """

    rule: PointRule
    late: Mapping[tuple[str, str], LateFusion]
    pdf: Mapping[str, PredictedCorrectness]
    constant: ShareBank
    permuted: ShareBank

    def save(self, folder: Path, scheduler: str) -> None:
        """Writes ``rivals.json`` beside the scheduler of this fingerprint."""
        rule = self.rule
        card = {
            "format": _FORMAT,
            "scheduler": scheduler,
            "rule": {
                "alpha": rule.alpha,
                "beta": rule.beta,
                "sharpness": rule.sharpness,
                "temperatures": list(rule.temperatures),
                "uniform_bonus": rule.uniform_bonus,
            },
            "late": {
                pooling: {
                    experts: {"signal": late.signal, "temperature": late.temperature}
                    for (other, experts), late in self.late.items()
                    if other == pooling
                }
                for pooling, _ in self.late
            },
            "pdf": {experts: each.card() for experts, each in self.pdf.items()},
            "constant": list(self.constant.shares[0]),
            "permuted": {
                "shares": [list(row) for row in self.permuted.shares],
                "conditions": list(self.permuted.conditions),
            },
        }
        text = json.dumps(card, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(folder / RIVALS_FILE, text.encode())


def load_rivals(folder: Path, scheduler: str, points: Points) -> FittedRivals:
    """Reads what ``save`` wrote beside the scheduler of this fingerprint, which mixes these points.

    Raises ModelError where the file is missing, damaged, or of another fit.
    """
    path = folder / RIVALS_FILE
    try:
        card = json.loads(path.read_bytes())
    except OSError:
        raise ModelError(
            f"{folder} holds no rivals ({RIVALS_FILE}): fit it again, its evidence is kept and read back"
        ) from None
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from None
    try:
        if card["format"] != _FORMAT:
            raise ModelError(
                f"{path} has format {card['format']}, this version reads {_FORMAT}: fit it again"
            )
        if card["scheduler"] != scheduler:
            raise ModelError(f"{RIVALS_FILE} and the scheduler in {folder} do not belong together: fit again")
        found = FittedRivals(
            _rule(card["rule"], points),
            {
                (pooling, experts): LateFusion(
                    late["signal"],
                    None if late["temperature"] is None else float(late["temperature"]),
                    points,
                    experts,
                )
                for pooling, variants in card["late"].items()
                for experts, late in variants.items()
            },
            {experts: PredictedCorrectness.from_card(each) for experts, each in card["pdf"].items()},
            ShareBank((_numbers(card["constant"]),), points=points),
            ShareBank(
                tuple(_numbers(row) for row in card["permuted"]["shares"]),
                tuple(map(str, card["permuted"]["conditions"])),
                points,
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path} is damaged ({error!r}): fit it again") from None
    variants = {(pooling, experts) for pooling in POOLINGS for experts in EXPERTS}
    if set(found.late) != variants or set(found.pdf) != set(EXPERTS):
        raise ModelError(f"{path} lacks some of the rivals: fit it again")
    if any(each.points != points for each in found.pdf.values()):
        raise ModelError(f"{path} is of other points than the scheduler: fit it again")
    return found


def _rule(card: Mapping[str, Any], points: Points) -> PointRule:
    return PointRule(
        float(card["alpha"]),
        float(card["beta"]),
        float(card["sharpness"]),
        _numbers(card["temperatures"]),
        float(card["uniform_bonus"]),
        points,
    )


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
