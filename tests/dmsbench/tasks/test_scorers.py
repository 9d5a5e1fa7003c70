"""The registry of scores, and what holds for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.errors import SuiteError, UnknownNameError
from dmsbench.score_names import SCORES
from dmsbench.suite import load_suite
from dmsbench.tasks.scorers import Scorer, chance_under, scorer, scorers

ANSWERS = st.text(max_size=12) | st.sampled_from(
    ["yes", "Yes, it is.", "2", "two", "a", "The answer is: yes"]
)


#: Each with what it takes from a split.
EVERY = [entry.on([["yes", "two birds"], ["no, it is not"]]) for entry in scorers()]


def test_a_score_is_found_by_name_and_a_misspelt_one_is_named() -> None:
    assert [scorer(entry.name, entry.task) for entry in scorers()] == list(scorers())
    # What suites may name, and what there is.
    assert {task: set(known) for task, known in SCORES.items()} == {
        task: {entry.name for entry in scorers(task)} for task in {entry.task for entry in scorers()}
    }
    with pytest.raises(UnknownNameError, match="unknown score 'exact_mach': did you mean 'exact_match'"):
        scorer("exact_mach")
    with pytest.raises(UnknownNameError, match="unknown score 'exact_match'"):
        scorer("exact_match", task="captioning")


def test_signatures_begin_with_the_name_and_are_one_each() -> None:
    assert all(entry.signature.split("|")[0].startswith(entry.name) for entry in EVERY)
    assert len({entry.signature for entry in EVERY}) == len(EVERY)


def test_document_frequencies_are_part_of_the_signature() -> None:
    plain = scorer("cider_d", "captioning")
    with pytest.raises(ValueError, match="needs the document frequencies"):
        plain.function("a", ["a"])
    one, same, other = (
        plain.on(images)
        for images in ([["a cat"], ["a dog"]], [["a cat"], ["a dog"]], [["a cat"], ["a bird"]])
    )
    assert one.signature == same.signature != other.signature
    assert "scale:0.1" in one.signature
    with pytest.raises(ValueError, match="two images"):
        plain.on([["a cat"]])


@given(ANSWERS, st.lists(ANSWERS, min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_every_score_is_a_share_that_ignores_the_order_of_references(
    prediction: str, references: list[str], random: Any
) -> None:
    mixed = references.copy()
    random.shuffle(mixed)
    for entry in EVERY:
        if entry.of_rank is not None:
            continue
        score = entry.function(prediction, references)
        assert 0.0 <= score <= 1.0
        assert entry.function(prediction, mixed) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.name)
def test_no_score_without_references(entry: Scorer) -> None:
    with pytest.raises(ValueError, match="reference"):
        entry.function("yes", [])


def test_a_suite_names_its_score(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = "name: mine\ndataset: {name: easy_vqa}\ngrid: {}\nscore: "
    path.write_text(text + "vqa_v2_official")
    assert load_suite(str(path)).score == "vqa_v2_official"
    path.write_text(text + "vqa_v2_oficial")
    with pytest.raises(
        SuiteError, match=r"mine\.yaml: line 4: score: unknown score .* did you mean 'vqa_v2_official'"
    ):
        load_suite(str(path))
    path.write_text(text.replace("score: ", ""))
    assert load_suite(str(path)).score == "exact_match"
    captions = text.replace("score: ", "task: captioning\n")
    for name in ("easy_vqa", "scenes"):
        path.write_text(captions.replace("easy_vqa", name))
        assert load_suite(str(path)).score == "cider_d"
        path.write_text(captions.replace("easy_vqa", name) + "\nscore: attributes")
        assert load_suite(str(path)).score == "attributes"


def test_chance_is_unknown_where_an_equal_answer_may_score_less() -> None:
    chance = {"value": 0.5, "definition": "a guess"}
    assert chance_under(scorer("exact_match"), chance) == chance
    assert chance_under(scorer("vqa_v2_normalized"), chance) == {
        "value": 0.5,
        "definition": "a guess, by exact match",
    }
    assert chance_under(scorer("vqa_v2_official"), chance) is None
    assert chance_under(scorer("exact_match"), None) is None
