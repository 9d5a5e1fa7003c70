"""Figures for papers: charts at print size as SVG, PDF and PNG, their numbers as CSV, tables as LaTeX.

``write_figures`` writes them all. Nothing is computed anew: what is shown is what ``RunScores`` holds.
Matplotlib is imported by the functions that need it.
"""

from dmsbench.report.figures.write import write_figures

__all__ = ["write_figures"]
