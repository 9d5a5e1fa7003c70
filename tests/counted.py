"""Counts what tests tried, so that a run can say at its end how much it was."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

WHERE = (
    "DMSBENCH_COUNTS"  # a file to which every process of a test run appends; without it nothing is counted
)


def count(what: str, number: int = 1) -> None:
    """Adds to what was tried: `what` in words, on one line. Short appends of several processes do not mix."""
    if path := os.environ.get(WHERE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{number} {what}\n")


def counts(path: Path) -> Counter[str]:
    """What was counted into a file, summed."""
    total: Counter[str] = Counter()
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            number, what = line.split(" ", 1)
            total[what] += int(number)
    return total
