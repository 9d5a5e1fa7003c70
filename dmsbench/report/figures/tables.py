"""The tables of a run, for LaTeX and as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dmsbench.files import write_atomically
from dmsbench.report.figures.chart import ENDS, Numbers, csv_text, ends, with_ends
from dmsbench.report.figures.latex import Table, figure, latex, tex
from dmsbench.report.figures.names import pair
from dmsbench.report.figures.reliability import FIGURES
from dmsbench.report.formats import (
    UNDEFINED,
    in_catalogue_order,
    interval,
    p_value,
    points,
    rate,
    signed_points,
    with_interval,
)
from dmsbench.report.leaderboard import to_csv

if TYPE_CHECKING:
    from dmsbench.report.run_scores import PairScores, RunScores
    from dmsbench.scores import Contrast, Estimate, GroupContrast

_ROOM = ("static", "dms", "best_constant", "oracle", "gain", "available", "closed", "over_constant")


def write_tables(found: RunScores, folder: Path) -> list[Path]:
    """Each table's .tex and .csv; their paths. Raises OSError where a file cannot be written."""
    tables = [
        _leaderboard(found),
        _corruptions(found),
        *(_comparison(one) for one in found.pairs),
        _headroom(found),
        _calibration(found),
    ]
    paths = []
    for table, content in (one for one in tables if one is not None):
        for suffix, text in (("tex", latex(table)), ("csv", content)):
            path = folder / f"{table.stem}.{suffix}"
            write_atomically(path, text.encode())
            paths.append(path)
    return paths


def _estimate(estimate: Estimate | None) -> str:
    return figure(with_interval(estimate))


def _signed(value: float, low: float, high: float) -> str:
    return figure(
        f"{signed_points(value)} {interval(low, high, signed=True)}" if value == value else UNDEFINED
    )


def _leaderboard(found: RunScores) -> tuple[Table, str]:
    board = found.board
    shown = [("clean", "clean"), ("mean", "mean"), ("retention", "retention")]
    if board.chance is not None:
        shown.append(("above_chance_retention", "above chance"))
    shown.append(("ausc", "area"))
    rows = tuple(
        (
            UNDEFINED if row.rank is None else str(row.rank),
            tex(row.model),
            *(_estimate(getattr(row, name)) for name, _ in shown),
            tex(row.worst) if row.worst else UNDEFINED,
            _estimate(row.worst_score),
            figure(rate(row.error_rate)),
        )
        for row in board.rows
    )
    columns = (r"\#", "model", *(title for _, title in shown), "worst condition", "its score", "errors")
    return Table("table-leaderboard", columns, (rows,), words=2), to_csv(board)


def _corruptions(found: RunScores) -> tuple[Table, str] | None:
    means = {
        model: {part.name: part.mean for part in card.corruptions} for model, card in found.cards.items()
    }
    names = in_catalogue_order(name for own in means.values() for name in own)
    if not names:
        return None
    rows = tuple((tex(name), *(_mean(own.get(name)) for own in means.values())) for name in names)
    overall = (("mean", *(_mean(card.mean) for card in found.cards.values())),)
    clean = (("clean", *(_mean(card.clean) for card in found.cards.values())),)
    numbers = Numbers(
        ("corruption", "model", *(f"mean{end}" for end in ENDS)),
        tuple(
            (name, model, *ends(own[name])) for name in names for model, own in means.items() if name in own
        ),
    )
    columns = ("corruption", *(tex(model) for model in means))
    return Table("table-corruptions", columns, (clean, rows, overall)), csv_text(numbers)


def _mean(estimate: Estimate | None) -> str:
    return UNDEFINED if estimate is None else figure(points(estimate.value))


def _comparison(one: PairScores) -> tuple[Table, str]:
    comparison = one.comparison
    by_name = {contrast.name: contrast for contrast in comparison.corruptions}
    heads = [contrast for contrast in (comparison.overall, comparison.clean) if contrast is not None]
    parts = [by_name[name] for name in in_catalogue_order(by_name)]
    groups = (one.groups.by_relation, one.groups.by_family)
    blocks = (
        *(
            tuple((*_contrast(c), p_value(c.p_adjusted), str(c.verdict)) for c in block)
            for block in (heads, parts)
        ),
        *(tuple((*_contrast(c), "", "") for c in group) for group in groups),
    )
    escaped = tuple(
        tuple((*row[:-2], figure(row[-2]), _verdict(row[-1])) for row in block) for block in blocks
    )
    columns = ("condition", tex(one.a), tex(one.b), "difference", "$p$", "better")
    fields = ("a", "b", "difference", "ci_low", "ci_high")
    tested = ("p_value", "p_adjusted")
    kinds = [("condition", c) for c in (*heads, *parts)]
    rows = [
        (kind, c.name, *(getattr(c, f) for f in (*fields, *tested)), c.n_conditions, str(c.verdict))
        for kind, c in kinds
    ]
    rows += [
        (kind, c.name, *(getattr(c, f) for f in fields), None, None, c.n_conditions, None)
        for kind, group in zip(("relation", "family"), groups, strict=True)
        for c in group
    ]
    numbers = Numbers(("kind", "name", *fields, *tested, "n_conditions", "verdict"), tuple(rows))
    return Table(f"table-comparison-{pair(one.a, one.b)}", columns, escaped), csv_text(numbers)


def _contrast(one: Contrast | GroupContrast) -> tuple[str, ...]:
    values = (figure(points(value)) for value in (one.a, one.b))
    return tex(one.name), *values, _signed(one.difference, one.ci_low, one.ci_high)


def _verdict(text: str) -> str:
    return {"A better": "first", "B better": "second", "": ""}.get(text, "--")


def _headroom(found: RunScores) -> tuple[Table, str] | None:
    rooms = [(one, one.headroom) for one in found.scheduled if one.headroom is not None]
    if not rooms:
        return None
    rows = tuple(
        (
            tex(one.model),
            *(_estimate(getattr(room, name)) for name in _ROOM[:4]),
            *(_signed(*ends(getattr(room, name))) for name in ("gain", "available")),
            _estimate(room.closed),
        )
        for one, room in rooms
    )
    columns = ("model", "static", "scheduled", "best constant", "oracle", "gain", "available", r"closed (\%)")
    numbers = Numbers(
        ("model", "static_model", "constant_point", *with_ends(_ROOM), "n_rows", "n_groups"),
        tuple(
            (
                one.model,
                one.static,
                room.constant_point,
                *(cell for name in _ROOM for cell in ends(getattr(room, name))),
                room.n_rows,
                room.n_groups,
            )
            for one, room in rooms
        ),
    )
    return Table("table-headroom", columns, (rows,)), csv_text(numbers)


def _calibration(found: RunScores) -> tuple[Table, str] | None:
    if not any(found.calibration.values()):
        return None
    blocks = tuple(
        tuple(
            (
                tex(model),
                tex(one.name),
                *(_estimate(getattr(one, name)) for name in ("score", "confidence")),
                _signed(*ends(one.overconfidence)),
                _estimate(one.ece),
                str(one.n_rows),
            )
            for one in sets
        )
        for model, sets in found.calibration.items()
    )
    numbers = Numbers(
        ("model", "set", *with_ends(FIGURES), "n_rows"),
        tuple(
            (model, one.name, *(cell for name in FIGURES for cell in ends(getattr(one, name))), one.n_rows)
            for model, sets in found.calibration.items()
            for one in sets
        ),
    )
    columns = ("model", "conditions", "score", "confidence", "overconfidence", "ECE", "answers")
    return Table("table-calibration", columns, blocks, words=2), csv_text(numbers)
