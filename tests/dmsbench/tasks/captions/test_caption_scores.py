"""All scores of a caption at once."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.captions.scores import CaptionScorer, CaptionScores

IMAGES = (
    ("a large red circle at the top left", "there's a red circle"),
    ("a small blue square at the centre",),
    ("a small green cross at the bottom right and a large red square at the top left",),
)
SCORER = CaptionScorer.of(IMAGES, of_scenes=True)
PLAIN = CaptionScorer.of(IMAGES)


def test_a_reference_itself_is_the_maximum() -> None:
    for references in IMAGES:
        found = SCORER.score(references[0], [references[0]])
        assert found == CaptionScores(1.0, 1.0, 1.0, pytest.approx(10.0), 1.0)


def test_case_and_full_stop_are_no_difference_to_words() -> None:
    found = SCORER.score("A small blue square at the centre.", IMAGES[1])
    assert (found.bleu4, found.rouge_l, found.cider_d, found.attributes) == (
        1.0,
        1.0,
        pytest.approx(10.0),
        1.0,
    )
    assert found.chrf < 1.0


def test_attributes_are_of_scenes_alone() -> None:
    assert PLAIN.score("a red circle", IMAGES[0]).attributes is None
    assert "attributes" not in PLAIN.signatures(None)


def test_every_score_has_a_signature() -> None:
    signatures = SCORER.signatures(5)
    assert list(signatures) == list(CaptionScores.__dataclass_fields__)
    assert all("|refs:5|" in signature for signature in signatures.values())
    assert len({signature.split("|")[0] for signature in signatures.values()}) == 5
    assert SCORER.cider.fingerprint in signatures["cider_d"]


def test_frequencies_are_those_of_the_whole_split() -> None:
    other = CaptionScorer.of(IMAGES[:2], of_scenes=True)
    found, there = (scorer.score("a large red square", IMAGES[0]) for scorer in (SCORER, other))
    assert found.cider_d != there.cider_d
    assert SCORER.signatures(1)["cider_d"] != other.signatures(1)["cider_d"]
    assert found.bleu4 == there.bleu4


def test_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="no reference"):
        SCORER.score("a red circle", [])
    with pytest.raises(ValueError, match="an image has no reference"):
        CaptionScorer.of([("a",), ()])


TEXTS = st.text(max_size=20) | st.lists(
    st.sampled_from(["a", "red", "circle", "blue", "top", "left", "the", "gnu", ",", "'s"]), max_size=12
).map(" ".join)


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_any_text_has_finite_scores_in_range(prediction: str, references: list[str]) -> None:
    found = astuple(SCORER.score(prediction, references))
    assert all(math.isfinite(score) and score >= 0.0 for score in found)
    assert max(*found[:3], found[4]) <= 1.0
    assert found[3] <= 10.0
    assert found == astuple(SCORER.score(prediction, references[::-1]))
