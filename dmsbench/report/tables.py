"""Tables for the terminal, as rich renderables; nothing is printed here. Scores in points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmsbench.plain_text import one_line, printable_lines
from dmsbench.report.formats import (
    UNDEFINED,
    in_catalogue_order,
    interval,
    p_value,
    percent,
    points,
    rate,
    signed_points,
)
from dmsbench.report.sparklines import comparison_curves, span, sparkline

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from dmsbench.report.groups import Groups
    from dmsbench.report.leaderboard import Leaderboard, LeaderboardRow
    from dmsbench.scores import Comparison, Contrast, Estimate, GroupContrast, Scorecard

LOWEST = "<"
"""Marks a model's lowest corruption in ``corruption_table``."""
_FIGURES = (
    "clean",
    "mean over conditions",
    "retention",
    "above-chance retention",
    "area under curve",
    "worst condition",
    "errors",
)
_WIDE = 100
"""Columns that a scorecard of many models takes with every interval on one line."""
_CORRUPTION, _MODEL = 22, 16
"""Of ``corruption_table``: columns for the names of corruptions, and at most for a model's."""
SIDE_BY_SIDE = 3
"""So many models have a column each in ``scorecard_table``; more have a row each."""


def scorecard_table(leaderboard: Leaderboard, width: int = _WIDE) -> Table:
    """Every figure of every model with its interval, models by rank.

    Up to three models stand side by side, in 80 columns; more stand one below the other in 100, each value
    above its interval, which is broken over two lines where ``width`` is less.
    """
    info, level = leaderboard.info, percent(leaderboard.level)
    title = one_line(f"{info.suite}: {info.dataset}, {info.n_samples} samples, seed {info.seed}")
    note = "Whether model A beats model B: dmsbench compare A B"
    if len(leaderboard.rows) <= SIDE_BY_SIDE:
        table = blank_table(title, f"points, with {level} intervals clustered by image. {note}")
        table.add_column(literal(""))
        for row in leaderboard.rows:
            table.add_column(literal(one_line(row.model)), justify="right", overflow="fold", max_width=24)
        by_model = [_figures(row, stacked=False) for row in leaderboard.rows]
        for name in _FIGURES:
            table.add_row(literal(name), *(literal(figures[name]) for figures in by_model))
        return table
    table = blank_table(title, f"points; below each value its {level} interval, clustered by image. {note}")
    table.add_column(literal("#"), justify="right")
    table.add_column(literal("model"), overflow="fold", max_width=18)
    between = "–" if width >= _WIDE else "–\n"
    for heading in ("clean", "mean", "retention", "above\nchance", "area"):
        table.add_column(literal(heading), justify="right", no_wrap=True)
    table.add_column(literal("worst"), no_wrap=True)
    table.add_column(literal("errors"), justify="right", no_wrap=True)
    for row in leaderboard.rows:
        rank = UNDEFINED if row.rank is None else str(row.rank)
        cells = [cell.replace("–", between) for cell in _figures(row, stacked=True).values()]
        table.add_row(literal(rank), literal(one_line(row.model)), *(literal(cell) for cell in cells))
    return table


def _figures(row: LeaderboardRow, *, stacked: bool) -> dict[str, str]:
    """What the scorecard shows of a model, by name: ``96.3 [95.1,97.4]``, or stacked over ``95.1–97.4``."""

    def shown(estimate: Estimate, between: str) -> str:
        if math.isnan(estimate.value):
            return UNDEFINED
        ends = interval(estimate.low, estimate.high)
        # An interval holds no blank, so that it is never broken over two lines.
        short = ends.strip("[]").replace(", ", "–") if stacked else ends.replace(" ", "")
        return f"{points(estimate.value)}{between}{short}"

    figures = (row.clean, row.mean, row.retention, row.above_chance_retention, row.ausc)
    cells = [shown(figure, "\n" if stacked else " ") for figure in figures]
    worst = UNDEFINED
    if row.worst is not None and row.worst_score is not None:
        worst = stacked_name(row.worst) + "\n" + shown(row.worst_score, " ")
    return dict(zip(_FIGURES, [*cells, worst, rate(row.error_rate)], strict=True))


def corruption_tables(scorecards: Mapping[str, Scorecard], width: int) -> list[Table]:
    """``corruption_table`` of so many models as stand side by side in ``width`` columns, and of the next."""
    parts: list[dict[str, Scorecard]] = []
    left = 0
    for model, card in scorecards.items():
        taken = min(_MODEL, max(7, len(one_line(model)))) + 1
        if not parts or taken > left:
            parts.append({})
            left = width - _CORRUPTION
        parts[-1][model] = card
        left -= taken
    return [corruption_table(part) for part in parts]


def corruption_table(scorecards: Mapping[str, Scorecard]) -> Table:
    """Corruption × model: the mean over severities; each model's lowest is marked with ``<``."""
    table = blank_table("mean over severities, by corruption", f"points; {LOWEST} marks a model's lowest")
    names = in_catalogue_order(c.name for card in scorecards.values() for c in card.corruptions)
    table.add_column(literal("corruption"), no_wrap=True)
    means: dict[str, dict[str, float]] = {}
    for model, card in scorecards.items():
        table.add_column(literal(one_line(model)), justify="right", overflow="fold", max_width=_MODEL)
        means[model] = {c.name: c.mean.value for c in card.corruptions if not math.isnan(c.mean.value)}
    lowest = {model: min(values.values(), default=math.nan) for model, values in means.items()}

    def cell(model: str, name: str) -> Text:
        value = means[model].get(name, math.nan)
        marked = value == lowest[model]
        return literal(f"{points(value)} {LOWEST if marked else ' '}", style="bold red" if marked else "")

    table.add_row(literal("clean"), *(literal(f"{points(c.clean.value)}  ") for c in scorecards.values()))
    for name in names:
        table.add_row(literal(stacked_name(name)), *(cell(model, name) for model in means))
    return table


def comparison_table(
    comparison: Comparison,
    name_a: str,
    name_b: str,
    groups: Groups | None = None,
    *,
    curves: bool = False,
) -> Table:
    """Overall, clean and every corruption: both scores, B - A with its interval, p and verdict.

    Groups of conditions stand below, without a test. The title says which model is A and which is B.
    ``curves``: with both models' scores against severity as block characters, in two columns more.
    """
    drawn = _Drawn.of(comparison) if curves else None
    caption = (
        f"points; {comparison.n_pairs} pairs from {comparison.n_groups} images; p after Holm over the "
        "corruptions, overall and clean are one planned test each"
    )
    if groups is not None and groups.by_family:
        caption += "; groups of conditions at the end: an interval, no test"
    caption += f"; errors: A {rate(comparison.error_rate_a)}, B {rate(comparison.error_rate_b)}"
    if comparison.n_error_pairs:
        caption += f"; pairs left out for an error in A or B: {comparison.n_error_pairs}"
    planned = [contrast for contrast in (comparison.overall, comparison.clean) if contrast is not None]
    by_name = {contrast.name: contrast for contrast in comparison.corruptions}
    rows = [*planned, *(by_name[name] for name in in_catalogue_order(by_name))]
    if any(contrast.min_p >= comparison.alpha for contrast in rows):
        caption += "; too few images for some rows to be significant, however large the difference"
    table = blank_table(f"A: {one_line(name_a)}\nB: {one_line(name_b)}", caption)
    table.add_column(literal("condition"), no_wrap=True)
    for title in ("A", "B"):
        table.add_column(literal(title), justify="right", no_wrap=True)
    table.add_column(literal("B - A"), justify="right", no_wrap=True)
    table.add_column(literal(f"{percent(comparison.level)} interval"), justify="right", no_wrap=True)
    table.add_column(literal("p"), justify="right", no_wrap=True)
    table.add_column(literal("verdict"), overflow="fold")
    if drawn is not None:
        caption += f"; {drawn.note}"
        table.caption = literal(caption, style="dim")
        for title in ("A by\nseverity", "B by\nseverity"):
            table.add_column(literal(title), no_wrap=True)
    for contrast in rows:
        last = contrast is (planned[-1] if planned else None) or contrast is rows[-1]
        lines = drawn.lines.get(contrast.name, ()) if drawn is not None else ()
        table.add_row(*_contrast_cells(contrast), *map(literal, lines), end_section=last)
    for found in () if groups is None else (groups.by_relation, groups.by_family):
        for group in found:
            table.add_row(*_group_cells(group), end_section=group is found[-1])
    return table


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Both models' curves as block characters by corruption, and what they stand for."""

    lines: Mapping[str, tuple[str, str]]
    note: str

    @classmethod
    def of(cls, comparison: Comparison) -> _Drawn | None:
        """None where no corruption has a score."""
        severities, curves = comparison_curves(comparison)
        low, high = span(curve for pair in curves.values() for curve in pair)
        if math.isnan(low):
            return None
        lines = {name: (sparkline(a, low, high), sparkline(b, low, high)) for name, (a, b) in curves.items()}
        shown = ", ".join(map(str, severities))
        return cls(lines, f"curves: severities {shown}, from {points(low)} to {points(high)} points")


def _group_cells(group: GroupContrast) -> list[Text]:
    between = interval(group.ci_low, group.ci_high, signed=True)
    figures = (points(group.a), points(group.b), signed_points(group.difference), between)
    count = f"{group.n_conditions} condition{'' if group.n_conditions == 1 else 's'}"
    return [literal(stacked_name(group.name)), *map(literal, figures), literal(""), literal(count)]


def _contrast_cells(contrast: Contrast) -> list[Text]:
    from dmsbench.scores import Verdict

    found = contrast.verdict is not Verdict.NO_DIFFERENCE
    return [
        literal(stacked_name(contrast.name)),
        literal(points(contrast.a)),
        literal(points(contrast.b)),
        literal(signed_points(contrast.difference)),
        literal(interval(contrast.ci_low, contrast.ci_high, signed=True)),
        literal(p_value(contrast.p_adjusted)),
        # Short, so that a row stays a row at 80 columns.
        literal(contrast.verdict.value, style="bold") if found else literal("not significant"),
    ]


def stacked_name(name: str) -> str:
    """A joint corruption on two lines: ``gaussian_noise+`` over ``char_delete``."""
    return name.replace("+", "+\n")


def blank_table(title: str, caption: str) -> Table:
    """A table without columns, in the one style of all."""
    from rich import box
    from rich.table import Table

    return Table(
        title=literal(title, style="bold"),
        caption=literal(caption, style="dim"),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )


def literal(content: str, style: str = "") -> Text:
    """Text as it is: no markup, so that a model named ``[red]`` keeps its name; no escape sequences."""
    from rich.text import Text

    return Text(printable_lines(content), style=style)
