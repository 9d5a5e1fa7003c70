"""Scores by the type of answer that a question asks for: yes or no, a number, anything else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dmsbench.scores.bootstrap import (
    LEVEL,
    REPLICATES,
    Estimate,
    check_settings,
    estimate,
    mean_over_cells,
    replicate_means,
)
from dmsbench.scores.rows import Rows
from dmsbench.scores.table import ScoreTable
from dmsbench.tasks.vqa_v2 import processed

YES_NO, NUMBER, OTHER = TYPES = ("yes/no", "number", "other")
_NUMBER = re.compile(r"\d+(\.\d+)?|\.\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class AnswerTypeScore:
    """One model's scores on the questions of one type; as in ``Scorecard``, on these samples alone."""

    type: str
    n_samples: int
    clean: Estimate
    mean: Estimate
    """Equal-weight mean over all corrupted conditions."""


def answer_type(references: Iterable[str]) -> str | None:
    """The type of the commonest reference, one of ``TYPES``; None without references.

    VQA v2 gives each question the type of its annotators' commonest answer (visualqa.org, ``answer_type``).
    What it went by is not published, so here references are compared as its evaluation processes them ("two"
    is 2), yes and no are "yes/no", and digits with or without a decimal point are "number". Of equally common
    references the one counts whose type most references have, then the one earlier in ``TYPES``.
    """
    counts = Counter(map(processed, references))
    if not counts:
        return None
    votes: Counter[str] = Counter()
    for answer, count in counts.items():
        votes[_type(answer)] += count
    most = max(counts.values())
    leading = {_type(answer) for answer, count in counts.items() if count == most}
    return min(leading, key=lambda name: (-votes[name], TYPES.index(name)))


def _type(answer: str) -> str:
    if answer in ("yes", "no"):
        return YES_NO
    return NUMBER if _NUMBER.fullmatch(answer) else OTHER


def sample_types(frame: pd.DataFrame) -> dict[str, str]:
    """The answer type of each sample of a model's records, by id; samples without references have none."""
    firsts = frame.drop_duplicates("sample_id")
    found = {}
    for sample, references in zip(firsts["sample_id"], firsts["references"], strict=True):
        name = None if references is None else answer_type(references)
        if name is not None:
            found[str(sample)] = name
    return found


def answer_type_scores(
    rows: Rows,
    types: Mapping[str, str],
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
    level: float = LEVEL,
) -> tuple[AnswerTypeScore, ...]:
    """One model's scores by answer type, in the order of ``TYPES``, types without a sample not among them.

    ``types`` gives samples their type by id; samples that it does not hold are in no score.
    """
    check_settings(replicates=replicates, level=level)
    found = []
    for name in TYPES:
        own = rows.of_samples(sample for sample in rows.samples if types.get(sample) == name)
        if not own.samples:
            continue
        table = ScoreTable.from_rows(own)
        boot = replicate_means(table.sums, table.counts, replicates=replicates, seed=seed)
        cells = np.vstack([table.means(), boot])
        is_clean = np.array([condition.is_clean for condition in table.conditions], dtype=np.bool_)
        clean, mean = (mean_over_cells(cells[:, mask]) for mask in (is_clean, ~is_clean))
        found.append(
            AnswerTypeScore(
                name,
                len(own.samples),
                *(estimate(float(values[0]), values[1:], level) for values in (clean, mean)),
            )
        )
    return tuple(found)
