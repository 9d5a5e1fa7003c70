"""Every text corruption on questions as they are asked: what it may touch, how it nests, how far it goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from corruption_inputs import QUESTIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from corruptions import NUMERALS, PROTECTED, SEVERITIES, get, names, text_view
from corruptions.text.glyphs import _DIACRITICS, _LEET, _TWINS
from corruptions.text.misspellings import MISSPELLINGS
from corruptions.text.paraphrase import _RULES
from corruptions.text.protect import protection
from corruptions.text.sentences import DISTRACTORS, FILLERS_BEFORE, FILLERS_BEHIND
from corruptions.text.synonyms import STOPWORDS, SYNONYMS
from corruptions.text.tokens import is_meaningful
from corruptions.text.word_edits import _HESITATIONS

TEXT = names("text")
ASKED = (
    "is there a red circle in the image?",
    "what color is the rectangle?",
    "How many people are wearing hats in this picture?",
)
LONG = " ".join((*ASKED, QUESTIONS[0], QUESTIONS[2], QUESTIONS[5]))
SAME_LENGTH = ("char_replace", "homoglyph", "diacritics", "leet", "case_random", "case_upper")
ADDING = (
    "char_insert",
    "char_repeat",
    "word_insert",
    "word_repeat",
    "word_split",
    "punctuation_insert",
    "distractor",
    "filler",
)
DROPPING = ("char_delete", "punctuation_delete", "word_delete", "stopword_delete", "truncate")
WORD_FOR_WORD = ("word_mask", "nonsense", "spelling")

# Frequent answers to questions about pictures, beyond the protected words.
_ANSWERS = """
    yes no man woman boy girl child baby person cat dog horse bird cow sheep elephant giraffe zebra bear car
    truck bus train plane airplane boat bike bicycle motorcycle skateboard surfboard frisbee kite ball bat
    tennis baseball soccer skiing surfing snow beach water ocean grass street road kitchen bathroom bedroom
    table chair couch bed laptop phone hat glasses shirt jacket pants shoes pizza cake sandwich banana apple
    orange broccoli wood metal plastic glass brick stone round square circle triangle rectangle oval star
    cube sphere cylinder large small big little tall short long wide thin thick old young new happy sad sunny
    cloudy rainy night day morning summer winter sitting standing walking running eating sleeping playing
    smiling flying riding jumping talking throwing striped plaid dark light open closed empty
"""
ANSWERS = frozenset(_ANSWERS.split()) | PROTECTED


def view(text: str, name: str, severity: int, unit: str = "u", **options: frozenset[str]) -> str:
    return text_view(text, name, severity, seed=11, unit=unit, **options)


def ladder(text: str, name: str, unit: str = "u") -> list[str]:
    return [text] + [view(text, name, severity, unit) for severity in SEVERITIES]


def is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)


def distance(before: str, after: str) -> int:
    """Characters to insert, delete or replace."""
    row = list(range(len(after) + 1))
    for i, old in enumerate(before):
        above, row[0] = row[0], i + 1
        for j, new in enumerate(after):
            above, row[j + 1] = row[j + 1], min(above + (old != new), row[j] + 1, row[j + 1] + 1)
    return row[-1]


# Protected words with what may be mistaken for them, free words, other scripts, layout and tokens.
PIECES = (
    *("is", "there", "a", "circle", "image", "people", "wearing", "tight", "now", "bred", "I", "don't"),
    *("red", "Left", "NO", "three", "3.5", "right", "not", "(a)", "B)", "50%", "isn’t", "none", "blue"),
    *(
        "左边",
        "今天天气，很好。",
        "مرحبا",
        "हिन्दी",
        "café",
        "e\u0301te",
        "ß",
        "İstanbul",
        "ŉ",
        "user",
        "human",
    ),
    *("\n", "\t", "<image>", "USER:", "{question}", "[MASK]", "?", "what color is the", "how many", "..."),
)
SENTENCES = st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join)
TEXTS = st.one_of(st.text(max_size=60), SENTENCES)


def protected_words(text: str) -> list[str]:
    guard = protection(None)
    found = re.findall(r"[\w.’']+", re.sub(r"<image>|USER:|\{question\}|\[MASK\]", " ", text))
    return [w for w in found if is_meaningful(w, guard) or w in ("3.5", "50", "B")]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TEXT), TEXTS, st.text(max_size=5))
def test_every_text_is_survived_by_every_severity(name: str, text: str, unit: str) -> None:
    outputs = ladder(text, name, unit)
    assert outputs == ladder(text, name, unit)
    for severity, out in enumerate(outputs[1:], 1):
        free = view(text, name, severity, unit, protect=frozenset())
        assert isinstance(out, str)
        assert isinstance(free, str)
        assert out.count("\n") == text.count("\n")
        # Once there is something to edit, there is at every severity.
        assert (out == text) <= (outputs[1] == text)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TEXT), SENTENCES, st.sampled_from(SEVERITIES), st.text(max_size=3))
def test_protected_words_and_tokens_survive(name: str, text: str, severity: int, unit: str) -> None:
    out = view(text, name, severity, unit)
    rest = iter(protected_words(out))
    assert all(word in rest for word in protected_words(text))
    for token in ("<image>", "USER:", "{question}", "\t", "(a)", "B)", "50%"):
        assert out.count(token) == text.count(token)
    assert out.count("[MASK]") == text.count("[MASK]") or name == "word_mask"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from((*SAME_LENGTH, *ADDING, *DROPPING)), TEXTS, st.text(max_size=3))
def test_edits_nest_on_any_text(name: str, text: str, unit: str) -> None:
    outputs = ladder(text, name, unit)
    for low, high in pairwise(outputs):
        if name in ADDING:
            assert is_subsequence(low, high)
        elif name in DROPPING:
            assert is_subsequence(high, low)
        else:
            assert len(low) == len(high) == len(text)
            assert all(b == a for old, a, b in zip(text, low, high, strict=True) if a != old)


@pytest.mark.parametrize("name", WORD_FOR_WORD)
def test_word_replacements_nest(name: str) -> None:
    for unit in "abcdef":
        before = LONG.split()
        for low, high in pairwise(ladder(LONG, name, unit)):
            words = zip(before, low.split(), high.split(), strict=True)
            assert all(b == a for old, a, b in words if a != old)


def test_words_out_of_place_stay_out_of_place() -> None:
    words = [f"w{chr(97 + i)}x" for i in range(24)]
    for unit in "abcdef":
        moved: list[set[int]] = []
        for out in ladder(" ".join(words), "word_shuffle", unit)[1:]:
            assert sorted(out.split()) == words
            moved.append({i for i, word in enumerate(out.split()) if word != words[i]})
        assert all(low < high for low, high in pairwise(moved))
        assert len(moved[-1]) == 24


def test_all_claims_of_nesting_are_tested() -> None:
    tested = {*SAME_LENGTH, *ADDING, *DROPPING, *WORD_FOR_WORD, "word_shuffle", "synonym", "paraphrase"}
    elsewhere = {"keyboard", "ocr", "char_swap", "word_swap", "whitespace"}
    assert tested | elsewhere == set(TEXT)
    assert all(get(name).nested for name in TEXT)


@pytest.mark.parametrize("name", ["synonym", "paraphrase", "whitespace"])
def test_what_a_lower_severity_changed_stays_changed(name: str) -> None:
    # Words or blanks of the question that are gone do not come back.
    for unit in "abcdef":
        for text in (*ASKED, LONG):
            outputs = ladder(text, name, unit)
            if name == "whitespace":
                gaps = [re.findall(r" +", out) for out in outputs]
                longer = [[len(gap) for gap in found] for found in gaps]
                assert [len(found) for found in longer] == sorted(map(len, longer), reverse=True)
            else:
                far = [distance(text, out) for out in outputs]
                assert far == sorted(far)


@pytest.mark.parametrize("name", TEXT)
def test_distance_grows_on_real_questions(name: str) -> None:
    texts = (*ASKED, LONG)
    units = [f"u{i}" for i in range(6)]
    means = [
        sum(distance(text, view(text, name, severity, unit)) for text in texts for unit in units)
        for severity in SEVERITIES
    ]
    assert means[0] > 0
    assert all(low < high for low, high in pairwise(means)), means
    for text in texts:
        first = min(distance(text, view(text, name, 1, unit)) for unit in units)
        assert first > 0, text


# What each one leaves as it was


def without_blanks(text: str) -> str:
    return text.replace(" ", "")


def letters_and_blanks(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c.isspace())


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("whitespace", without_blanks),
        ("word_split", without_blanks),
        ("punctuation_insert", letters_and_blanks),
        ("punctuation_delete", letters_and_blanks),
        ("case_random", str.lower),
        ("case_upper", str.lower),
        ("word_shuffle", lambda text: sorted(re.findall(r"\w+|\W", text))),
        ("truncate", lambda text: re.sub(r"[\w ]", "", text)),
        ("stopword_delete", lambda text: re.sub(r"[\w ]", "", text)),
    ],
)
def test_the_rest_is_preserved(name: str, kept: Callable[[str], object]) -> None:
    for text in (*ASKED, *QUESTIONS, LONG):
        for out in ladder(text, name):
            # An apostrophe inside a word is part of the word.
            assert kept(out) == kept(text)


def test_frames_leave_the_text_alone() -> None:
    phrases = [*DISTRACTORS, *(p for kind in (*FILLERS_BEFORE, *FILLERS_BEHIND) for p in kind)]
    for name in ("distractor", "filler"):
        for text in (*ASKED, *QUESTIONS):
            for severity in SEVERITIES:
                out = view(text, name, severity)
                found = [phrase for phrase in phrases if phrase in out]
                assert len(found) == severity
                for phrase in found:
                    assert out.count(phrase) == 1
                    out = out.replace(phrase + " ", "").replace(" " + phrase, "")
                assert out == text
    out = view(QUESTIONS[3], "distractor", 5)
    assert out.startswith("<image>\nUSER: ")
    assert out.endswith(" ASSISTANT:")


def test_masks_stand_where_words_stood() -> None:
    out = view("Is it, perhaps, a (small) dog?", "word_mask", 5)
    assert re.sub(r"\[MASK\]", "", out).count(",") == 2
    assert out.count("[MASK]") == 5
    assert view(out, "word_mask", 5).count("[MASK]") > 5


def test_truncation_takes_the_end() -> None:
    assert [view(ASKED[1], "truncate", s) for s in (1, 2, 3)] == [
        "what color is the?",
        "what color is?",
        "what color?",
    ]
    assert view("is there a red circle?", "truncate", 5) == "is red?"
    assert view("dogs", "truncate", 5) == "dogs"


def test_doubled_and_split_words() -> None:
    assert view("dogs", "word_repeat", 1) == "dogs dogs"
    assert view("dogs!", "word_split", 5) == "do gs!"
    assert view("cat, dog", "word_split", 5) == "cat, dog"
    for i in range(30):
        assert view("kingtwo", "word_split", 1, f"u{i}") != "king two"
        assert view("in side", "whitespace", 5, f"u{i}").split() == ["in", "side"]
        assert view("a circle", "punctuation_insert", 5, f"u{i}").startswith("a circle")


def test_no_letter_becomes_an_option_or_a_number() -> None:
    for i in range(30):
        for name in ("leet", "case_random", "case_upper"):
            assert view("a", name, 5, f"u{i}") == "a"
        assert not any(word.isdigit() for word in view("is it so to go as", "leet", 5, f"u{i}").split())
        assert view("user: hello", "case_upper", 5, f"u{i}") == "user: HELLO"


def test_no_edit_makes_a_protected_word() -> None:
    for text, made in (("tight", "right"), ("now", "no"), ("bred", "red"), ("ed", "red"), ("to", "two")):
        for name in ("char_insert", "char_replace", "char_repeat", "nonsense", "spelling", "synonym"):
            assert made not in {view(text, name, 1, f"u{i}") for i in range(80)}


def test_punctuation_that_belongs_to_a_number_or_an_option_stays() -> None:
    text = "(a) dogs, B. cats; 50%? -3! _____ well-known, $5."
    assert view(text, "punctuation_delete", 5) == "(a) dogs B. cats 50%? -3! _____ well-known $5."


@pytest.mark.parametrize("name", TEXT)
def test_other_scripts_survive(name: str) -> None:
    for text in (
        "今天天气很好，我们去公园。",
        "هل توجد دائرة في الصورة؟",
        "क्या यह चित्र में है",
        "Где красный круг?",
    ):
        outputs = ladder(text, name)
        if outputs[1] == text:
            # It says so in the catalogue, or did so before there were notes.
            assert "No-op on" in get(name).notes or name in ("keyboard", "ocr", "word_delete", "word_swap")
        for low, high in pairwise(outputs):
            assert (high == text) <= (low == text)


# Tables


def test_misspellings_misspell() -> None:
    assert len(MISSPELLINGS) >= 400
    guard = protection(None)
    for word, options in MISSPELLINGS.items():
        assert options
        assert word not in options
        assert len(set(options)) == len(options)
        assert not is_meaningful(word, guard)
        assert not any(is_meaningful(new, guard) for new in options), word
        assert all(new == new.lower() and " " not in new for new in options)
        assert all(distance(word, new) <= 3 for new in options), word


def test_synonyms_keep_clear_of_answers() -> None:
    assert len(SYNONYMS) >= 200
    for word, options in SYNONYMS.items():
        assert options
        assert word not in options
        for part in " ".join((word, *options)).split():
            assert part not in ANSWERS, (word, part)
    assert STOPWORDS.isdisjoint(ANSWERS - {"a"})


def test_synonyms_fit_their_article() -> None:
    outputs = {view("is this a picture or an object", "synonym", 5, f"u{i}") for i in range(40)}
    assert all(" a photo " in out or " a picture " in out for out in outputs)
    assert all("an item" in out or "an article" in out or "an object" in out for out in outputs)
    assert view("IMAGE", "synonym", 1) in ("PICTURE", "PHOTO")
    assert view("Image", "synonym", 1) in ("Picture", "Photo")


def test_added_words_say_nothing() -> None:
    fillers = [phrase for kind in (*FILLERS_BEFORE, *FILLERS_BEHIND) for phrase in kind]
    for phrase in (*DISTRACTORS, *fillers, *_HESITATIONS):
        for word in re.findall(r"[\w']+", phrase.lower()):
            # A summer or a morning long gone is no answer about a picture.
            assert word not in ANSWERS - {"summer", "morning", "old", "day", "long", "short"}, phrase
    assert len(set(DISTRACTORS)) == len(DISTRACTORS) >= 20


def test_paraphrases_neither_negate_nor_name() -> None:
    guard = protection(None)
    for rule in _RULES:
        for option in rule.options:
            words = re.sub(r"\\\d", "", option).replace(",", "").split()
            assert not any(is_meaningful(word, guard) or word in ANSWERS for word in words), option


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("Is there a dog?", {"Can you see a dog?", "Do you see a dog?", "Would you say there is a dog?"}),
        ("is there no dog?", {"is there no dog?"}),
        ("Isn't there a dog?", {"Isn't there a dog?"}),
        ("what shape is this?", {"which shape is this?", "tell me which shape is this?"}),
        (
            "what color is the man wearing?",
            {"which colour is the man wearing?", "tell me which colour is the man wearing?"},
        ),
        (
            "Does the image contain two squares?",
            {
                "In the image, can you see two squares?",
                "In the image, do you see two squares?",
                "Looking at the image, can you see two squares?",
            },
        ),
        ("Run!", {"Run!"}),
    ],
)
def test_paraphrases(text: str, possible: set[str]) -> None:
    assert {view(text, "paraphrase", 5, f"u{i}") for i in range(60)} == possible


def test_paraphrase_leaves_protected_phrases() -> None:
    mine = frozenset({"there"})
    assert view("Is there a dog?", "paraphrase", 5, protect=mine) == "Is there a dog?"
    mine = frozenset({"see", NUMERALS})
    found = {view("Is there a dog?", "paraphrase", 5, f"u{i}", protect=mine) for i in range(9)}
    assert found == {"Would you say there is a dog?"}


def test_glyph_tables_change_something() -> None:
    for table in (_TWINS, _DIACRITICS, _LEET):
        for letter, options in table.items():
            assert letter not in options
            assert all(len(new) == 1 for new in options)
    assert all(
        new.isupper() == letter.isupper() for letter, options in _DIACRITICS.items() for new in options
    )
    assert not any(new.isascii() for letter, options in _TWINS.items() for new in options if letter.isascii())
