"""The scorecard of one model: how well it holds up, per condition, per corruption and overall.

Every quantity is a function of the cell means m[c], the mean score of the ok rows of condition c, and every
interval is the percentile interval of that same function over bootstrap replicates clustered by group. All
scores are shares in [0, 1]; ratios have no unit. Errors are in no mean: they are counted beside it.
A cell without a single ok row has no mean; it is left out of the means over cells and listed in
``Scorecard.unscored``, or in ``Scorecard.left_out`` where all its rows were left out on purpose, so that it
is never silent.

A corruption may leave samples out whose own answer it would make wrong. Its cells are then compared with
clean on the samples that it keeps: "clean" in its retention, and at severity 0 of its curve, is the mean of
their clean rows, and in the overall retention it is the equal-weight mean of each cell's. Chance is known for
the whole data set only, so above-chance retention is undefined for such a corruption and rests, overall, on
the cells of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dmsbench.grid import Condition
from dmsbench.scores.bootstrap import (
    LEVEL,
    REPLICATES,
    Estimate,
    check_settings,
    estimate,
    mean_over_cells,
    replicate_means,
)
from dmsbench.scores.rows import FloatArray
from dmsbench.scores.table import ScoreTable, ratio


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The mean score at one severity (0: clean), over the corruption's cells of that severity."""

    severity: int
    score: Estimate


@dataclass(frozen=True, slots=True)
class ConditionScore:
    """One cell of the grid."""

    condition: Condition
    score: Estimate
    """Mean score of the ok rows; undefined where there is none."""
    n_rows: int
    n_errors: int
    n_unchanged: int
    """Ok rows that the corruption left as they were (all of them when clean)."""
    n_left_out: int = 0
    """Rows not asked, because the corruption would have made their answer wrong."""

    @property
    def n_ok(self) -> int:
        return self.n_rows - self.n_errors - self.n_left_out

    @property
    def error_rate(self) -> float:
        """Errors / rows that were not left out; NaN where all were."""
        return _rate(self.n_errors, self.n_rows - self.n_left_out)

    @property
    def unchanged_rate(self) -> float:
        """Unchanged / ok rows; NaN where none is ok."""
        return self.n_unchanged / self.n_ok if self.n_ok else float("nan")


@dataclass(frozen=True, slots=True)
class CorruptionScore:
    """One corruption (``fog``, ``ocr``, ``fog+ocr``) over its severities."""

    name: str
    mean: Estimate
    """Equal-weight mean over the corruption's cells, clean not among them."""
    curve: tuple[CurvePoint, ...]
    """By severity, from 0 where the grid holds the clean condition; severities without a score are not in
    it. At 0: clean, on the samples that the corruption keeps."""
    auc: Estimate
    """Area under the curve by trapezoids from severity 0 to the largest, divided by that range; in [0, 1],
    1 is perfect. A discrete form of MultiBench's area under performance vs imperfection (arXiv 2107.07502).
    Undefined without a clean score."""
    retention: Estimate
    """RR = 1 − (clean − mean) / clean = mean / clean (arXiv 2306.02080), clean on the samples kept; 1:
    nothing lost. Undefined where clean is 0 or absent. It flatters models near chance; see the next."""
    above_chance_retention: Estimate
    """(mean − chance) / (clean − chance): RR after chance is taken off both, as Cohen's kappa does; 0: down
    to chance, negative: below it. Undefined without ``chance``, where clean is not above it, and where
    samples are left out."""
    worst_severity: int | None
    """The severity above 0 with the lowest score (the smallest such); None where none has a score."""
    n_left_out: int = 0
    """Rows left out, over all its cells."""


@dataclass(frozen=True, slots=True)
class WorstCondition:
    """The cell with the lowest mean (the first in order, on ties)."""

    condition: Condition
    score: Estimate
    """Its own interval: not corrected for having been picked as the lowest of many."""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """One model's scores on a grid. The metrics are those of ``CorruptionScore``, over all its cells."""

    clean: Estimate
    """Undefined where the grid lacks the clean condition or none of its rows is ok."""
    mean: Estimate
    """Equal-weight mean over all corrupted cells."""
    retention: Estimate
    above_chance_retention: Estimate
    ausc: Estimate
    """Area under the severity curve: equal-weight mean of the corruptions' ``auc``."""
    worst: WorstCondition | None
    """None where no corrupted cell has a score."""
    corruptions: tuple[CorruptionScore, ...]
    """By name."""
    conditions: tuple[ConditionScore, ...]
    """Sorted, clean among them."""
    unscored: tuple[Condition, ...]
    """Conditions without an ok row, for errors: in no mean above."""
    chance: float | None
    level: float
    replicates: int
    n_samples: int
    n_groups: int
    n_rows: int
    n_errors: int
    n_missing: int
    """(sample, condition) pairs of the full grid without a row: above 0, the run is incomplete."""
    n_left_out: int = 0
    """Rows not asked, because the corruption would have made their answer wrong."""
    left_out: tuple[Condition, ...] = ()
    """Conditions all of whose rows were left out: in no mean above."""
    curve: tuple[CurvePoint, ...] = ()
    """By severity the equal-weight mean over all cells of that severity; at 0 clean, on all samples."""

    @property
    def error_rate(self) -> float:
        """Errors / rows that were not left out, over all conditions; stands beside every score."""
        return _rate(self.n_errors, self.n_rows - self.n_left_out)


def _rate(errors: int, asked: int) -> float:
    return errors / asked if asked else float("nan")


def scorecard(
    frame: pd.DataFrame,
    *,
    chance: float | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    level: float = LEVEL,
) -> Scorecard:
    """Score one model's records. ``chance``: the score of guessing, in [0, 1), or None if unknown.

    The same records (in any order) and seed give the same scorecard. Raises ValueError on invalid records
    (``rows.read_rows``) and settings; never for a quantity that is merely undefined.
    """
    return scorecard_of_table(
        ScoreTable.from_records(frame), chance=chance, seed=seed, replicates=replicates, level=level
    )


def scorecard_of_table(
    table: ScoreTable,
    *,
    chance: float | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    level: float = LEVEL,
) -> Scorecard:
    """As ``scorecard``, from score sums."""
    check_settings(replicates=replicates, level=level)
    if chance is not None and not 0.0 <= chance < 1.0:
        raise ValueError(f"chance must lie in [0, 1), not {chance}")
    # The kept clean rows are columns like any other, so that the same resamples are drawn for all.
    sums, counts = (
        np.column_stack([whole, *(kept[i] for kept in table.kept_clean.values())])
        for i, whole in enumerate((table.sums, table.counts))
    )
    boot = replicate_means(sums, counts, replicates=replicates, seed=seed)
    means = ratio(sums.sum(axis=0), counts.sum(axis=0))
    metrics = _Metrics(table, np.vstack([means, boot]), chance, level)
    corrupted = metrics.corrupted
    names = sorted({table.conditions[i].corruption for i in corrupted})
    parts = [
        metrics.corruption(name, [i for i in corrupted if table.conditions[i].corruption == name])
        for name in names
    ]
    mean = mean_over_cells(metrics.cells[:, corrupted])
    unscored = np.flatnonzero(np.isnan(table.means()))
    areas = np.column_stack([area for _, area in parts]) if parts else np.empty((replicates + 1, 0))
    return Scorecard(
        clean=metrics.estimate(metrics.clean),
        mean=metrics.estimate(mean),
        retention=metrics.estimate(ratio(mean, metrics.clean_of_cells())),
        above_chance_retention=metrics.estimate(metrics.above_chance_of_whole_cells()),
        ausc=metrics.estimate(mean_over_cells(areas)),
        worst=metrics.worst(),
        corruptions=tuple(part for part, _ in parts),
        conditions=tuple(metrics.condition(i) for i in range(len(table.conditions))),
        unscored=tuple(table.conditions[i] for i in unscored if table.n_errors[i]),
        chance=chance,
        level=level,
        replicates=replicates,
        n_samples=table.n_samples,
        n_groups=len(table.groups),
        n_rows=int(table.n_rows.sum()),
        n_errors=int(table.n_errors.sum()),
        n_missing=table.n_samples * len(table.conditions) - int(table.n_rows.sum()),
        n_left_out=int(table.n_left_out.sum()),
        left_out=tuple(table.conditions[i] for i in unscored if not table.n_errors[i]),
        curve=metrics.curve(),
    )


class _Metrics:
    """Metrics of cell means. Row 0 of every array is the point estimate, rows 1 … B are the replicates."""

    def __init__(self, table: ScoreTable, cells: FloatArray, chance: float | None, level: float) -> None:
        self.table = table
        self.cells = cells[:, : len(table.conditions)]  # (1 + B, C)
        kept: dict[str, FloatArray] = {
            name: cells[:, len(table.conditions) + i] for i, name in enumerate(table.kept_clean)
        }
        self.kept_clean = kept
        self.chance = chance
        self.level = level
        self.corrupted = [i for i, condition in enumerate(table.conditions) if not condition.is_clean]
        clean = [i for i, condition in enumerate(table.conditions) if condition.is_clean]
        self.clean: FloatArray = cells[:, clean[0]] if clean else np.full(len(cells), np.nan)

    def estimate(self, values: FloatArray) -> Estimate:
        return estimate(float(values[0]), values[1:], self.level)

    def clean_of(self, corruption: str) -> FloatArray:
        """(1 + B,) clean means of the samples that the corruption keeps."""
        return self.kept_clean.get(corruption, self.clean)

    def clean_of_cells(self) -> FloatArray:
        """(1 + B,) what the mean over all corrupted cells is compared with, cell by cell."""
        if not self.kept_clean:
            return self.clean
        own = [self.clean_of(self.table.conditions[i].corruption) for i in self.corrupted]
        unscored = np.isnan(self.cells[:, self.corrupted])
        return mean_over_cells(np.where(unscored, np.nan, np.column_stack(own)))

    def above_chance_of_whole_cells(self) -> FloatArray:
        whole = [i for i in self.corrupted if self.table.conditions[i].corruption not in self.kept_clean]
        return self.above_chance_retention(mean_over_cells(self.cells[:, whole]))

    def above_chance_retention(self, mean: FloatArray) -> FloatArray:
        if self.chance is None:
            return np.full(len(self.cells), np.nan)
        return ratio(mean - self.chance, self.clean - self.chance)

    def condition(self, i: int) -> ConditionScore:
        table = self.table
        return ConditionScore(
            condition=table.conditions[i],
            score=self.estimate(self.cells[:, i]),
            n_rows=int(table.n_rows[i]),
            n_errors=int(table.n_errors[i]),
            n_unchanged=int(table.n_unchanged[i]),
            n_left_out=int(table.n_left_out[i]),
        )

    def worst(self) -> WorstCondition | None:
        scored = [i for i in self.corrupted if not np.isnan(self.cells[0, i])]
        if not scored:
            return None
        lowest = min(scored, key=lambda i: self.cells[0, i])
        return WorstCondition(self.table.conditions[lowest], self.estimate(self.cells[:, lowest]))

    def curve(self) -> tuple[CurvePoint, ...]:
        points = {0: self.clean}
        for severity in sorted({self.table.conditions[i].severity for i in self.corrupted}):
            same = [i for i in self.corrupted if self.table.conditions[i].severity == severity]
            points[severity] = mean_over_cells(self.cells[:, same])
        return tuple(CurvePoint(s, self.estimate(v)) for s, v in points.items() if not np.isnan(v[0]))

    def corruption(self, name: str, members: list[int]) -> tuple[CorruptionScore, FloatArray]:
        """The corruption's scores, and (1 + B,) its areas for the mean over corruptions."""
        mean = mean_over_cells(self.cells[:, members])
        clean = self.clean_of(name)
        points = {0: clean}
        for severity in sorted({self.table.conditions[i].severity for i in members}):
            same = [i for i in members if self.table.conditions[i].severity == severity]
            points[severity] = mean_over_cells(self.cells[:, same])
        points = {severity: values for severity, values in points.items() if not np.isnan(values[0])}
        harmed = [severity for severity in points if severity > 0]
        area = self.area(points)
        whole = mean if name not in self.kept_clean else np.full_like(mean, np.nan)
        return (
            CorruptionScore(
                name=name,
                mean=self.estimate(mean),
                curve=tuple(CurvePoint(s, self.estimate(values)) for s, values in points.items()),
                auc=self.estimate(area),
                retention=self.estimate(ratio(mean, clean)),
                above_chance_retention=self.estimate(self.above_chance_retention(whole)),
                worst_severity=min(harmed, key=lambda s: points[s][0]) if harmed else None,
                n_left_out=int(self.table.n_left_out[members].sum()),
            ),
            area,
        )

    def area(self, points: dict[int, FloatArray]) -> FloatArray:
        """(1 + B,) trapezoid area over its range; NaN without severity 0 or without another."""
        if 0 not in points or len(points) < 2:
            return np.full(len(self.cells), np.nan)
        severities = np.array(list(points), dtype=np.float64)
        curve = np.column_stack(list(points.values()))
        middles = (curve[:, 1:] + curve[:, :-1]) / 2.0
        area: FloatArray = (middles * np.diff(severities)).sum(axis=1) / severities[-1]
        return area
