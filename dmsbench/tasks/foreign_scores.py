"""Scores that other packages offer: loaded, checked, and told apart by package and version."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

from dmsbench.plugins import Plugin
from dmsbench.score_names import RETRIEVAL
from dmsbench.tasks.scorers import ScoreFunction, Scorer


@functools.cache
def load(plugin: Plugin, task: str) -> Scorer:
    """A package's score for a task; its signature has the package's name and version.

    Raises DmsbenchError where it cannot be loaded, does not fit the task or is no ``Scorer``. So does the
    score itself where it fails at an answer or is outside [0, 1].
    """
    made = plugin.asked("to make the score", task)
    if not isinstance(made, Scorer):
        raise plugin.unusable(f"{plugin.entry.value} gives a {type(made).__name__}, not a Scorer")
    return signed(plugin, replace(made, name=plugin.name, task=task))


def signed(plugin: Plugin, made: Scorer) -> Scorer:
    """A package's score with what it gives checked, and the package in its signature."""
    if not made.signature:
        raise plugin.unusable("its signature is empty: it has to say the score's rules and version")
    searching = made.task == RETRIEVAL
    if searching != (made.of_rank is not None) or searching != (made.of_chance is not None):
        raise plugin.unusable("of_rank and of_chance belong to scores of retrieval, which need both")
    of_split = made.of_split

    def fixed(images: Sequence[Sequence[str]]) -> tuple[ScoreFunction, str]:
        if of_split is None:
            return made.function, made.signature
        function, signature = of_split(images)
        return _checked(plugin, function), _signed(plugin, replace(made, signature=signature))

    return replace(
        made,
        signature=_signed(plugin, made),
        function=_checked(plugin, made.function),
        of_split=None if of_split is None else fixed,
        of_rank=None if made.of_rank is None else _checked(plugin, made.of_rank),
    )


def _signed(plugin: Plugin, made: Scorer) -> str:
    named = made.signature.partition("|")[0] == made.name
    return f"{'' if named else f'{made.name}|'}{made.signature}|{plugin.title}"


def _checked(plugin: Plugin, function: Callable[..., Any]) -> Callable[..., float]:
    def score(*given: Any) -> float:
        found = plugin.called("at an answer", function, *given)
        value = float(found) if isinstance(found, Real) else math.nan
        if not 0.0 <= value <= 1.0:
            raise plugin.unusable(f"a score is a number from 0 to 1, not {found!r}")
        return value

    return score
