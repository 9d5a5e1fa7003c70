"""Short answers in sentences, and sentences that are left alone."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.answer_parsing import short_answer
from dmsbench.tasks.scorers import scorer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is: blue.", "blue"),
        ("the answer is blue", "blue"),
        ("Answer: blue", "blue"),
        ("**Answer:** blue", "blue"),
        ("The correct answer is **blue**.", "blue"),
        ("Final answer: 3.5", "3.5"),
        ("The shape is round. So the answer is: circle.", "circle"),
        ("Answer: red. No, wait.\nFinal answer: blue", "blue"),
        ("The answer is blue because the shape is blue.", "blue"),
        ("The answer is yes, there is a circle.", "yes"),
        ("The answer is that way", "The answer is that way"),
        ("Yes, it is.", "Yes"),
        ("yes, there is a red circle in the picture", "yes"),
        ("No. The shape is red.", "No"),
        ("No, it isn't.\nIt is red.", "No"),
        ("yes it is", "yes"),
        ("It is a circle", "a circle"),
        ("It's red.", "red"),
        ("It\u2019s red", "red"),
        ("This is a teddy bear.", "a teddy bear"),
        ("They are black and white.", "black and white"),
        ("The color of the shape is blue.", "blue"),
        ("The circle is blue.", "blue"),
        ("I think it is blue.", "blue"),
        ("There are 3 shapes.", "3"),
        ("There is one dog in the picture", "one"),
        ("I can see two dogs.", "two"),
        ("There are 1,000 people.", "1,000"),
        ("Answer: B", "B"),
        ("B) red", "B"),
        ("(C)", "C"),
        ("(C) a dog\nIt is brown.", "C"),
        ("Option D", "D"),
        ("Answer: B. red", "B"),
        ("The answer is (A).", "A"),
    ],
)
def test_a_sentence_is_read(text: str, expected: str) -> None:
    assert short_answer(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "blue",
        "Blue.",
        " blue ",
        "no parking",
        "yes men",
        "No, thank you",
        "No. 5",
        "know it all",
        "the answer",
        "The answer is",
        "The answer is not known.",
        "Answer:",
        "answer the phone",
        "It is",
        "It is not a circle.",
        "It isn't red",
        "It is what it is",
        "It is because of the rain",
        "This is a picture of a busy street corner.",
        "There is a dog.",
        "There are no dogs.",
        "There are 3 red and 2 blue shapes.",
        "three dogs",
        "the circle is blue",
        "the end is near",
        "The dog is not brown.",
        "A",
        "B",
        "a dog",
        "A dog",
        "a) dog",
        "vitamin C",
        "B. King",
        "E. coli",
        "Dr. Pepper",
        "10:30",
        "t-shirt",
        "**blue**",
        "I don't know",
    ],
)
def test_what_may_be_an_answer_itself_stays_as_it_is(text: str) -> None:
    assert short_answer(text) == text


WORDS = "the answer is : it 's yes , no . there are 3 two A B ) ( option blue ** \" not I think because \n"


@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=12).map(" ".join) | st.text(max_size=30))
def test_what_is_read_is_a_piece_and_is_read_once(text: str) -> None:
    found = short_answer(text)
    assert found in text
    assert bool(found.strip()) == bool(text.strip())
    assert short_answer(found) == found


@given(st.text(string.ascii_letters + string.digits + "-'.", min_size=1, max_size=12))
def test_one_word_is_an_answer(word: str) -> None:
    assert short_answer(word) == word


def test_parsed_scores_read_the_prediction_alone() -> None:
    assert scorer("exact_match_parsed").function("Yes, it is.", ["yes"]) == 1.0
    assert scorer("exact_match").function("Yes, it is.", ["yes"]) == 0.0
    assert scorer("vqa_v2_normalized_parsed").function("There are two shapes.", ["2"]) == 1.0
    assert scorer("exact_match_parsed").function("There are two shapes.", ["2"]) == 0.0
    assert scorer("exact_match_parsed").function("blue", ["The answer is: blue"]) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "The answer is" + " " * 20_000 + "x",
        "Answer: a" + " " * 20_000 + "b",
        "the color of " + "a " * 10_000,
        "yes, it " + "is " * 10_000,
        "answer: " + "*" * 10_000,
        "there are " + "3 " * 10_000,
    ],
    ids=range(6),
)
def test_a_babbling_model_costs_no_time(text: str) -> None:
    began = time.process_time()
    short_answer(text)
    assert time.process_time() - began < 1.0
