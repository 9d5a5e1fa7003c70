"""How much of a scene a caption tells."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.data.scenes.language import caption, context
from dmsbench.data.scenes.world import draw_scene
from dmsbench.tasks.captions.attributes import AttributeScore, attribute_score, signature
from dmsbench.tasks.captions.things import ATTRIBUTES, things_said

TRUE = "a large red circle at the top left and a small blue square at the centre"
CAPTIONS = st.builds(
    lambda seed, level: caption(draw_scene(np.random.default_rng(seed), level)),
    st.integers(0, 2**32),
    st.integers(1, 3),
)


@pytest.mark.parametrize(
    ("prediction", "right", "claimed"),
    [
        (TRUE, 8, 8),
        ("a small blue square at the centre and a large red circle at the top left", 8, 8),
        ("a large red circle at the top left", 4, 4),
        ("a red circle and a blue square", 4, 4),
        # Attributes of the other thing are wrong.
        ("a small blue circle at the centre and a large red square at the top left", 6, 8),
        ("a large red circle at the centre and a small blue square at the top left", 6, 8),
        # One claim wrong, one place told by half, one thing too many, one told twice.
        ("a large red circle at the top left and a small green square at the centre", 7, 8),
        ("a large red circle at the top and a small blue square at the centre", 7, 8),
        (f"{TRUE} and a green cross", 8, 10),
        (f"{TRUE} and a large red circle at the top left", 8, 12),
        ("", 0, 0),
        ("a a a a", 0, 0),
        ("red red red red", 1, 4),
        ("green", 0, 1),
    ],
)
def test_claims(prediction: str, right: int, claimed: int) -> None:
    score = attribute_score(prediction, [TRUE])
    assert score == AttributeScore(right, claimed, 8)
    assert score.precision == pytest.approx(right / claimed if claimed else 0.0)
    assert score.recall == pytest.approx(right / 8)
    if right:
        mean = 2 * score.precision * score.recall / (score.precision + score.recall)
        assert score.f1 == pytest.approx(mean)
    else:
        assert score.f1 == 0.0


def test_what_the_reference_leaves_out_cannot_be_right() -> None:
    assert attribute_score("a large red circle", ["a red circle"]) == AttributeScore(2, 3, 2)


@pytest.mark.parametrize("prediction", ["", "a red circle"])
def test_a_reference_without_a_thing_is_zero(prediction: str) -> None:
    assert attribute_score(prediction, [""]).f1 == 0.0


def test_the_best_reference_counts() -> None:
    assert attribute_score("a red circle", ["", "a blue square", "a red circle", "a red"]).f1 == 1.0


def test_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="no reference"):
        attribute_score("a red circle", [])


def test_signature() -> None:
    assert signature(1) == (
        "attributes_f1|tok:scene_words:2|claims:shape,colour,size,place|best:f1|refs:1|v1"
    )


@given(CAPTIONS, CAPTIONS)
def test_most_claims_are_right_over_all_pairings(prediction: str, reference: str) -> None:
    said, known = sorted((things_said(prediction), things_said(reference)), key=len)
    best = max(
        sum(
            getattr(a, name) == getattr(b, name)
            for a, b in zip(said, order, strict=True)
            for name in ATTRIBUTES
        )
        for order in permutations(known, len(said))
    )
    assert attribute_score(prediction, [reference]).right == best


@given(CAPTIONS, CAPTIONS, CAPTIONS)
def test_range_identity_and_further_references(prediction: str, reference: str, further: str) -> None:
    score = attribute_score(prediction, [reference])
    assert 0.0 <= score.f1 <= attribute_score(prediction, [reference, further]).f1 <= 1.0
    assert score.f1 == attribute_score(reference, [prediction]).f1
    assert attribute_score(prediction, [reference, prediction]).f1 == 1.0
    assert (score.f1 == 1.0) == (sorted(prediction.split(" and ")) == sorted(reference.split(" and ")))


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_a_context_says_nothing_wrong(seed: int, level: int) -> None:
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, level)
    text = context(scene, rng)
    score = attribute_score(text, [caption(scene)])
    assert score.right == score.claimed
    assert (score.f1 == 1.0) == (text == caption(scene))
