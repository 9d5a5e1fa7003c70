"""Reading and scoring answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.vqa import exact_match, normalise


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes.", "yes"),
        ("  the  red  circle ", "red circle"),
        ("A", "a"),
        ("an apple!", "apple"),
        ('"no"', "no"),
        ("-5", "-5"),
        ("(-5)", "-5"),
        ("3.5", "3.5"),
        ("t-shirt", "t-shirt"),
        ("?", "?"),
        ("", ""),
        ("caf\u0065\u0301", "caf\u00e9"),
    ],
)
def test_normalise(answer: str, expected: str) -> None:
    assert normalise(answer) == expected


def test_exact_match() -> None:
    assert exact_match("The circle.", ["circle"]) == 1.0
    assert exact_match("two", ["2", "two"]) == 1.0
    assert exact_match("-5", ["5"]) == 0.0
    assert exact_match("", ["?"]) == 0.0
    with pytest.raises(ValueError, match="no reference"):
        exact_match("yes", [])


@given(st.text(max_size=20))
def test_normalising_twice_changes_nothing(answer: str) -> None:
    once = normalise(answer)
    assert normalise(once) == once
    if answer.strip():
        assert exact_match(answer, [answer]) == 1.0
