"""Splitting captions into words."""

from __future__ import annotations

import pytest
from golden_captions import CAPTIONS, STANFORD_WORDS
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.captions.tokens import tokenise


@pytest.mark.parametrize(("caption", "words"), STANFORD_WORDS)
def test_words_are_stanfords(caption: str, words: str) -> None:
    assert " ".join(tokenise(caption)) == words


@pytest.mark.parametrize("caption", sorted({text for one, more in CAPTIONS for text in (one, *more)}))
def test_golden_captions_are_words_already(caption: str) -> None:
    assert " ".join(tokenise(caption)) == caption


@pytest.mark.parametrize("caption", ["", "  \n", ". , !", '"', "— … -"])
def test_no_words(caption: str) -> None:
    assert tokenise(caption) == []


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert tokenise("cafe\u0301") == tokenise("caf\u00e9") == ["caf\u00e9"]


@given(st.text(max_size=40) | st.text("an't' .,-'s?!1:(", max_size=40))
def test_any_text_has_words_without_blanks(caption: str) -> None:
    words = tokenise(caption)
    assert all(word and not any(letter.isspace() for letter in word) for word in words)
    assert words == tokenise(f"  {caption}\n")


def test_lower_case_keeps_letters() -> None:
    assert tokenise("STRAßE") == ["straße"]


def test_long_babble_is_split() -> None:
    assert tokenise("x" + "'s" * 2000) == ["x"] + ["'s"] * 2000
