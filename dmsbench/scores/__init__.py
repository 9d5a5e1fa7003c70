"""Robustness scores, intervals and paired tests, from records alone: no inference, no torch.

Records are a data frame with one row per (sample, condition) of one model; ``rows.COLUMNS`` names the
columns. ``scorecard`` scores one model, ``compare`` two.
"""

from dmsbench.scores.bootstrap import Estimate, percentile_interval, replicate_means
from dmsbench.scores.holm import holm
from dmsbench.scores.paired import Comparison, ConditionPair, Contrast, GroupContrast, Verdict, compare
from dmsbench.scores.permutation import sign_flip_tests, smallest_p
from dmsbench.scores.robustness import (
    ConditionScore,
    CorruptionScore,
    CurvePoint,
    Scorecard,
    WorstCondition,
    scorecard,
    scorecard_of_table,
)
from dmsbench.scores.table import ScoreTable

__all__ = [
    "Comparison",
    "ConditionPair",
    "ConditionScore",
    "Contrast",
    "CorruptionScore",
    "CurvePoint",
    "Estimate",
    "GroupContrast",
    "ScoreTable",
    "Scorecard",
    "Verdict",
    "WorstCondition",
    "compare",
    "holm",
    "percentile_interval",
    "replicate_means",
    "scorecard",
    "scorecard_of_table",
    "sign_flip_tests",
    "smallest_p",
]
