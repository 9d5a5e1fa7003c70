"""A task: how many there are, answered by a number."""

from __future__ import annotations

import re

from dmsbench.tasks.base import Task
from dmsbench.tasks.scorers import Scorer

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER = re.compile(rf"\d+|\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)


def prompt(question: str) -> str:
    """The question with what to answer; damage to the question does not reach it."""
    return f"{question} Answer with a number."


def parse(answer: str) -> str:
    """The first number of an answer, in digits; the answer as it is where it has none."""
    found = _NUMBER.search(answer)
    if found is None:
        return answer
    word = found.group().lower()
    return str(WORDS.index(word)) if word in WORDS else str(int(word))


def _off_by_one(prediction: str, references: list[str]) -> float:
    """1 where the count is right, half where it is wrong by one."""
    if not prediction.isdecimal():
        return 0.0
    apart = min(abs(int(prediction) - int(reference)) for reference in references)
    return {0: 1.0, 1: 0.5}.get(apart, 0.0)


COUNTING = Task(
    name="counting",
    description="how many there are, answered by a number",
    scores=(
        "exact_match",
        Scorer(
            "off_by_one",
            "counting",
            "off_by_one|v1",
            "1 where the count is right, half where it is wrong by one",
            _off_by_one,
            graded=True,
        ),
    ),
    longest=8,
    prompt=prompt,
    parse=parse,
)
