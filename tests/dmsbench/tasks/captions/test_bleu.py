"""BLEU-4 of captions and corpora."""

from __future__ import annotations

from functools import reduce
from operator import add

import pytest
from golden_captions import (
    CAPTIONS,
    COCO_CORPUS_BLEU4,
    SACREBLEU_CORPUS,
    SACREBLEU_CORPUS_COUNTS,
    SACREBLEU_SENTENCE,
)
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.captions.bleu import (
    BleuStatistics,
    bleu_statistics,
    corpus_bleu,
    corpus_signature,
    sentence_bleu,
    sentence_signature,
)

STATISTICS = [bleu_statistics(one.split(), [text.split() for text in more]) for one, more in CAPTIONS]
SENTENCES = st.lists(st.sampled_from("abcd"), max_size=8)
REFERENCES = st.lists(SENTENCES, min_size=1, max_size=4)


def test_sentences_are_as_in_sacrebleu() -> None:
    found = [100 * sentence_bleu(statistics) for statistics in STATISTICS]
    assert found == pytest.approx(SACREBLEU_SENTENCE, abs=1e-9)


def test_corpus_is_as_in_sacrebleu_and_coco() -> None:
    total = reduce(add, STATISTICS, BleuStatistics())
    assert (
        total.matches,
        total.totals,
        total.length,
        total.reference_length,
    ) == SACREBLEU_CORPUS_COUNTS
    assert 100 * corpus_bleu(total) == pytest.approx(SACREBLEU_CORPUS, abs=1e-9)
    assert corpus_bleu(total) == pytest.approx(COCO_CORPUS_BLEU4, abs=1e-9)


def test_closest_reference_length_and_of_two_the_shorter() -> None:
    words = ["a", "b", "c", "d", "e"]
    assert bleu_statistics(words, [words[:1], words[:4], [*words, "f"]]).reference_length == 4
    assert bleu_statistics(words, [words[:2], [*words, "f"]]).reference_length == 6


@pytest.mark.parametrize(
    ("prediction", "reference"), [("", "a dog"), ("a dog", ""), ("", ""), ("a dog", "the cat")]
)
def test_nothing_in_common_is_zero(prediction: str, reference: str) -> None:
    statistics = bleu_statistics(prediction.split(), [reference.split()])
    assert sentence_bleu(statistics) == 0.0
    assert corpus_bleu(statistics) == 0.0


def test_corpus_without_a_run_of_four_is_zero_and_the_sentence_is_smoothed() -> None:
    statistics = bleu_statistics(["a", "b", "c", "x"], [["a", "b", "c", "d"]])
    assert corpus_bleu(statistics) == 0.0
    # 3/4, 2/3, 1/2, and half a match of one run of four.
    assert sentence_bleu(statistics) == pytest.approx((3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25)


def test_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="no reference"):
        bleu_statistics(["a"], [])
    with pytest.raises(ValueError, match="at least one reference"):
        sentence_signature(0)


def test_signatures() -> None:
    assert sentence_signature(5) == (
        "bleu4|level:sentence|tok:ptb_captions:1|n:1-4|smooth:exp|order:effective|length:closest|refs:5|v1"
    )
    assert corpus_signature(None) == (
        "bleu4|level:corpus|tok:ptb_captions:1|n:1-4|smooth:none|order:4|length:closest|refs:var|v1"
    )


@given(SENTENCES, REFERENCES)
def test_range_and_order_of_references(prediction: list[str], references: list[list[str]]) -> None:
    statistics = bleu_statistics(prediction, references)
    assert 0.0 <= sentence_bleu(statistics) <= 1.0
    assert 0.0 <= corpus_bleu(statistics) <= sentence_bleu(statistics) + 1e-12
    assert statistics == bleu_statistics(prediction, [*reversed(references), references[0]])


@given(SENTENCES.filter(bool), REFERENCES)
def test_a_reference_itself_is_the_maximum(prediction: list[str], references: list[list[str]]) -> None:
    assert sentence_bleu(bleu_statistics(prediction, [*references, prediction])) == 1.0


@given(SENTENCES, REFERENCES, SENTENCES)
def test_a_further_reference_never_lowers_matches(
    prediction: list[str], references: list[list[str]], further: list[str]
) -> None:
    before, after = (bleu_statistics(prediction, more) for more in (references, [*references, further]))
    assert all(a <= b for a, b in zip(before.matches, after.matches, strict=True))
