"""Scores by answer type, as the leaderboard's files show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dmsbench.report.formats import escaped, with_interval

if TYPE_CHECKING:
    from dmsbench.scores.answer_types import AnswerTypeScore

    #: By model.
    TypeScores = Mapping[str, Sequence[AnswerTypeScore]]

NOTE = (
    "A question's type is that of its commonest reference: yes or no, a number, or other. **mean** as above, "
    "over the questions of that type."
)


def telling(scores: TypeScores) -> TypeScores:
    """The scores, or nothing where all questions are of one type: they would repeat the leaderboard."""
    return scores if len({score.type for own in scores.values() for score in own}) > 1 else {}


def entries(scores: TypeScores) -> list[dict[str, Any]]:
    """``[{model, type, n_samples, clean, mean}]``."""
    return [{"model": model, **asdict(score)} for model, own in scores.items() for score in own]


def section(scores: TypeScores) -> list[str]:
    """Lines of Markdown: a heading, a table with scores in points, and what a type is."""
    rows = [
        f"| {escaped(model)} | {score.type} | {score.n_samples} | {with_interval(score.clean)} "
        f"| {with_interval(score.mean)} |"
        for model, own in scores.items()
        for score in own
    ]
    heading = [
        "## By answer type",
        "",
        "| model | type | samples | clean | mean |",
        "| :-- | :-- | --: | --: | --: |",
    ]
    return [*heading, *rows, "", NOTE]
