"""Scores of retrieval by direction, as the leaderboard's files show them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dmsbench.report.formats import UNDEFINED, escaped, interval, with_interval

if TYPE_CHECKING:
    from dmsbench.scores import Estimate
    from dmsbench.scores.retrieval import Found, RetrievalScores

    #: By model.
    ByModel = Mapping[str, RetrievalScores]

_COLUMNS = ("R@1", "R@5", "R@10", "median rank")


def entries(scores: ByModel) -> list[dict[str, Any]]:
    """``[{model, rsum: {of, clean, mean}, directions: [{direction, n_samples, clean, mean}]}]``.

    Clean and mean of a direction are ``{recall_at_1, recall_at_5, recall_at_10, median_rank}``.
    """
    return [
        {
            "model": model,
            "rsum": {"of": own.rsum_of, "clean": asdict(own.rsum_clean), "mean": asdict(own.rsum_mean)},
            "directions": [
                {
                    "direction": one.direction,
                    "n_samples": one.n_samples,
                    "clean": _figures(one.clean),
                    "mean": _figures(one.mean),
                }
                for one in own.directions
            ],
        }
        for model, own in scores.items()
    ]


def _figures(found: Found) -> dict[str, Any]:
    recalls = {f"recall_at_{place}": asdict(value) for place, value in found.recall.items()}
    return {**recalls, "median_rank": found.median_rank}


def section(scores: ByModel) -> list[str]:
    """Lines of Markdown: a table by direction, recalls in points, and one of the sums."""
    rows = [
        _line([escaped(model), one.direction, str(one.n_samples), name, *_cells(found)])
        for model, own in scores.items()
        for one in own.directions
        for name, found in (("clean", one.clean), ("mean", one.mean))
    ]
    sums = [
        _line([escaped(model), f"{own.rsum_of}", _sum(own.rsum_clean), _sum(own.rsum_mean)])
        for model, own in scores.items()
    ]
    return [
        "## By direction",
        "",
        _line(["model", "direction", "queries", "over", *_COLUMNS]),
        _line([":--", ":--", "--:", ":--", *["--:"] * len(_COLUMNS)]),
        *rows,
        "",
        _line(["model", "rsum out of", "clean", "mean"]),
        _line([":--", "--:", "--:", "--:"]),
        *sums,
        "",
        _note(scores),
    ]


def _note(scores: ByModel) -> str:
    alone = {own.directions[0].direction for own in scores.values() if len(own.directions) == 1}
    one = f"; here of {' and '.join(sorted(alone))} alone, so out of 300" if alone else ""
    return (
        "**R@k**: share of the queries with a right candidate among the first k. **mean** as above; of ranks "
        f"the mean of the conditions' medians. **rsum**: the sum of all recalls of both directions{one}."
    )


def _cells(found: Found) -> list[str]:
    median = UNDEFINED if math.isnan(found.median_rank) else f"{found.median_rank:.1f}"
    return [*(with_interval(value) for value in found.recall.values()), median]


def _sum(value: Estimate) -> str:
    """A sum that is in points already."""
    if math.isnan(value.value):
        return UNDEFINED
    return f"{value.value:.1f} {interval(value.low / 100, value.high / 100)}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
