"""Rank ranges: their definition, what must hold of them, and how often they err where nothing differs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.scores.ranking import differences, enough, judged, ranges, rank_ranges, resolvable
from dmsbench.scores.rows import Rows, read_rows


def rows(scores: np.ndarray) -> Rows:
    """One model's records: (G, 2) scores of G images under fog and when clean."""
    frame = [
        {
            "sample_id": f"s{i}",
            "group": f"g{i}",
            "image_corruption": name,
            "image_severity": severity,
            "text_corruption": "clean",
            "text_severity": 0,
            "score": float(own[c]),
            "status": "ok",
            "changed": bool(severity),
        }
        for i, own in enumerate(scores)
        for c, (name, severity) in enumerate((("fog", 3), ("clean", 0)))
    ]
    return read_rows(pd.DataFrame(frame))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 6), st.data())
def test_ranges_are_counts_of_better_and_worse(n: int, data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    shown = data.draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))
    better = np.array([[order[i] > order[j] and shown[i * n + j] for j in range(n)] for i in range(n)])
    for i, found in enumerate(rank_ranges(better)):
        assert found.low == 1 + sum(bool(better[j, i]) for j in range(n))
        assert found.high == n - sum(bool(better[i, j]) for j in range(n))
        assert 1 <= found.low <= found.high <= n
        # Every rank that agrees with what is shown lies within.
        rank = 1 + sum(order[j] > order[i] for j in range(n))
        assert found.low <= rank <= found.high


def test_a_table_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="each"):
        rank_ranges(np.array([[False, True], [True, False]]))
    with pytest.raises(ValueError, match="square"):
        rank_ranges(np.zeros((2, 3), dtype=bool))


def test_far_apart_models_have_their_rank_and_equal_ones_share_theirs() -> None:
    rng = np.random.default_rng(0)
    good = rng.random((60, 2)) * 0.1 + 0.9
    models = {"good": rows(good), "twin": rows(good), "bad": rows(rng.random((60, 2)) * 0.1)}
    pairs = judged(differences(models))
    found = {name: str(one) for name, one in ranges(list(models), pairs).items()}
    assert found == {"good": "1–2", "twin": "1–2", "bad": "3"}
    assert resolvable(pairs)


def test_too_few_images_leave_everything_open_and_that_is_known() -> None:
    models = {"a": rows(np.ones((3, 2))), "b": rows(np.zeros((3, 2)))}
    pairs = judged(differences(models))
    assert {str(one) for one in ranges(list(models), pairs).values()} == {"1–2"}
    assert not resolvable(pairs)


def test_a_model_alone_is_first() -> None:
    alone = {"a": rows(np.ones((5, 2)))}
    assert str(ranges(["a"], judged(differences(alone)))["a"]) == "1"


def test_where_nothing_differs_ranges_are_whole_nearly_always() -> None:
    rng = np.random.default_rng(7)
    whole = 0
    for _ in range(60):
        models = {f"m{i}": rows((rng.random((40, 2)) < 0.6).astype(float)) for i in range(3)}
        found = ranges(list(models), judged(differences(models, replicates=400)))
        whole += all((one.low, one.high) == (1, 3) for one in found.values())
    assert whole >= 52  # 95 % are 57; below 52 a level of 5 % would be lower than 1 in 500


def test_many_pairs_are_tested_finely_enough() -> None:
    assert enough(1) == enough(10) <= enough(1000)
    assert 1 / enough(1000) < 0.05 / 1000
