"""A score of numbers with a tolerance."""

from __future__ import annotations

from collections.abc import Sequence

from dmsbench.tasks.scorers import Scorer

#: What a number may be wrong by, as a share of the right one.
TOLERANCE = 0.25


def _nearly(prediction: str, references: Sequence[str]) -> float:
    try:
        given = float(prediction)
    except ValueError:
        return 0.0
    return float(any(abs(given - float(one)) <= TOLERANCE * abs(float(one)) for one in references))


def nearly(task: str) -> Scorer:
    """1 where a number is within a quarter of the right one, else 0; of numbers in words nothing is known."""
    if task not in ("vqa", "counting"):
        raise ValueError(f"scores numbers, and {task} does not answer with any")
    return Scorer(
        "nearly",
        task,
        f"tolerance:{TOLERANCE}|v1",
        "1 where a number is within a quarter of the right one, else 0",
        _nearly,
        graded=True,
    )
