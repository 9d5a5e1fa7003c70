"""Rows of public data sets: every form that answers, captions and options come in, and what is no form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.data.base import Sample
from dmsbench.data.foreign_rows import FOREIGN_KEYS, LETTERS, MOST_ANSWERS, check_columns, own_row
from dmsbench.data.hub import Missing, picture_of
from dmsbench.data.local import row_samples_of
from dmsbench.errors import DataError
from dmsbench.tasks.scorers import scorer
from dmsbench.tasks.vqa import normalise

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda text: text.strip())
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


def mapped(row: dict[str, Any], **columns: str) -> dict[str, Any]:
    found = own_row(row, columns)
    assert not isinstance(found, str), found
    return dict(found)


@given(answers=st.lists(words, min_size=1, max_size=10))
def test_every_form_of_answers_is_the_same_list(answers: list[str]) -> None:
    dictionaries = [{"answer": text, "answer_id": at} for at, text in enumerate(answers)]
    of_lists = {"answer": answers, "answer_id": list(range(len(answers)))}
    for form in (answers, dictionaries, of_lists, [{"text": text} for text in answers]):
        assert mapped({"answers": form})["answers"] == answers
    assert mapped({"a": {"b": dictionaries}}, answers="a.b.answer")["answers"] == answers
    assert mapped({"gold": answers[0]}, answers="gold")["answers"] == answers[0]


def test_a_whole_number_is_an_answer_and_a_truth_value_is_none() -> None:
    assert mapped({"answer": 3})["answer"] == "3"
    assert mapped({"answers": [2, "two"]})["answers"] == ["2", "two"]
    assert mapped({"answer": True})["answer"] is True  # the reading of rows blames it


def test_a_column_whose_name_has_a_dot_is_itself() -> None:
    assert mapped({"q.text": "why?", "q": {"text": "no"}}, question="q.text")["question"] == "why?"


@given(choices=st.lists(words, min_size=2, max_size=8), data=st.data())
def test_options_are_listed_and_the_right_one_goes_by_letter_and_by_text(
    choices: list[str], data: st.DataObject
) -> None:
    right = data.draw(st.integers(0, len(choices) - 1))
    row = mapped({"question": "Which one?", "choices": choices, "answer": right})
    letter, text = LETTERS[right], choices[right].strip()
    assert row["question"].startswith("Which one?\nA. ")
    assert {letter, f"{letter}. {text}"} <= set(row["answers"]) <= {letter, text, f"{letter}. {text}"}
    score = scorer("exact_match_parsed").function
    assert score(letter, row["answers"]) == 1
    assert score(f"({letter})", row["answers"]) == 1
    for other in LETTERS[: len(choices)]:
        # A letter that names another option is never right, whatever the texts are.
        if other != letter and normalise(f"{letter}. {text}") != normalise(other):
            assert score(other, row["answers"]) == 0


def test_the_right_option_may_be_told_by_its_text_or_its_letter() -> None:
    choices = ["red", "blue", "green"]
    for told in (1, "blue", "B", "b", [1]):
        row = mapped({"question": "q", "choices": choices, "answers": told})
        assert row["answers"] == ["B", "blue", "B. blue"]
    # The text of this option is another's letter, so that it cannot be told by it.
    assert mapped({"question": "q", "choices": ["B", "A"], "answer": 0})["answers"] == ["A", "A. B"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"choices": ["a", "b"], "answer": 2}, "none of the choices"),
        ({"choices": ["a", "b"], "answer": -1}, "none of the choices"),
        ({"choices": ["a", "b"], "answer": True}, "none of the choices"),
        ({"choices": ["a", "a"], "answer": "a"}, "none of the choices"),
        ({"choices": ["a", "b"]}, "no answers"),
        ({"choices": ["a"], "answer": 0}, "1 choices"),
        ({"choices": ["a"] * 27, "answer": 0}, "27 choices"),
        ({"choices": ["a", ""], "answer": 0}, "not a list of texts"),
        ({"choices": "ab", "answer": 0}, "not a list of texts"),
        ({"answers": ["x"] * (MOST_ANSWERS + 1)}, "1,001 entries"),
    ],
)
def test_options_and_answers_that_cannot_be_used_are_faults(row: dict[str, Any], reason: str) -> None:
    found = own_row({"question": "q", **row}, {})
    assert isinstance(found, str) and reason in found


@given(
    row=st.dictionaries(st.sampled_from(FOREIGN_KEYS), anything), task=st.sampled_from(["vqa", "captioning"])
)
def test_any_row_becomes_one_sample_or_one_fault(row: dict[str, Any], task: str) -> None:
    found = own_row(row, {})
    if not isinstance(found, str):
        found = {key: value for key, value in found.items() if key != "image"} | {
            "image": Missing(),
            "picture": "p",
        }
    (sample,) = row_samples_of([(1, found)], task, Missing(), picture_of)
    assert isinstance(sample, Sample)
    assert sample.fault is not None or (sample.question and all(sample.answers))


def test_a_missing_column_is_named_with_the_nearest_one() -> None:
    present = ["image", "query", "answers"]
    with pytest.raises(
        DataError, match=r"set: columns: question: unknown column 'qery': did you mean 'query'"
    ):
        check_columns("set", present, {"question": "qery"}, [])
    with pytest.raises(DataError, match="set: no column 'question'; the columns are image, query, answers"):
        check_columns("set", present, {}, [("image",), ("question",)])
    check_columns("set", present, {"question": "query", "answers": "answers.text"}, [("question",)])
