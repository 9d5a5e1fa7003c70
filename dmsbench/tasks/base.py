"""A task of the shape that most have: a prompt is answered, and the answer is read and scored.

Questions and captions are such tasks, and what other packages offer as tasks is too. Retrieval, where a
gallery is searched, is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dmsbench.data.base import Chance, Sample
    from dmsbench.tasks.scorers import Scorer

#: Tokens of an answer at most: what a task may ask for.
MOST_TOKENS = 8192


def as_it_is(text: str) -> str:
    """The text itself."""
    return text


@dataclass(frozen=True, slots=True)
class Task:
    """How samples become prompts, how answers are read, and by which scores."""

    name: str
    description: str
    #: Names of builtin scores, and scores of the task's own. The first is its suites' where they name none.
    scores: tuple[str | Scorer, ...]
    #: The longest answer in tokens where a model's specification does not say it.
    longest: int = 16
    #: What the builtin data sets give for it: their questions, or their captions. Data sets of other packages
    #: are told the task's own name.
    samples: Literal["vqa", "captioning"] = "vqa"
    #: What schedulers weigh: the whole answer by the evidence at its ``first`` token, or ``each`` token.
    steps: Literal["first", "each"] = "first"
    #: What is asked, of a sample's question as a view shows it: corruptions come before it, so that
    #: instructions which it adds stay whole, and a context stays beside it.
    prompt: Callable[[str], str] = as_it_is
    #: The answer in what a model wrote, which is then scored. Records keep what the model wrote.
    parse: Callable[[str], str] = as_it_is
    #: The score of guessing, of all the samples without a fault; None: the data set's own chance.
    chance: Callable[[Sequence[Sample]], Chance | None] | None = None
    #: Raised whenever prompts or parsing change: records of another version are never mixed in.
    version: int = 1
    #: Package and version that bring it, put in by whoever loads it; empty for a builtin task.
    origin: str = ""

    @property
    def signature(self) -> str:
        """What identifies a task of another package in the keys of records; empty for a builtin one."""
        return f"{self.name}|v{self.version}|{self.origin}" if self.origin else ""
