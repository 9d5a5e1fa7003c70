"""CIDEr-D of captions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from golden_captions import CAPTIONS, COCO_CIDER
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.tasks.captions.cider import CiderD

IMAGES = [[text.split() for text in more] for _, more in CAPTIONS]
SENTENCES = st.lists(st.sampled_from("abcde"), max_size=9)
REFERENCES = st.lists(SENTENCES, min_size=1, max_size=3)
CORPORA = st.lists(REFERENCES, min_size=2, max_size=5)


def test_is_as_in_coco() -> None:
    cider = CiderD(IMAGES)
    found = [cider.score(one.split(), more) for (one, _), more in zip(CAPTIONS, IMAGES, strict=True)]
    assert found == pytest.approx(COCO_CIDER, abs=1e-9)


def _by_the_paper(images: list[list[list[str]]], found: list[str], references: list[list[str]]) -> float:
    """Dense vectors over all runs of a length; one reference at a time."""

    def runs(words: list[str], n: int) -> list[str]:
        return [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]

    total = 0.0
    for n in (1, 2, 3, 4):
        within = [{run for words in image for run in runs(words, n)} for image in images]
        axes = sorted(set().union(*within, *(runs(words, n) for words in (found, *references))))
        seen = np.array([max(1, sum(run in image for image in within)) for run in axes])
        rarity = np.log(len(images) / seen)

        def vector(
            words: list[str], n: int = n, axes: list[str] = axes, rarity: np.ndarray = rarity
        ) -> np.ndarray:
            return np.array([runs(words, n).count(run) for run in axes]) * rarity

        g = vector(found)
        for words in references:
            h = vector(words)
            norms = np.linalg.norm(g) * np.linalg.norm(h)
            if norms > 0:
                penalty = np.exp(-((len(found) - len(words)) ** 2) / (2 * 6.0**2))
                total += 10 * penalty * (np.minimum(g, h) @ h) / norms / 4 / len(references)
    return float(total)


@given(CORPORA, SENTENCES, REFERENCES)
def test_is_the_papers_formula(
    images: list[list[list[str]]], found: list[str], references: list[list[str]]
) -> None:
    score = CiderD(images).score(found, references)
    assert score == pytest.approx(_by_the_paper(images, found, references), abs=1e-9)


@given(CORPORA, SENTENCES, REFERENCES)
def test_range_and_order(
    images: list[list[list[str]]], found: list[str], references: list[list[str]]
) -> None:
    cider, other = CiderD(images), CiderD(reversed(images))
    score = cider.score(found, references)
    assert 0.0 <= score <= 10.0
    assert score == other.score(found, references[::-1])
    assert cider.fingerprint == other.fingerprint


def test_a_reference_itself_is_the_maximum_where_every_length_has_a_rare_run() -> None:
    cider = CiderD(IMAGES)
    for words in (text for image in IMAGES for text in image if len(text) >= 4):
        assert cider.score(words, [words]) == pytest.approx(10.0, abs=1e-12)
        assert cider.score(words, [words, words]) == pytest.approx(10.0, abs=1e-12)
    assert cider.score(["pizza"], [["pizza"]]) == pytest.approx(2.5)


def test_what_all_images_have_is_worth_nothing() -> None:
    cider = CiderD([[["a", "dog"]], [["a", "cat"]]])
    assert cider.score(["a"], [["a", "dog"]]) == 0.0
    assert cider.score(["dog"], [["a", "dog"]]) > 0.0


@pytest.mark.parametrize(
    ("prediction", "reference"), [("", "a dog"), ("a dog", ""), ("", ""), ("gnu emu", "a dog")]
)
def test_nothing_in_common_is_zero(prediction: str, reference: str) -> None:
    assert CiderD(IMAGES).score(prediction.split(), [reference.split()]) == 0.0


def test_unknown_words_count_like_the_rarest() -> None:
    cider = CiderD(IMAGES)
    assert cider.score(["gnu", "emu", "yak", "ape"], [["gnu", "emu", "yak", "ape"]]) == pytest.approx(10.0)


def test_a_repeated_reference_counts_twice() -> None:
    cider, found = CiderD(IMAGES), ["a", "red", "bus"]
    near, far = ["a", "red", "bus", "on", "a", "street"], ["two", "cats"]
    once, twice = cider.score(found, [near, far]), cider.score(found, [near, near, far])
    assert once == pytest.approx(cider.score(found, [near]) / 2)
    assert twice == pytest.approx(cider.score(found, [near]) * 2 / 3)


def test_needs_references_and_two_images() -> None:
    cider = CiderD(IMAGES)
    with pytest.raises(ValueError, match="no reference"):
        cider.score(["a"], [])
    with pytest.raises(ValueError, match="two images"):
        CiderD([[["a"]]])
    with pytest.raises(ValueError, match="an image has no reference"):
        CiderD([[["a"]], []])


def test_the_signature_names_the_frequencies() -> None:
    cider = CiderD(IMAGES)
    assert cider.signature(5) == (
        f"cider_d|tok:ptb_captions:1|n:1-4|sigma:6|scale:10|smooth:none|idf:{cider.fingerprint}|refs:5|v1"
    )
    fewer, repeated = CiderD(IMAGES[1:]), CiderD([*IMAGES, [[]]])
    assert len({cider.fingerprint, fewer.fingerprint, repeated.fingerprint}) == 3


def test_a_worker_scores_alike() -> None:
    cider = CiderD(IMAGES)
    before = cider.score(["a", "red", "bus"], IMAGES[3])
    other: CiderD = pickle.loads(pickle.dumps(cider))  # noqa: S301
    assert other.score(["a", "red", "bus"], IMAGES[3]) == before
    assert other.fingerprint == cider.fingerprint
