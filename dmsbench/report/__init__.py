"""What a run shows: robustness curves, a leaderboard, tables for the terminal. From scorecards alone.

Computing is apart from printing: nothing here writes to the terminal. Matplotlib and rich are imported by
the functions that need them.
"""

from dmsbench.report.curves import draw_curves
from dmsbench.report.leaderboard import (
    Leaderboard,
    LeaderboardRow,
    ReportInfo,
    to_csv,
    to_json,
    to_markdown,
)
from dmsbench.report.leaderboard import build as build_leaderboard  # ``report.build`` is a module
from dmsbench.report.leaderboard import write as write_leaderboard
from dmsbench.report.tables import comparison_table, corruption_table, scorecard_table

__all__ = [
    "Leaderboard",
    "LeaderboardRow",
    "ReportInfo",
    "build_leaderboard",
    "comparison_table",
    "corruption_table",
    "draw_curves",
    "scorecard_table",
    "to_csv",
    "to_json",
    "to_markdown",
    "write_leaderboard",
]
