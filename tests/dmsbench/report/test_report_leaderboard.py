"""The leaderboard: order, goldens, valid JSON and CSV, escaping, what is said of undefined values."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmsbench.plain_text import one_line
from dmsbench.report.formats import in_catalogue_order, interval, points, rate, shortened, signed_points
from dmsbench.report.leaderboard import Leaderboard, ReportInfo, build, to_csv, to_json, to_markdown, write
from dmsbench.scores import Estimate, Scorecard

GOLDEN = Path(__file__).parent / "golden"
MakeCard = Callable[..., Scorecard]


@pytest.fixture
def board(golden_cards: dict[str, Scorecard], info: ReportInfo) -> Leaderboard:
    return build(golden_cards, info)


def test_files_are_as_they_were(board: Leaderboard, tmp_path: Path) -> None:
    paths = write(board, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["leaderboard.md", "leaderboard.csv", "leaderboard.json"]
    for path in paths:
        assert path.read_bytes() == (GOLDEN / path.name).read_bytes(), path.name
    assert len(list(paths[0].parent.iterdir())) == 3  # nothing is left beside them
    write(board, paths[0].parent)  # again, over the old ones


def test_order_is_by_mean_and_equal_means_share_a_rank(make_card: MakeCard, info: ReportInfo) -> None:
    undefined = Estimate(*[float("nan")] * 3)
    means = {"a": 0.5, "b": 0.7, "c": None, "d": 0.7, "e": 0.1}
    cards = {name: make_card(mean=undefined if m is None else Estimate(m, m, m)) for name, m in means.items()}
    ranks = [(row.rank, row.model) for row in build(cards, info).rows]
    assert ranks == [(1, "b"), (1, "d"), (3, "a"), (4, "e"), (None, "c")]


def test_json_is_valid_with_null_for_nan(board: Leaderboard) -> None:
    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    content = json.loads(to_json(board), parse_constant=refuse)
    broken = next(row for row in content["rows"] if row["model"] == "broken")
    assert broken["mean"] == {"value": None, "low": None, "high": None}
    assert broken["clean"] == {"value": 0.2, "low": None, "high": None}
    assert broken["worst"] is broken["worst_score"] is broken["rank"] is None
    assert content["rows"][0]["above_chance_retention"]["low"] == -0.01
    assert to_json(board) == to_json(board)


def test_csv_has_a_value_for_every_column(board: Leaderboard) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(board)), strict=True))
    assert [row["model"] for row in rows] == ["dms|v2", "baseline", "broken"]
    assert rows[0]["mean_low"] == "0.790000"
    assert rows[2]["mean"] == rows[2]["worst_score_high"] == ""
    assert all(None not in row and None not in row.values() for row in rows)


def test_names_cannot_break_the_markdown_table(make_card: MakeCard, info: ReportInfo) -> None:
    names = [
        "a|b",
        "new\nline",
        "`code`",
        "<b>",
        "*x*",
        "back\\slash|",
        "_edge_ in_side",
        "\x1b[31m",
        "[a](b)",
    ]
    board = build({name: make_card() for name in names}, info)
    lines = [line for line in to_markdown(board).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(names)
    unescaped = [line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines]
    assert set(unescaped) == {11}
    for shown in (
        r"a\|b",
        "new line",
        r"\`code\`",
        r"\<b\>",
        r"\*x\*",
        r"back\\slash\|",
        r"\_edge\_ in_side",
    ):
        assert any(f"| {shown} |" in line for line in lines)
    assert "\x1b" not in to_markdown(board)


def test_reasons_for_what_is_undefined(make_card: MakeCard, info: ReportInfo) -> None:
    nothing = Estimate(*[float("nan")] * 3)
    text = to_markdown(build({"m": make_card(above_chance_retention=nothing, chance=None)}, info))
    assert "n/a: **above-chance retention** needs a chance that is known for this data set and score." in text
    assert "chance is unknown here" in text
    assert text.count("n/a: ") == 1
    text = to_markdown(build({"m": make_card(above_chance_retention=nothing)}, info))
    assert "n/a: **above-chance retention** needs a mean and a clean score above chance." in text


def test_refuses_nothing_and_unlike_scorecards(make_card: MakeCard, info: ReportInfo) -> None:
    with pytest.raises(ValueError, match="at least one"):
        build({}, info)
    with pytest.raises(ValueError, match="differ in chance"):
        build({"a": make_card(), "b": make_card(chance=0.5)}, info)


def test_formats() -> None:
    nan = float("nan")
    assert [points(x) for x in (0.963, 1.0, -0.0001, nan)] == ["96.3", "100.0", "0.0", "n/a"]
    assert [signed_points(x) for x in (0.007, -0.012, -0.00004, nan)] == ["+0.70", "-1.20", "0.00", "n/a"]
    assert interval(0.951, 0.974) == "[95.1, 97.4]"
    assert interval(nan, 0.5) == "[n/a]"
    assert [rate(x) for x in (0.0, 0.0001, 0.025)] == ["0.0 %", "<0.1 %", "2.5 %"]
    assert one_line("a\tb\n\x00\ud800") == "a b \ufffd\ufffd"
    assert shortened("llava-1.5-7b,fusion=dms", 11) == "llava…n=dms"
    assert shortened("short", 11) == "short"
    names = ["zzz", "mismatch", "fog9+ocr", "ocr", "gaussian_noise+ocr", "contrast", "ocr"]
    ordered = ["contrast", "ocr", "mismatch", "gaussian_noise+ocr", "zzz", "fog9+ocr"]
    assert in_catalogue_order(names)[:4] == ordered[:4]
    assert set(in_catalogue_order(names)) == set(ordered)


def test_importing_reports_is_light() -> None:
    heavy = ("matplotlib", "torch", "rich", "cv2", "pandas")
    code = f"import sys, dmsbench.report; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_means_that_are_equal_up_to_rounding_share_a_rank(make_card: MakeCard, info: ReportInfo) -> None:
    """A point more here and a point less there may add up to another last bit."""
    above = Estimate(0.1 + 0.2, 0.2, 0.4)
    exact = Estimate(0.3, 0.2, 0.4)
    assert above.value > exact.value
    rows = build({"a": make_card(mean=exact), "b": make_card(mean=above)}, info).rows
    assert [(row.model, row.rank) for row in rows] == [("a", 1), ("b", 1)]
