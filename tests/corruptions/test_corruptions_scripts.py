"""Texts in any script: letters stay whole, nothing fails, and what is left unchanged is announced."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corruptions import SEVERITIES, get, names, text_view
from corruptions.entry import number
from corruptions.text.clusters import cluster_end, continues

TEXT = names("text")
SENTENCES = {
    "Chinese": "图片里有几只狗？它们在草地上奔跑。",
    "Arabic": "هل توجد دائرة في الصورة؟ كم عدد الكلاب؟",
    "Hindi": "क्या इस चित्र में कोई कुत्ता दिखता है?",
    "Thai": "ในภาพนี้มีสุนัขกี่ตัว",
    "Russian": "Сколько собак бегает по траве на этой картинке?",
}
# What a note must say for the corruption to be allowed to leave a sentence as it is.
REASONS = {
    "Chinese": ("Latin", "ASCII", "case", "English", "space between words", "parted by blanks"),
    "Arabic": ("Latin", "ASCII", "case", "English"),
    "Hindi": ("Latin", "ASCII", "case", "English"),
    "Thai": (
        *("Latin", "ASCII", "case", "English", "space between words", "parted by blanks"),
        *("one word", "fewer than two", "without punctuation"),
    ),
    "Russian": ("Latin letters", "ASCII", "English"),
}

# Letters written as a base and signs: French, German and Spanish as some systems store file names.
DECOMPOSED = "Les e\u0301le\u0300ves mu\u0308ssen man\u0303ana le cafe\u0301 the\u0323\u0302 cre\u0302pe"
EMOJI = (
    "👩\u200d👩\u200d👧\u200d👦",
    "❤\ufe0f\u200d🔥",
    "👍🏽",
    "#\ufe0f\u20e3",
    "‼\ufe0f",
    "☕\ufe0f",
    "🏳\ufe0f\u200d🌈",
)
CHATTY = (
    f"Which {EMOJI[0]} family loves{EMOJI[1]} that dog{EMOJI[2]}, and{EMOJI[3]}why {EMOJI[4]} "
    f"coffee{EMOJI[5]} for{EMOJI[6]}everyone{EMOJI[4]}"
)

ANY = st.characters(exclude_categories=())
AWKWARD = st.sampled_from(
    "e\u0301\u0308\u200d\u200c\ufe0f\u20e3👩🏽👧❤🇫🇷\u202e\u2066\u0000\u001b\u007f\ud800\udfff\u0e33\u1161\u11a8각क्षि中文هل"
)
TEXTS = st.one_of(
    st.text(ANY, max_size=40),
    st.text(st.one_of(AWKWARD, st.sampled_from("ab \n\t")), max_size=40),
    st.lists(st.sampled_from([*SENTENCES.values(), DECOMPOSED, *EMOJI]), max_size=3).map(" ".join),
)


def view(text: str, name: str, severity: int, unit: str = "u") -> str:
    return text_view(text, name, severity, seed=3, unit=unit)


def signs(text: str) -> list[str]:
    """Every letter that has signs on it, in order."""
    found = []
    at = 0
    while at < len(text):
        end = cluster_end(text, at)
        if end > at + 1:
            found.append(text[at:end])
        at = end
    return found


# Nothing fails


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.text(ANY, max_size=4))
def test_every_corruption_survives_every_text(text: str, unit: str) -> None:
    for name in TEXT:
        for severity in SEVERITIES:
            out = view(text, name, severity, unit)
            assert isinstance(out, str)
            assert out == view(text, name, severity, unit)


@pytest.mark.parametrize(
    "text", ["", " ", " \u3000\u00a0\u2028\n\t", "\u0301", "\u200d\u200d", "\ud800 \udfff"]
)
@pytest.mark.parametrize("name", TEXT)
def test_texts_without_a_word_come_back(name: str, text: str) -> None:
    assert all(view(text, name, severity) == text for severity in SEVERITIES)


@pytest.mark.parametrize("name", TEXT)
def test_long_texts_take_no_long_time(name: str) -> None:
    # A clause of Chinese counts as one word: work that grows with the square of a word shows here.
    started = time.process_time()
    for text in ("中文字符测试数据集合" * 3000, "a-" * 15000, "what is the small dog doing here? " * 900):
        assert isinstance(view(text, name, 5), str)
    assert time.process_time() - started < 10


# What is left unchanged is announced


@pytest.mark.parametrize("script", SENTENCES)
@pytest.mark.parametrize("name", TEXT)
def test_a_sentence_changes_or_the_notes_say_why_not(name: str, script: str) -> None:
    text = SENTENCES[script]
    if all(view(text, name, 5, unit) == text for unit in "abcdefgh"):
        assert "No-op" in get(name).notes
        assert any(reason in get(name).notes for reason in REASONS[script]), get(name).notes


@pytest.mark.parametrize("name", TEXT)
def test_clauses_that_count_as_words_are_announced(name: str) -> None:
    out = view(SENTENCES["Thai"], name, 5)
    if out in ("[MASK]", f"{SENTENCES['Thai']} {SENTENCES['Thai']}"):
        assert "a clause counts as one word" in get(name).notes


# Letters stay whole


def test_what_belongs_together() -> None:
    for whole in (*EMOJI, "e\u0301", "क्षि", "त्र", "กำ", "각", "ｶﾞ", "q\u0323\u0307", "ന്\u200d"):
        assert cluster_end(whole + "x", 0) == len(whole), whole
    for apart in ("ab", "中文", "هل", "กา", "каб", "가나", "a b", "1a", "नम"):
        assert not continues(apart, 1), apart
    assert not continues("\u0301", 0)
    assert not continues("e", 1)


@pytest.mark.parametrize("name", TEXT)
def test_signs_stay_on_their_letters(name: str) -> None:
    for text in (DECOMPOSED, SENTENCES["Hindi"], SENTENCES["Thai"], "각나닭 다람쥐가"):
        known = {letter.casefold() for letter in signs(text)}
        for unit in "abcdef":
            for severity in SEVERITIES:
                assert {letter.casefold() for letter in signs(view(text, name, severity, unit))} <= known


@pytest.mark.parametrize("name", TEXT)
def test_emoji_stay_whole(name: str) -> None:
    for unit in "abcdef":
        for severity in SEVERITIES:
            out = view(CHATTY, name, severity, unit)
            for emoji in sorted(EMOJI, key=len, reverse=True):
                out = out.replace(emoji, "")
            assert not set(out) & set("".join(EMOJI)), out


def test_letters_move_and_go_with_their_signs() -> None:
    assert view("e\u0301a\u0308", "char_swap", 1) == "a\u0308e\u0301"
    assert view("xe\u0301", "char_delete", 1) == "x"
    assert view("चित्र", "char_swap", 1) == "त्रचि"
    # The same whether the accent is a sign or part of the letter.
    for name in ("keyboard", "ocr", "diacritics", "homoglyph", "leet"):
        assert view("e\u0301", name, 5) == "e\u0301"
        assert view("é", name, 5) == "é"


def test_a_word_ends_before_an_emoji() -> None:
    assert view("love❤\ufe0f\u200d🔥", "word_repeat", 1) == "love love❤\ufe0f\u200d🔥"
    assert view("अवन् അവന്\u200d", "word_mask", 5) == "[MASK] [MASK]"
    assert view("well #\ufe0f\u20e3, so", "punctuation_delete", 5) == "well #\ufe0f\u20e3 so"


# Parameters


@pytest.mark.parametrize("name", TEXT)
def test_tables_grow_strictly(name: str) -> None:
    for values in get(name).parameters.values():
        assert all(number(low) < number(high) for low, high in pairwise(values))
        assert number(values[0]) > 0
        assert "share" not in get(name).parameter or number(values[-1]) <= 1
