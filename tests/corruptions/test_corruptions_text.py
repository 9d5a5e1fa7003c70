"""Text corruptions: what is edited, what must not be, and how much."""

from __future__ import annotations

import difflib
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from corruption_inputs import QUESTIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from corruptions import (
    CONTRACTED_NOT,
    NUMERALS,
    OPTION_LETTERS,
    PROTECTED,
    SEVERITIES,
    InvalidInputError,
    corrupt_text,
    names,
    text_view,
)
from corruptions.text.characters import _LOOK_ALIKES, _NEIGHBOURS

TEXT = names("text")
CLASSIC = ("keyboard", "ocr", "char_delete", "char_swap", "word_delete", "word_swap")
CHARACTER = ("keyboard", "ocr", "char_delete", "char_swap")
LONG = " ".join(QUESTIONS[i] for i in (0, 2, 4, 5))


def view(text: str, name: str, severity: int, unit: str = "u", **options: frozenset[str]) -> str:
    return text_view(text, name, severity, seed=5, unit=unit, **options)


def edits(before: str, after: str) -> list[tuple[str, int, int, str]]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [(op, i, j, after[k:m]) for op, i, j, k, m in matcher.get_opcodes() if op != "equal"]


def is_subsequence(part: list[str] | str, whole: list[str] | str) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)


TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from([*LONG.split(), "左边", "مرحبا", "हिन्दी", "\n", "<image>", "3.5", "café", "e\u0301"])
    ).map(" ".join),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TEXT), TEXTS, st.sampled_from(SEVERITIES))
def test_any_text_is_survived_and_deterministic(name: str, text: str, severity: int) -> None:
    out = view(text, name, severity)
    assert isinstance(out, str)
    assert out == view(text, name, severity)
    if name.endswith("swap"):
        assert sorted(out) == sorted(text)
    if name.endswith("delete"):
        assert is_subsequence(out, text)
    if name == "keyboard":
        assert len(out) == len(text)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(TEXT), st.text(alphabet=" \n\t.,;:!?-_()[]\"'0123456789", max_size=60), st.integers(1, 5)
)
def test_nothing_to_edit_means_nothing_changes(name: str, text: str, severity: int) -> None:
    assert view(text, name, severity) == text


@pytest.mark.parametrize("name", TEXT)
def test_empty_and_blank(name: str) -> None:
    for text in ("", " ", "\n\n", "?!", "<image>", "<image>\n", "🙂 🙂"):
        assert view(text, name, 5) == text


@pytest.mark.parametrize("name", TEXT)
def test_only_protected_words_means_nothing_changes(name: str) -> None:
    for text in (
        "no red left 3 3.5 isn't A (b) <image>",
        "NOT Blue LEFT",
        "Don’t can't never",
        "two 2nd 50%",
    ):
        for severity in SEVERITIES:
            assert view(text, name, severity) == text


@pytest.mark.parametrize("text", QUESTIONS)
@pytest.mark.parametrize("name", TEXT)
def test_at_least_one_edit_and_never_fewer(name: str, text: str) -> None:
    outputs = [view(text, name, severity) for severity in SEVERITIES]
    if name == "paraphrase" and "Don't you" in text:
        assert set(outputs) == {text}  # negated: no template
    else:
        assert outputs[0] != text
    if name.endswith("delete"):
        lengths = [len(text), *map(len, outputs)]
        assert lengths == sorted(lengths, reverse=True)


def touched(text: str, name: str, severity: int) -> int:
    out = view(text, name, severity)
    if name == "word_delete":
        return len(text.split()) - len(out.split())
    if name == "word_swap":
        before, after = re.findall(r"\w+", text), re.findall(r"\w+", out)
        return sum(a != b for a, b in zip(before, after, strict=True)) // 2
    if name == "char_delete":
        return len(text) - len(out)
    if name == "char_swap":
        return sum(a != b for a, b in zip(text, out, strict=True)) // 2
    if name == "keyboard":
        return sum(a != b for a, b in zip(text, out, strict=True))
    return sum(j - i for _, i, j, _ in edits(text, out))


@pytest.mark.parametrize("name", CLASSIC)
def test_edits_grow_strictly(name: str) -> None:
    counts = [touched(LONG, name, severity) for severity in SEVERITIES]
    assert counts[0] >= 1
    assert all(low < high for low, high in pairwise(counts)), counts


def test_counts_of_a_short_question() -> None:
    # 30 letters or so: every severity has its own count. Protected words ("color" is none) do not count.
    text = "Does the image show a triangle?"
    letters = sum(character.isalpha() for character in text)
    assert letters == 25
    assert [touched(text, "keyboard", s) for s in SEVERITIES] == [1, 2, 3, 4, 6]
    assert [touched(text, "word_delete", s) for s in SEVERITIES] == [1, 2, 3, 4, 4]


@pytest.mark.parametrize(("name", "divisor"), [("keyboard", 1), ("char_delete", 1), ("char_swap", 2)])
def test_shares_of_a_long_text(name: str, divisor: int) -> None:
    text = "the creature that stands beside " * 40
    free = sum(len(word) for word in text.split() if word != "beside")
    for severity, share in zip(SEVERITIES, (0.02, 0.05, 0.10, 0.15, 0.25), strict=True):
        # A swapped pair next to another one can look like fewer changed letters ("ee").
        assert touched(text, name, severity) == pytest.approx(share * free / divisor, rel=0.02, abs=1)


@pytest.mark.parametrize("name", ["keyboard", "char_swap"])
def test_substitutions_nest(name: str) -> None:
    for unit in "abcdef":
        previous: dict[int, str] = {}
        for severity in SEVERITIES:
            out = view(LONG, name, severity, unit)
            changed = {i: new for i, (old, new) in enumerate(zip(LONG, out, strict=True)) if old != new}
            assert previous.items() <= changed.items()
            previous = changed


def test_ocr_nests() -> None:
    # Each word of a higher severity can be reached from the lower one's: unedited letters never come back.
    for unit in "abcdef":
        kept = [
            sum(
                a.size
                for a in difflib.SequenceMatcher(
                    None, LONG, view(LONG, "ocr", s, unit), False
                ).get_matching_blocks()
            )
            for s in SEVERITIES
        ]
        assert kept == sorted(kept, reverse=True)
        low, high = view(LONG, "ocr", 2, unit), view(LONG, "ocr", 3, unit)
        changed = {i for i, (a, b) in enumerate(zip(LONG.split(), low.split(), strict=True)) if a != b}
        changed_more = {i for i, (a, b) in enumerate(zip(LONG.split(), high.split(), strict=True)) if a != b}
        assert changed <= changed_more


@pytest.mark.parametrize("name", ["char_delete", "word_delete"])
def test_deletions_nest(name: str) -> None:
    for text in (*QUESTIONS, LONG):
        for unit in "abcdef":
            outputs = [text] + [view(text, name, severity, unit) for severity in SEVERITIES]
            for more, fewer in pairwise(outputs):
                if name == "word_delete":
                    assert is_subsequence(re.findall(r"\w+", fewer), re.findall(r"\w+", more))
                else:
                    assert is_subsequence(fewer, more)


def test_word_swaps_nest() -> None:
    words = [f"w{chr(97 + i)}x" for i in range(24)]
    text = " ".join(words)
    for unit in "abcdef":
        previous: set[int] = set()
        for severity in SEVERITIES:
            out = view(text, "word_swap", severity, unit).split()
            moved = {i for i, (a, b) in enumerate(zip(words, out, strict=True)) if a != b}
            assert sorted(out) == words
            assert all(abs(out.index(word) - i) <= 1 for i, word in enumerate(words))
            assert previous < moved
            previous = moved


@pytest.mark.parametrize("name", TEXT)
def test_protected_words_and_layout_stay(name: str) -> None:
    text = (
        "<image>\nUSER: Isn't there  a RED circle to the left of 3.5 squares,\tor not?\n"
        "(a) two dogs B) no cats\n[INST] {question} don’t <|im_end|>"
    )
    keep = [
        "<image>\nUSER:",
        "Isn't",
        "RED",
        "left",
        "3.5",
        "not",
        "\n",
        "(a)",
        "two",
        "B)",
        "no",
        "[INST] {question}",
        "don’t",
    ]
    for severity in SEVERITIES:
        for unit in "abcdefgh":
            out = view(text, name, severity, unit)
            # Neither list nor template has anything for this text.
            assert (out == text) == (name in ("synonym", "paraphrase"))
            at = 0
            for piece in keep:
                at = out.index(piece, at) + len(piece)
            assert out.count("\n") == text.count("\n")
            assert out.count("\t") == 1


def test_no_edit_makes_a_protected_word() -> None:
    for text, made in (("tight", "right"), ("now", "no"), ("tow", "two"), ("bred", "red"), ("onw", "one")):
        for name in CHARACTER:
            outputs = {view(text, name, 1, f"u{i}") for i in range(60)}
            assert made not in outputs


def test_options_of_protection() -> None:
    text = "red 3x isn't A"
    changed = {view(text, "keyboard", 5, f"u{i}", protect=frozenset()) for i in range(40)}
    for i, word in enumerate(text.split()):
        assert any(out.split()[i] != word for out in changed)
    only = frozenset({"RED", NUMERALS, CONTRACTED_NOT, OPTION_LETTERS})
    assert view(text, "keyboard", 5, protect=only) == text
    assert view("<image> red", "keyboard", 5, protect=frozenset()).startswith("<image> ")
    assert view("a cat", "word_delete", 1, protect=frozenset({"Cat"})) == "cat"
    assert view("no blue", "keyboard", 5, protect=PROTECTED) == "no blue"


def test_the_default_list_names_what_it_promises() -> None:
    promised = ["three", "red", "left", "right", "above", "behind", "no", "not", "never", "without"]
    assert set(promised) <= PROTECTED
    assert all(word == word.casefold() for word in PROTECTED)


def test_keyboard_hits_neighbours_in_the_same_case() -> None:
    assert set(_NEIGHBOURS["s"]) == set("adwezx")
    assert set(_NEIGHBOURS["P"]) == set("OL")
    for key, others in _NEIGHBOURS.items():
        assert all(other.isupper() == key.isupper() and key in _NEIGHBOURS[other] for other in others)
    out = view("THE Quick Fox Jumps", "keyboard", 5)
    assert [c.isupper() for c in out] == [c.isupper() for c in "THE Quick Fox Jumps"]


def test_look_alikes_change_something() -> None:
    assert all(options and key not in options for key, options in _LOOK_ALIKES.items())


def test_other_scripts() -> None:
    chinese, arabic, hindi = "今天天气很好，我们去公园。", "هل توجد دائرة في الصورة؟", "क्या यह चित्र में है"
    for text in (chinese, arabic, hindi):
        assert view(text, "keyboard", 5) == text
        assert view(text, "ocr", 5) == text
        assert view(text, "char_delete", 3) != text
        assert view(text, "char_swap", 3) != text
    assert view(arabic, "word_delete", 3) != arabic
    assert view(chinese, "word_delete", 5) in ("今天天气很好，。", "，我们去公园。")


def test_deleting_words_takes_one_blank_and_no_punctuation() -> None:
    found = {view("alpha, beta gamma?", "word_delete", 1, f"u{i}") for i in range(40)}
    assert found == {", beta gamma?", "alpha, gamma?", "alpha, beta?"}
    assert {view("one dog\n\nruns", "word_delete", 1, f"u{i}") for i in range(40)} == {
        "one\n\nruns",
        "one dog\n\n",
    }
    for i in range(20):
        assert view("dogs run", "word_delete", 5, f"u{i}") in ("dogs", "run")
    assert view("dogs", "word_delete", 5) == "dogs"


def test_swapping_words_leaves_punctuation_and_lines() -> None:
    for i in range(20):
        assert view("Hello there, (friend", "word_swap", 5, f"u{i}") == "there Hello, (friend"
        assert view("alpha\nbeta", "word_swap", 5, f"u{i}") == "alpha\nbeta"
        assert view("cats above dogs", "word_swap", 5, f"u{i}") == "cats above dogs"
        assert view("tick tick", "word_swap", 5, f"u{i}") == "tick tick"


def test_repeated_words_are_told_apart() -> None:
    text = "is it is it is it is it"
    gone = {tuple(i for _, i, _, _ in edits(text, view(text, "word_delete", 1, f"u{i}"))) for i in range(40)}
    assert len(gone) > 2


def test_wrong_texts_are_refused() -> None:
    rng = np.random.Generator(np.random.Philox(key=0))
    with pytest.raises(InvalidInputError, match="text must be a str, got bytes"):
        corrupt_text(b"abc", "keyboard", 1, rng)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="contrast is of kind 'image', not 'text'; use corrupt_image"):
        corrupt_text("abc", "contrast", 1, rng)
    with pytest.raises(InvalidInputError, match="severity must be"):
        text_view("abc", "keyboard", 0, seed=0, unit="a")


@pytest.mark.parametrize("protect", ["circle", 3, frozenset([3]), [None]])
def test_protect_is_a_set_of_words(protect: Any) -> None:
    with pytest.raises(InvalidInputError, match="protect must be a set of words"):
        text_view("is there a circle?", "keyboard", 1, seed=0, unit="u", protect=protect)
