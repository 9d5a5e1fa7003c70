"""Recall, median rank and rsum from records, and how a leaderboard shows them."""

from __future__ import annotations

import json
from math import isnan

import numpy as np
import pandas as pd
import pytest

from dmsbench.report.leaderboard import ReportInfo, build, to_json, to_markdown
from dmsbench.scores import ScoreTable, scorecard, scorecard_of_table
from dmsbench.scores.retrieval import RetrievalScores, retrieval_scores, sample_directions
from dmsbench.scores.rows import read_rows
from dmsbench.tasks.retrieval import rsum

CONDITIONS = (("clean", 0), ("fog", 1), ("fog", 2))


def records(pictures: int = 20) -> pd.DataFrame:
    """An item and a text a picture; one query has failed under fog@2, and fog@1 leaves all texts out."""
    rng = np.random.default_rng(3)
    rows = []
    for picture in range(pictures):
        for direction in ("image_to_text", "text_to_image"):
            for corruption, severity in CONDITIONS:
                status = "ok"
                if (picture, direction, severity) == (4, "image_to_text", 2):
                    status = "model_error"
                if (direction, severity) == ("text_to_image", 1):
                    status = "left_out"
                rank = int(rng.integers(1, 14)) if status == "ok" else None
                rows.append(
                    {
                        "sample_id": f"{picture}/{direction}",
                        "group": f"g{picture}",
                        "image_corruption": corruption,
                        "image_severity": severity,
                        "text_corruption": "clean",
                        "text_severity": 0,
                        "score": None if rank is None else float(rank <= 1),
                        "status": status,
                        "changed": severity > 0,
                        "rank": rank,
                        "direction": direction,
                    }
                )
    return pd.DataFrame(rows)


def scores(frame: pd.DataFrame) -> RetrievalScores:
    return retrieval_scores(read_rows(frame, ["rank"]), sample_directions(frame), replicates=200)


def test_figures_are_those_of_each_direction_alone() -> None:
    frame = records()
    found = scores(frame)
    assert [one.direction for one in found.directions] == ["image_to_text", "text_to_image"]
    assert found.rsum_of == 600
    for one in found.directions:
        ranks = frame[(frame["direction"] == one.direction) & (frame["status"] == "ok")]
        parts = {s: own["rank"].to_numpy() for s, own in ranks.groupby("image_severity")}
        corrupted = [own for s, own in parts.items() if s > 0]
        assert one.n_samples == 20 and len(corrupted) == (2 if one.direction == "image_to_text" else 1)
        assert one.clean.median_rank == np.median(parts[0])
        assert one.mean.median_rank == pytest.approx(np.mean([np.median(own) for own in corrupted]))
        for k in (1, 5, 10):
            assert one.clean.recall[k].value == pytest.approx((parts[0] <= k).mean())
            assert one.mean.recall[k].value == pytest.approx(
                np.mean([(own <= k).mean() for own in corrupted])
            )
            assert one.clean.recall[k].low <= one.clean.recall[k].value <= one.clean.recall[k].high
    clean = frame[frame["image_severity"] == 0].groupby("direction")["rank"]
    assert found.rsum_clean.value == pytest.approx(rsum(own.to_numpy() for _, own in clean))
    assert found.rsum_clean.low < found.rsum_clean.value < found.rsum_clean.high
    total = sum(100 * value.value for one in found.directions for value in one.mean.recall.values())
    assert found.rsum_mean.value == pytest.approx(total)


def test_recall_at_1_is_the_score_of_the_scorecard() -> None:
    frame = records()
    frame = frame[frame["direction"] == "image_to_text"]
    (one,) = scores(frame).directions
    card = scorecard_of_table(ScoreTable.from_rows(read_rows(frame)), replicates=200)
    assert (one.clean.recall[1], one.mean.recall[1]) == (card.clean, card.mean)


def test_a_row_without_a_rank_is_refused() -> None:
    frame = records()
    frame.loc[0, "rank"] = None
    with pytest.raises(ValueError, match="no rank"):
        scores(frame)


def test_nothing_that_is_ok_is_undefined_and_not_zero() -> None:
    frame = records()
    frame.loc[frame["direction"] == "text_to_image", ["status", "rank"]] = ["model_error", None]
    found = scores(frame)
    assert isnan(found.rsum_clean.value) and isnan(found.directions[1].clean.median_rank)
    assert not isnan(found.directions[0].clean.median_rank)


def test_a_leaderboard_shows_them() -> None:
    info = ReportInfo("search", "scenes/test", 40, 0, "recall_at_1|ties:against|v1", "0123")
    frame = records()
    card = scorecard(frame, replicates=50)
    found = scores(frame)
    board = build({"a|b": card}, info, None, {"a|b": found})
    text = to_markdown(board).split("## By direction\n")[1]
    lines = text.splitlines()
    assert lines[1] == "| model | direction | queries | over | R@1 | R@5 | R@10 | median rank |"
    assert [line.split(" | ")[1:4] for line in lines[3:7]] == [
        ["image_to_text", "20", "clean"],
        ["image_to_text", "20", "mean"],
        ["text_to_image", "20", "clean"],
        ["text_to_image", "20", "mean"],
    ]
    value = found.rsum_clean
    assert f"| a\\|b | 600 | {value.value:.1f} [{value.low:.1f}, {value.high:.1f}] |" in text
    assert "alone" not in text
    (entry,) = json.loads(to_json(board))["retrieval"]
    assert entry["model"] == "a|b" and entry["rsum"]["of"] == 600
    assert entry["directions"][0]["clean"].keys() == {
        "recall_at_1",
        "recall_at_5",
        "recall_at_10",
        "median_rank",
    }
    one = scores(frame[frame["direction"] == "text_to_image"])
    alone = to_markdown(build({"a": card}, info, None, {"a": one}))
    assert one.rsum_of == 300 and "here of text_to_image alone, so out of 300" in alone
    assert "By direction" not in to_markdown(build({"a": card}, info))
    assert "retrieval" not in json.loads(to_json(build({"a": card}, info)))
