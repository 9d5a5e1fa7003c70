"""Boards as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dmsbench.plain_text import csv_text
from dmsbench.report import retrieval
from dmsbench.report.answer_types import entries as type_entries
from dmsbench.report.board.build import Board, Entry
from dmsbench.report.formats import plain
from dmsbench.report.leaderboard import ends, ends_of

_FIGURES = ("clean", "mean", "retention", "above_chance_retention", "ausc")
_HEAD = ("suite", "fingerprint", "score", "rank_low", "rank_high", "model")
_COUNTS = ("n_samples", "n_errors", "n_missing", "n_unscored", "n_left_out")


def to_csv(boards: Sequence[Board]) -> str:
    """One line a model: shares with six decimals, estimates with ``_low`` and ``_high``; empty for NaN."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    estimates = [f"{name}{end}" for name in _FIGURES for end in ("", "_low", "_high")]
    behind = ["minus_best", "minus_best_low", "minus_best_high"]
    worst = ["worst", "worst_score", "worst_score_low", "worst_score_high"]
    writer.writerow([*_HEAD, *estimates, *behind, *worst, "error_rate", *_COUNTS, "spec", "dmsbench"])
    for board in boards:
        info = board.leaderboard.info
        for entry in board.entries:
            row = entry.row
            ranks = ["", ""] if entry.ranks is None else [entry.ranks.low, entry.ranks.high]
            own = entry.behind
            writer.writerow(
                [
                    csv_text(info.suite),
                    csv_text(info.fingerprint),
                    csv_text(info.score),
                    *ranks,
                    csv_text(row.model),
                ]
                + [number for name in _FIGURES for number in ends(getattr(row, name))]
                + ([""] * 3 if own is None else ends_of(own.difference, own.low, own.high))
                + [csv_text(row.worst or ""), *ends(row.worst_score), *ends_of(row.error_rate)]
                + [getattr(row, name) for name in _COUNTS]
                + [csv_text(entry.spec), csv_text(entry.version)]
            )
    return out.getvalue()


def to_json(boards: Sequence[Board]) -> str:
    """``{boards: [{suite, dataset, …, fingerprint, chance, level, pairs, models, …}]}``;
    ``answer_types`` and ``retrieval`` as in a run's leaderboard.json, empty where there are none.

    A pair is ``{a, b, difference, ci_low, ci_high, p_value, min_p, p_adjusted, verdict}``, difference = b − a
    and p adjusted over all pairs of its board.

    A model is ``{rank_low, rank_high, tied, model, clean, mean, …, minus_best, spec, dmsbench}``; estimates
    are ``{value, low, high}``, shares in [0, 1] with six decimals, null for NaN.
    """
    return (
        json.dumps(plain({"boards": [_board(board) for board in boards]}), indent=2, allow_nan=False) + "\n"
    )


def _board(board: Board) -> dict[str, Any]:
    found = board.leaderboard
    return {
        **asdict(found.info),
        "data_fingerprint": board.data_fingerprint,
        "licence": board.licence,
        "date": board.date,
        "chance": found.chance,
        "level": found.level,
        "resolvable": board.resolvable,
        "pairs": [{**asdict(pair), "verdict": pair.verdict.value} for pair in board.pairs],
        "models": [_model(entry) for entry in board.entries],
        "answer_types": type_entries(found.answer_types),
        "retrieval": retrieval.entries(found.retrieval),
    }


def _model(entry: Entry) -> dict[str, Any]:
    own = asdict(entry.row)
    del own["rank"]  # of means; the ranges are what is shown
    ranks = entry.ranks
    return {
        "rank_low": None if ranks is None else ranks.low,
        "rank_high": None if ranks is None else ranks.high,
        "tied": entry.tied,
        **own,
        "minus_best": None if entry.behind is None else asdict(entry.behind),
        "spec": entry.spec,
        "dmsbench": entry.version,
    }
