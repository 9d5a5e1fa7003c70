"""Scores by answer type in the leaderboard's files."""

from __future__ import annotations

import json
from collections.abc import Callable

from dmsbench.report.leaderboard import ReportInfo, build, to_json, to_markdown
from dmsbench.scores import Estimate, Scorecard
from dmsbench.scores.answer_types import AnswerTypeScore

MakeCard = Callable[..., Scorecard]
NAN = float("nan")
YES = AnswerTypeScore("yes/no", 40, Estimate(0.9, 0.85, 0.95), Estimate(0.7, 0.65, 0.75))
NUMBER = AnswerTypeScore("number", 1, Estimate(1.0, NAN, NAN), Estimate(NAN, NAN, NAN))


def test_a_table_of_models_by_rank(make_card: MakeCard, info: ReportInfo) -> None:
    cards = {"b|c": make_card(), "a": make_card(mean=Estimate(0.9, 0.8, 1.0))}
    board = build(cards, info, {"b|c": (YES, NUMBER), "a": (NUMBER,)})
    text = to_markdown(board)
    assert text.split("## By answer type\n")[1].splitlines()[1:6] == [
        "| model | type | samples | clean | mean |",
        "| :-- | :-- | --: | --: | --: |",
        "| a | number | 1 | 100.0 [n/a] | n/a |",
        r"| b\|c | yes/no | 40 | 90.0 [85.0, 95.0] | 70.0 [65.0, 75.0] |",
        r"| b\|c | number | 1 | 100.0 [n/a] | n/a |",
    ]
    entries = json.loads(to_json(board))["answer_types"]
    assert [(entry["model"], entry["type"]) for entry in entries] == [
        ("a", "number"),
        ("b|c", "yes/no"),
        ("b|c", "number"),
    ]
    assert entries[0]["clean"] == {"value": 1.0, "low": None, "high": None}


def test_one_type_alone_is_not_told_apart(make_card: MakeCard, info: ReportInfo) -> None:
    board = build({"a": make_card(), "b": make_card()}, info, {"a": (YES,), "b": (YES,)})
    assert "answer type" not in to_markdown(board)
    assert "answer_types" not in json.loads(to_json(board))
