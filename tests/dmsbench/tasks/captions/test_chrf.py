"""chrF2 of captions."""

from __future__ import annotations

import pytest
from golden_captions import CAPTIONS, SACREBLEU_CHRF
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.captions.chrf import chrf, signature

TEXTS = st.text("ab ", max_size=12)
REFERENCES = st.lists(TEXTS, min_size=1, max_size=4)


def test_is_as_in_sacrebleu() -> None:
    found = [100 * chrf(one, more) for one, more in CAPTIONS]
    assert found == pytest.approx(SACREBLEU_CHRF, abs=1e-9)


def test_blanks_do_not_count_and_case_does() -> None:
    assert chrf("a redcircle", ["a red circle"]) == 1.0
    assert chrf("A", ["a"]) == 0.0


@pytest.mark.parametrize(("prediction", "reference"), [("", "a dog"), ("a dog", " "), ("", ""), ("a", "b")])
def test_nothing_in_common_is_zero(prediction: str, reference: str) -> None:
    assert chrf(prediction, [reference]) == 0.0


def test_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="no reference"):
        chrf("a", [])


def test_signature() -> None:
    assert signature(5) == "chrf2|tok:none|case:mixed|nc:6|nw:0|smooth:effective|refs:5|v1"


@given(TEXTS, REFERENCES, TEXTS)
def test_range_order_and_further_references(prediction: str, references: list[str], further: str) -> None:
    score = chrf(prediction, references)
    assert 0.0 <= score <= chrf(prediction, [further, *references]) <= 1.0
    assert score == chrf(prediction, [*reversed(references), references[0]])
    if prediction.strip():
        assert chrf(prediction, [*references, prediction]) == 1.0
