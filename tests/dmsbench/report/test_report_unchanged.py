"""Conditions that left samples unchanged are named in every report."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

from rich.console import Console

from dmsbench.grid import CLEAN, Condition, View
from dmsbench.report.build import Report, print_report
from dmsbench.report.leaderboard import ReportInfo, build, notes, to_json, to_markdown
from dmsbench.report.unchanged import Unchanged, unchanged_conditions, unchanged_note
from dmsbench.scores import Estimate, Scorecard
from dmsbench.scores.robustness import ConditionScore

MakeCard = Callable[..., Scorecard]


def cell(name: str, severity: int, unchanged: int, *, errors: int = 0) -> ConditionScore:
    view = View(name, severity)
    condition = Condition(text=view)
    return ConditionScore(condition, Estimate(0.5, 0.4, 0.6), 100 + errors, errors, unchanged)


CELLS = (
    ConditionScore(Condition(CLEAN, CLEAN), Estimate(0.9, 0.8, 1.0), 100, 0, 100),
    cell("ocr", 1, 1),
    cell("ocr", 2, 2),
    cell("synonym", 1, 42, errors=7),
    cell("paraphrase", 1, 20),
    cell("paraphrase", 2, 20),
    cell("drop_text", 1, 80),
)


def test_worst_first_without_clean_and_modalities(make_card: MakeCard) -> None:
    cards = [make_card(conditions=CELLS), make_card(conditions=(cell("ocr", 2, 30), cell("leet", 5, 0)))]
    assert unchanged_conditions(cards) == (
        Unchanged("synonym@1", 0.42),
        Unchanged("ocr@2", 0.3),
        Unchanged("paraphrase@1", 0.2),
        Unchanged("paraphrase@2", 0.2),
    )
    assert unchanged_conditions([make_card(conditions=(cell("ocr", 1, 0, errors=3),))]) == ()


def test_a_few_are_named_and_the_others_counted() -> None:
    assert unchanged_note(()) is None
    found = [Unchanged(f"ocr@{i}", 0.5 - i / 100) for i in range(7)]
    assert unchanged_note(found[:1]) == "unchanged samples, scored as clean ones: ocr@0 50 %"
    assert unchanged_note(found) == (
        "unchanged samples, scored as clean ones: ocr@0 50 %, ocr@1 49 %, ocr@2 48 %, ocr@3 47 %, "
        "and 3 more conditions above 1 %"
    )


def test_every_report_says_so(make_card: MakeCard, info: ReportInfo) -> None:
    cards = {"a": make_card(conditions=CELLS)}
    board = build(cards, info)
    assert any("synonym@1 42 %" in note for note in notes(board))
    assert "synonym@1 42 %" in to_markdown(board)
    content = json.loads(to_json(board))
    assert content["unchanged"][0] == {"condition": "synonym@1", "share": 0.42}
    assert content["profile"] == "auto"
    out = io.StringIO()
    print_report(Report(cards, board, (), ()), Console(file=out, width=200))
    assert "unchanged samples, scored as clean ones: synonym@1 42 %" in out.getvalue()
    quiet = build({"a": make_card()}, info)
    assert not any("unchanged" in note for note in notes(quiet))
