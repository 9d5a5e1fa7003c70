"""A report as JSON and as one table: what ``--format`` prints of it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from dmsbench.report.formats import in_catalogue_order, points, rate, with_interval
from dmsbench.report.leaderboard import to_json
from dmsbench.report.sheets import Cell, Sheet

if TYPE_CHECKING:
    from dmsbench.report.build import Report
    from dmsbench.report.leaderboard import LeaderboardRow
    from dmsbench.scores import Estimate, Scorecard

_FIGURES = ("clean", "mean", "retention", "above_chance_retention", "ausc")
_TITLES = ("clean", "mean over conditions", "retention", "above-chance retention", "area under curve")


def report_dict(report: Report) -> dict[str, Any]:
    """The stable JSON of ``report``; scores are shares in [0, 1], undefined numbers null.

    ``leaderboard``: as leaderboard.json has it. ``by_corruption``: ``[{corruption, models: {NAME: {score,
    ci_low, ci_high, n_left_out, curve: [{severity, score, ci_low, ci_high}]}}}]``, severity 0 clean.
    ``unfinished``: models left out because records are missing. ``folder``, ``files``: where the run lies,
    and the names of what was written into it.
    """
    by_name = {
        model: {one.name: one for one in card.corruptions} for model, card in report.scorecards.items()
    }
    return {
        "leaderboard": json.loads(to_json(report.leaderboard)),
        "by_corruption": [
            {
                "corruption": name,
                "models": {
                    model: {
                        **_interval(found[name].mean),
                        "n_left_out": found[name].n_left_out,
                        "curve": [
                            {"severity": point.severity, **_interval(point.score)}
                            for point in found[name].curve
                        ],
                    }
                    for model, found in by_name.items()
                    if name in found
                },
            }
            for name in _corruptions(report)
        ],
        "unfinished": list(report.unfinished),
        "folder": str(report.files[0].parent) if report.files else None,
        "files": [path.name for path in report.files],
    }


def report_sheet(report: Report) -> Sheet:
    """A row a model: its figures with the ends of their intervals, then the mean of every corruption."""
    names = _corruptions(report)
    ends = ("", "_low", "_high")
    columns = ("rank", "model", *(f"{name}{end}" for name in _FIGURES for end in ends))
    counts = ("error_rate", "n_samples", "n_errors", "n_missing", "n_unscored", "n_left_out")
    rows: list[tuple[Cell, ...]] = []
    for row in report.leaderboard.rows:
        means = _means(report.scorecards[row.model])
        figures = [end for name in _FIGURES for end in _ends(getattr(row, name))]
        worst = (row.worst, *(_ends(row.worst_score) if row.worst_score else (None,) * 3))
        own = [getattr(row, name) for name in counts]
        rows.append((row.rank, row.model, *figures, *worst, *own, *(means.get(name) for name in names)))
    worsts = ("worst", *(f"worst_score{end}" for end in ends))
    return Sheet((*columns, *worsts, *counts, *names), tuple(rows))


def report_columns(report: Report) -> Sheet:
    """The same for people: a column a model, scores in points."""
    rows = report.leaderboard.rows
    means = {row.model: _means(report.scorecards[row.model]) for row in rows}
    lines: list[tuple[Cell, ...]] = [
        (title, *(with_interval(getattr(row, name)) for row in rows))
        for name, title in zip(_FIGURES, _TITLES, strict=True)
    ]
    lines.append(("worst condition", *map(_worst, rows)))
    lines.append(("errors", *(rate(row.error_rate) for row in rows)))
    lines += [
        (name, *(points(means[row.model].get(name, math.nan)) for row in rows))
        for name in _corruptions(report)
    ]
    return Sheet(("points", *(row.model for row in rows)), tuple(lines))


def _corruptions(report: Report) -> list[str]:
    return in_catalogue_order(one.name for card in report.scorecards.values() for one in card.corruptions)


def _means(card: Scorecard) -> dict[str, float]:
    return {one.name: one.mean.value for one in card.corruptions}


def _worst(row: LeaderboardRow) -> str:
    return "n/a" if row.worst is None else f"{row.worst} {with_interval(row.worst_score)}"


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _interval(estimate: Estimate) -> dict[str, float]:
    return {"score": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high}
