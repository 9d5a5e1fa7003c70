"""Answer types, and scores by them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.scores import scorecard
from dmsbench.scores.answer_types import TYPES, answer_type, answer_type_scores, sample_types
from dmsbench.scores.rows import read_rows


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (["yes"], "yes/no"),
        (["No."], "yes/no"),
        (["2"], "number"),
        (["two", "2", "a pair"], "number"),
        (["none"], "number"),
        (["3.5"], "number"),
        (["1,000"], "number"),
        (["red"], "other"),
        (["2 dogs"], "other"),
        (["yes please"], "other"),
        (["10:30"], "other"),
        (["yes"] * 4 + ["red"] * 6, "other"),
        (["yes"] * 4 + ["red"] * 3 + ["blue"] * 3, "yes/no"),
        (["yes", "red"], "yes/no"),  # equally common: yes/no is the earlier
        (["yes", "red", "blue"], "other"),  # equally common: two of three are other
        ([], None),
    ],
)
def test_the_type_is_that_of_the_commonest_reference(references: list[str], expected: str | None) -> None:
    assert answer_type(references) == expected


@given(
    st.lists(st.sampled_from(["yes", "No", "two", "2", "red", "a", ".5", "blue."]), min_size=1),
    st.randoms(use_true_random=False),
)
def test_the_order_of_references_does_not_matter(references: list[str], random: Any) -> None:
    mixed = references.copy()
    random.shuffle(mixed)
    assert answer_type(mixed) == answer_type(references)
    assert answer_type(references) in TYPES


def records() -> pd.DataFrame:
    """24 samples of 12 images; every fourth asks for yes or no, one has failed, one has no references."""
    rows = []
    for i in range(24):
        known = [] if i == 23 else ["yes"] if i % 4 == 0 else ["red"]
        for corruption, severity in (("clean", 0), ("fog", 1), ("fog", 2)):
            failed = i == 23 or (i == 4 and severity == 2)
            rows.append(
                {
                    "sample_id": f"s{i:02}",
                    "group": f"g{i // 2}",
                    "image_corruption": corruption,
                    "image_severity": severity,
                    "text_corruption": "clean",
                    "text_severity": 0,
                    "references": known,
                    "score": None if failed else float((i * 7 + severity) % 3 > 0),
                    "status": "model_error" if failed else "ok",
                    "changed": severity > 0,
                }
            )
    return pd.DataFrame(rows)


def test_scores_are_those_of_the_samples_alone() -> None:
    frame = records()
    types = sample_types(frame)
    assert len(types) == 23
    found = answer_type_scores(read_rows(frame), types)
    assert [(score.type, score.n_samples) for score in found] == [("yes/no", 6), ("other", 17)]
    for score in found:
        own = frame[frame["sample_id"].map(types) == score.type]
        card = scorecard(own)
        assert (score.clean, score.mean) == (card.clean, card.mean)
        assert score.mean.low < score.mean.value < score.mean.high
    yes = frame[frame["sample_id"].map(types) == "yes/no"].groupby("image_severity")["score"].mean()
    assert found[0].clean.value == pytest.approx(yes[0])
    assert found[0].mean.value == pytest.approx((yes[1] + yes[2]) / 2)


def test_types_of_a_frame_do_not_hang_on_its_order() -> None:
    frame = records()
    assert sample_types(frame.iloc[::-1]) == sample_types(frame)
