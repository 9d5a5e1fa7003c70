"""The terminal's tables: what they say, at the widths that terminals have."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from dmsbench.report import ReportInfo, comparison_table, corruption_table, scorecard_table
from dmsbench.report.comparison import as_dict, as_rows
from dmsbench.report.groups import Groups
from dmsbench.report.leaderboard import build
from dmsbench.report.tables import corruption_tables
from dmsbench.scores import Comparison, Contrast, Estimate, GroupContrast, Scorecard, Verdict

MakeCard = Callable[..., Scorecard]
NAMES = ("jpeg_compression", "gaussian_noise", "ocr", "gaussian_noise+char_delete")


def shown(table: Any, width: int = 100) -> list[str]:
    console = Console(
        width=width, color_system=None, force_terminal=False, record=True, file=None, quiet=False
    )
    with console.capture() as capture:
        console.print(table)
    lines = capture.get().splitlines()
    assert all(len(line) <= width for line in lines)
    assert "…" not in capture.get()
    return [line.rstrip() for line in lines]


def contrast(name: str, **changes: Any) -> Contrast:
    content = Contrast(
        name=name,
        a=0.8,
        b=0.8125,
        difference=0.0125,
        ci_low=-0.001,
        ci_high=0.03,
        p_value=0.0312,
        p_adjusted=0.0624,
        min_p=0.0001,
        n_conditions=5,
        n_pairs=2500,
        n_groups=52,
        verdict=Verdict.NO_DIFFERENCE,
    )
    return replace(content, **changes)


def comparison(**changes: Any) -> Comparison:
    better = {"p_adjusted": 0.0001, "ci_low": 0.002, "verdict": Verdict.B_BETTER}
    nothing = dict.fromkeys(("a", "b", "difference", "ci_low", "ci_high", "p_adjusted"), float("nan"))
    content = Comparison(
        overall=contrast("overall", **better),
        clean=contrast("clean", difference=0.0),
        corruptions=(
            contrast("gaussian_noise+char_delete"),
            contrast("jpeg_compression", difference=-0.2, verdict=Verdict.A_BETTER),
            contrast("ocr", **nothing),
        ),
        conditions=(),
        n_samples=500,
        n_groups=52,
        n_pairs=7500,
        n_error_pairs=0,
        n_left_out=0,
        n_errors_a=0,
        n_errors_b=0,
        alpha=0.05,
        level=0.95,
        replicates=10_000,
        seed=0,
    )
    return replace(content, **changes)


def test_two_models_side_by_side_in_80_columns(golden_cards: dict[str, Scorecard], info: ReportInfo) -> None:
    lines = shown(scorecard_table(build(golden_cards, info)), 80)
    assert lines[0] == "vqa-corrupt: easy_vqa, 500 samples, seed 0"
    (mean,) = (line for line in lines if line.lstrip().startswith("mean"))
    assert mean.split() == ["mean", "over", "conditions", "81.2", "[79.0,83.0]", "80.0", "[78.0,82.0]", "n/a"]
    assert any("dms|v2" in line and "baseline" in line and "broken" in line for line in lines)
    assert any(line.split() == ["errors", "<0.1", "%", "0.0", "%", "83.3", "%"] for line in lines)
    assert any("ocr@5" in line for line in lines)


@pytest.mark.parametrize("n_models", [1, 3, 4, 6])
def test_scorecards_fit_100_columns(make_card: MakeCard, info: ReportInfo, n_models: int) -> None:
    wide = Estimate(1.0, 0.95, 1.0)
    cards = {
        f"[red]llava-1.5-7b,fusion=dms-{i}": make_card(
            ["jpeg_compression"], clean=wide, mean=wide, retention=wide, ausc=wide, n_errors=3000
        )
        for i in range(n_models)
    }
    lines = shown(scorecard_table(build(cards, info)))
    assert sum(line.count("jpeg_compression@5") for line in lines) == n_models
    assert any("[red]" in line for line in lines)
    assert any("100.0 %" in line for line in lines)


@pytest.mark.parametrize("n_models", [1, 2, 6])
def test_corruptions_by_model(make_card: MakeCard, n_models: int) -> None:
    cards = {f"[b]model-{i}[/b]": make_card(NAMES) for i in range(n_models)}
    lines = shown(corruption_table(cards))
    first = {line.split()[0]: line.split()[1:] for line in lines if line.split()}
    assert list(first)[-7:-1] == ["clean", *NAMES[1::-1], "ocr", "gaussian_noise+", "char_delete"]
    assert first["clean"] == ["96.0"] * n_models
    assert first["ocr"] == ["84.0"] * n_models
    assert first["gaussian_noise+"] == ["81.0", "<"] * n_models  # the lowest, said in text
    assert sum(line.count("<") for line in lines) == n_models + 1  # and in the caption


def test_many_models_in_80_columns_keep_names_and_numbers(make_card: MakeCard, info: ReportInfo) -> None:
    """What a pipe gets: no cell is cut, no name is squeezed out."""
    wide = Estimate(1.0, 0.955, 1.0)
    figures = {"clean": wide, "mean": wide, "retention": wide, "above_chance_retention": wide, "ausc": wide}
    cards = {f"model-{i:02}": make_card(NAMES, **figures, n_errors=3000) for i in range(17)}
    lines = shown(scorecard_table(build(cards, info), 80), 80)
    assert all(sum(name in line for line in lines) == 1 for name in cards)
    assert sum("100.0 %" in line for line in lines) == len(cards)
    tables = corruption_tables(cards, 80)
    lines = [line for table in tables for line in shown(table, 80)]
    assert all(sum(name in line for line in lines) == 1 for name in cards)
    assert sum(line.count("84.0") for line in lines if line.split()[:1] == ["ocr"]) == len(cards)
    assert len(corruption_tables({name: cards[name] for name in list(cards)[:3]}, 80)) == 1


def test_a_model_without_a_corruption(make_card: MakeCard) -> None:
    lines = shown(corruption_table({"all": make_card(NAMES), "few": make_card(["ocr"])}))
    assert any(line.split() == ["jpeg_compression", "90.0", "n/a"] for line in lines)


def test_groups_stand_below_without_a_test() -> None:
    def group(name: str, n: int) -> GroupContrast:
        return GroupContrast(name, 0.5, 0.54, 0.04, 0.012, 0.068, n)

    groups = Groups(
        (group("unseen family", 7),), (group("image:noise", 1), group("image:noise+text:word", 2))
    )
    lines = shown(comparison_table(comparison(), "a", "b", groups), 80)
    rows = [line.split() for line in lines]
    assert ["image:noise", "50.0", "54.0", "+4.00", "[+1.20,", "+6.80]", "1", "condition"] in rows
    assert any(row[:2] == ["unseen", "family"] and row[-2:] == ["7", "conditions"] for row in rows)
    assert any(row[:1] == ["image:noise+"] for row in rows) and ["text:word"] in rows
    assert "image:noise" not in "".join(shown(comparison_table(comparison(), "a", "b", Groups())))


def test_comparison() -> None:
    lines = shown(comparison_table(comparison(), "base[red]line", "dms"))
    assert lines[:2] == ["A: base[red]line", "B: dms"]
    rows = [line.split() for line in lines]
    assert ["overall", "80.0", "81.2", "+1.25", "[+0.20,", "+3.00]", "<0.001", "B", "better"] in rows
    assert ["jpeg_compression", "80.0", "81.2", "-20.00", "[-0.10,", "+3.00]", "0.062", "A", "better"] in rows
    assert ["ocr", *["n/a"] * 3, "[n/a]", "n/a", "not", "significant"] in rows
    assert sum("not significant" in line for line in lines) == 3
    names = ["overall", "clean", "jpeg_compression", "ocr", "gaussian_noise+", "char_delete"]
    assert [row[0] for row in rows if row and row[0] in names] == names
    assert not any("left out" in line or "too few" in line for line in lines)


def test_what_the_comparison_says_below() -> None:
    small = comparison(overall=None, clean=None, n_error_pairs=3, corruptions=(contrast("ocr", min_p=0.25),))
    text = " ".join(shown(comparison_table(small, "a", "b")))
    assert "pairs left out for an error in A or B: 3" in text
    assert "too few images" in text


def test_a_comparison_in_80_columns_loses_no_number() -> None:
    lines = shown(comparison_table(comparison(), "a", "b"), 80)
    assert any("jpeg_compression" in line and "-20.00" in line and "0.062" in line for line in lines)


def test_error_rates_stand_beside_what_is_compared() -> None:
    failing = comparison(n_pairs=990, n_error_pairs=10, n_errors_a=4, n_errors_b=10)
    found = as_dict(failing, "s", "a", "b")
    assert (found["error_rate_a"], found["error_rate_b"]) == (0.004, 0.01)
    for line in csv.DictReader(as_rows(failing, "a", "b", markdown=False).splitlines()):
        assert (line["error_rate_a"], line["error_rate_b"]) == ("0.004", "0.01")
    said = "errors: a 0.4 %, b 1.0 %; 10 pairs left out for an error in either"
    assert said in as_rows(failing, "a", "b", markdown=True)
    table = " ".join(shown(comparison_table(failing, "a", "b"), 100))
    assert "errors: A 0.4 %, B 1.0 %" in table
    # None is said, too: silence would be no figure.
    sound = as_rows(comparison(), "a", "b", markdown=True)
    assert "errors: a 0.0 %, b 0.0 %; 0 pairs" in sound
