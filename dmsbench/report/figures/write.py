"""All figures of a run, in one folder."""

from __future__ import annotations

from pathlib import Path

from dmsbench.report.figures.chart import Chart, write_charts
from dmsbench.report.figures.heatmaps import difference_chart, heatmap_charts
from dmsbench.report.figures.intervals import gains_chart, headroom_chart, means_chart
from dmsbench.report.figures.panels import panels_chart
from dmsbench.report.figures.reliability import calibration_chart, reliability_charts
from dmsbench.report.figures.surfaces import surface_charts
from dmsbench.report.figures.tables import write_tables
from dmsbench.report.run_scores import RunScores

MOST_PAIRS = 7
"""Of the first model with others; beyond, the tables have the numbers."""


def write_figures(found: RunScores, folder: Path) -> tuple[Path, ...]:
    """Writes every chart of a run (SVG, PDF, PNG and the numbers as CSV) and its tables (LaTeX and CSV).

    A chart that has nothing to show is not there. ``found`` is read with ``full=True``: without, there are
    no pairs and no calibration. One column is 3.3 inches wide, two are 6.9; PNG has 300 dots an inch. The
    same input gives the same bytes. Returns the paths, in the order written.

    Raises OSError where a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return (*write_charts(_charts(found), folder), *write_tables(found, folder))


def _charts(found: RunScores) -> list[Chart]:
    order, score = list(found.cards), found.score_name
    pairs = [one for one in found.pairs if one.a == order[0]][:MOST_PAIRS]
    responses = {one.model: one.weights for one in found.scheduled if one.weights is not None}
    chance = None if found.chance is None else ("chance", found.chance)
    curves = panels_chart("curves", found.cards, order, value="score", axis=f"{score} (%)", reference=chance)
    weights = panels_chart(
        "weights", responses, order, value="weight_image", axis="image weight (%)", reference=("uniform", 0.5)
    )
    charts = [
        curves,
        means_chart(found.board, score),
        *heatmap_charts(found.cards, score),
        *(difference_chart(one) for one in pairs),
        *surface_charts(found.cards, score),
        weights,
        *reliability_charts(found.calibration, score),
        calibration_chart(found.calibration, order),
        headroom_chart(found.scheduled, score),
        *(gains_chart(one) for one in pairs),
    ]
    return [chart for chart in charts if chart is not None]
