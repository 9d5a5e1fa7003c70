"""VQA v2's accuracy: goldens from the rules at visualqa.org/evaluation.html, worked out by hand."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.vqa_v2 import CONTRACTIONS, normalized_match, official_accuracy, processed

#: Answers made of what the rules look at.
ANSWERS = st.lists(
    st.sampled_from(
        ["a", "the", "none", "two", "dont", "'", ".", ",", "-", "/", " ", "\n", "\t", "5", "x", "É", "?"]
    )
    | st.characters(codec="utf-8"),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes", "yes"),
        ("a  Red\nball\t", "red ball"),
        ("The End.", "end"),
        ("none", "0"),
        ("Ten", "10"),
        ("twenty one", "twenty 1"),
        ("dont", "don't"),
        ("don't", "don't"),
        ("couldnt've", "couldn't've"),
        ("yall'd've", "y'all'd've"),
        ("somebody'd", "somebodyd"),
        ("3.5", "3.5"),
        ("u.s.a.", "usa"),
        ("1.", "1"),
        (".5", ".5"),
        ("1,000", "1000"),
        ("1,000/day", "1000day"),  # a comma between digits removes every mark
        ("red/blue", "red blue"),
        ("red / blue", "red blue"),
        ("red/ blue/green", "red bluegreen"),  # one slash beside a blank removes all of them
        ("t-shirt", "t shirt"),
        ("10:30", "10:30"),  # the colon and the apostrophe are no marks
        ("black & white", "black & white"),
        ("50%", "50%"),
        ("what?!", "what"),
        ("A", ""),
        ("I'm", "i'm"),
        ("Im", "im"),  # the official table's capitals never meet a lower-cased word
    ],
)
def test_processing(answer: str, expected: str) -> None:
    assert processed(answer) == expected


def test_contractions_lack_one_apostrophe() -> None:
    """113 of the official table's 120 entries follow that rule, one is the wrong way round, six are inert."""
    assert len(CONTRACTIONS) == 114
    turned = [lacking for lacking, word in CONTRACTIONS.items() if len(word) != len(lacking) + 1]
    assert turned == ["somebody'd"]
    assert all(lacking.replace("'", "") == word.replace("'", "") for lacking, word in CONTRACTIONS.items())


@pytest.mark.parametrize(
    ("matches", "expected"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0), (10, 1.0)]
)
def test_accuracy_over_ten_annotators(matches: int, expected: float) -> None:
    assert official_accuracy("yes", ["yes"] * matches + ["no"] * (10 - matches)) == expected


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (["yes"], 1.0),
        (["no"], 0.0),
        (["yes"] * 2, 1 / 3),
        (["yes", "no"], 1 / 6),
        (["yes"] * 3, 2 / 3),
        (["yes"] * 4, 1.0),
        (["yes", "no", "no"], 2 / 9),
    ],
)
def test_accuracy_over_fewer(references: list[str], expected: float) -> None:
    assert official_accuracy("yes", references) == pytest.approx(expected, abs=1e-15)


def test_answers_are_processed_only_where_annotators_differ() -> None:
    assert official_accuracy("Yes.", ["yes"] * 10) == 0.0
    assert official_accuracy(" yes\n", ["yes"] * 10) == 1.0
    assert official_accuracy("Yes.", ["yes"] * 9 + ["no"]) == 1.0
    assert official_accuracy("two", ["2"] * 3 + ["two"] + ["3"] * 6) == 1.0
    assert official_accuracy("the stop", ["stop"] * 5 + ["Stop!"] * 5) == 1.0
    # Blanks at the ends are no difference.
    assert official_accuracy("STOP", ["stop"] * 9 + [" stop"]) == 0.0


def test_an_annotator_is_left_out_by_place_not_by_answer() -> None:
    """Leaving out all who say the same would give 0 where all agree."""
    assert official_accuracy("cat", ["cat"] * 10) == 1.0


@given(ANSWERS, st.lists(ANSWERS, min_size=2, max_size=11))
def test_accuracy_is_the_mean_over_all_choices_of_all_but_one(prediction: str, references: list[str]) -> None:
    prediction, references = processed(prediction), [processed(reference) for reference in references]
    others = [
        min(1.0, sum(reference == prediction for reference in chosen) / 3)
        for chosen in combinations(references, len(references) - 1)
    ]
    assert official_accuracy(prediction, references) == pytest.approx(sum(others) / len(others), abs=1e-12)


@given(ANSWERS)
def test_processing_twice_changes_nothing(answer: str) -> None:
    assert processed(processed(answer)) == processed(answer)


def test_the_official_limit_of_periods_is_kept() -> None:
    assert processed("." * 33 + "x") == ".x"
    assert processed(processed("." * 33 + "x")) == "x"


def test_normalized_match_processes_both_sides() -> None:
    assert normalized_match("The two.", ["2"]) == 1.0
    assert normalized_match("Yes.", ["yes"] * 10) == 1.0
    assert normalized_match("dont", ["stop", "don't"]) == 1.0
    assert normalized_match("red", ["blue", "green"]) == 0.0


def test_an_emptied_answer_matches_its_like_alone() -> None:
    assert normalized_match("A", ["a"]) == 1.0
    assert normalized_match("A", ["the"]) == 0.0
    assert normalized_match("", ["?"]) == 0.0


@given(ANSWERS, st.lists(ANSWERS, min_size=1, max_size=10))
def test_a_normalized_match_is_one_of_any_reference(prediction: str, references: list[str]) -> None:
    score = normalized_match(prediction, references)
    assert score == max(normalized_match(prediction, [reference]) for reference in references)
    assert normalized_match(prediction, [*references, prediction]) == 1.0
