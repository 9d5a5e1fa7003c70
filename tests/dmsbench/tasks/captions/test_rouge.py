"""ROUGE-L of captions."""

from __future__ import annotations

import pytest
from golden_captions import CAPTIONS, COCO_ROUGE
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.captions.rouge import longest_common, rouge_l, signature

SENTENCES = st.lists(st.sampled_from("abcd"), max_size=9)
REFERENCES = st.lists(SENTENCES, min_size=1, max_size=4)


def test_is_as_in_coco() -> None:
    found = [rouge_l(one.split(), [text.split() for text in more]) for one, more in CAPTIONS]
    assert found == pytest.approx(COCO_ROUGE, abs=1e-12)


def test_precision_and_recall_may_be_of_different_references() -> None:
    # Precision 2/2 by the long one, recall 1/1 by the short one.
    assert rouge_l(["a", "b"], [["a", "b", "c", "d"], ["a"]]) == 1.0


@pytest.mark.parametrize(("prediction", "reference"), [("", "a dog"), ("a dog", ""), ("", ""), ("a", "b")])
def test_nothing_in_common_is_zero(prediction: str, reference: str) -> None:
    assert rouge_l(prediction.split(), [reference.split()]) == 0.0


def test_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="no reference"):
        rouge_l(["a"], [])


def test_signature() -> None:
    assert signature(1) == "rouge_l|tok:ptb_captions:1|beta:1.2|best:precision,recall|refs:1|v1"


def _by_table(first: list[str], second: list[str]) -> int:
    row = [0] * (len(second) + 1)
    for word in first:
        above = row[:]
        for i, other in enumerate(second):
            row[i + 1] = above[i] + 1 if word == other else max(above[i + 1], row[i])
    return row[-1]


@given(SENTENCES, SENTENCES)
def test_longest_common_sequence(first: list[str], second: list[str]) -> None:
    assert longest_common(first, second) == _by_table(first, second)


@given(SENTENCES, REFERENCES, SENTENCES)
def test_range_order_and_further_references(
    prediction: list[str], references: list[list[str]], further: list[str]
) -> None:
    score = rouge_l(prediction, references)
    assert 0.0 <= score <= rouge_l(prediction, [further, *references]) <= 1.0
    assert score == rouge_l(prediction, [*reversed(references), references[0]])
    if prediction:
        assert rouge_l(prediction, [*references, prediction]) == 1.0
