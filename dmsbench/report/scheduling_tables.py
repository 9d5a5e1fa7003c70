"""What scheduling did in a run, for the terminal: rich renderables; nothing is printed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dmsbench.plain_text import one_line
from dmsbench.report.formats import in_catalogue_order, percent, with_interval
from dmsbench.report.scheduling_files import gain, share, signed
from dmsbench.report.tables import SIDE_BY_SIDE, blank_table, literal, stacked_name
from dmsbench.scores.bootstrap import LEVEL
from dmsbench.scores.signals import KINDS, SIGNALS

if TYPE_CHECKING:
    from rich.table import Table

    from dmsbench.report.scheduling import Scheduling
    from dmsbench.scores.weights import CorruptionWeights


def scheduling_tables(found: Sequence[Scheduling]) -> list[Table]:
    """Headroom, gains, weights and signals, as far as the run has them.

    Gains and weights have a column a model: so many models as stand side by side in 80 columns a table.
    """
    tables = [
        _headrooms(found),
        *(_gains(few) for few in _side_by_side([one for one in found if one.static is not None])),
        *(_weights(few) for few in _side_by_side([one for one in found if one.weights is not None])),
        _signals(found),
    ]
    return [table for table in tables if table.row_count]


def _side_by_side(found: Sequence[Scheduling]) -> list[Sequence[Scheduling]]:
    return [found[start : start + SIDE_BY_SIDE] for start in range(0, len(found), SIDE_BY_SIDE)]


def _headrooms(found: Sequence[Scheduling]) -> Table:
    table = blank_table(
        "headroom over corrupted conditions",
        f"points, below each value its {percent(LEVEL)} interval. available: best fixed point per condition "
        "- static, chosen on the rows that it is scored on; intervals hold the choice fixed; closed: gain / "
        "available, in per cent; the best constant stands below",
    )
    table.add_column(literal("model"), overflow="fold", max_width=18)
    for title in ("gain over\nstatic", "available", "closed"):
        table.add_column(literal(title), justify="right", no_wrap=True)
    table.add_column(literal("over best\nconstant"), justify="right", overflow="fold", max_width=18)
    for one in found:
        room = one.headroom
        if room is None:
            continue
        figures = (signed(room.gain), signed(room.available), with_interval(room.closed))
        over = f"{_broken(signed(room.over_constant))}\n{one_line(room.constant_point)}"
        table.add_row(*map(literal, (one_line(one.model), *map(_broken, figures), over)))
    return table


def _gains(found: Sequence[Scheduling]) -> Table:
    table = blank_table(
        "gain over static fusion, by kind of damage",
        f"points, below each value its {percent(LEVEL)} interval, paired by sample, clustered by image",
    )
    table.add_column(literal("conditions"), no_wrap=True)
    for one in found:
        table.add_column(literal(one_line(one.model)), justify="right", overflow="fold", max_width=18)
    for kind in ("by_relation", "by_family"):
        groups = [{group.name: group for group in getattr(one.groups, kind)} for one in found]
        # Models of one run have the same conditions, so the same families; relations are each model's own.
        names = list(dict.fromkeys(name for by_name in groups for name in by_name))
        for name in names:
            cells = [_broken(gain(by_name[name])) if name in by_name else "" for by_name in groups]
            table.add_row(literal(stacked_name(name)), *map(literal, cells), end_section=name == names[-1])
    return table


def _weights(found: Sequence[Scheduling]) -> Table:
    table = blank_table(
        "the image's weight, from clean to the largest severity",
        "mean over rows; a row without one modality counts, with all weight on the other. Falls and rises: "
        "at every severity. Entropy: H(w)/ln 2",
    )
    table.add_column(literal("corruption"), no_wrap=True)
    for one in found:
        table.add_column(literal(one_line(one.model)), justify="right", overflow="fold", max_width=22)
    responses = [one.weights for one in found if one.weights is not None]
    parts = [{part.name: part for part in response.corruptions} for response in responses]
    names = in_catalogue_order(name for by_name in parts for name in by_name)
    for name in names:
        cells = [_course(by_name[name]) if name in by_name else "" for by_name in parts]
        table.add_row(literal(stacked_name(name)), *map(literal, cells), end_section=name == names[-1])
    for title, clean, mean in (
        ("clean, conditions", "clean", "mean"),
        ("entropy of these", "entropy_clean", "entropy_mean"),
    ):
        ends = [f"{share(getattr(one, clean).value)}, {share(getattr(one, mean).value)}" for one in responses]
        table.add_row(literal(title), *map(literal, ends))
    return table


def _signals(found: Sequence[Scheduling]) -> Table:
    table = blank_table(
        "signals: AUROC against corruption of the modality",
        "0.5 knows nothing, below 0.5 the signal falls; scheduling.json has it by family of damage",
    )
    table.add_column(literal("model"), overflow="fold", max_width=18)
    table.add_column(literal("modality"), no_wrap=True)
    for title in KINDS:
        table.add_column(literal(title), justify="right", no_wrap=True)
    for one in found:
        overall = {(score.modality, score.signal): score for score in one.signals if score.family is None}
        for modality, signals in SIGNALS.items():
            scores = [overall[modality, signal] for signal in signals]
            if any(score.n_corrupted and score.n_clean for score in scores):
                cells = (one_line(one.model), modality, *(share(score.auroc) for score in scores))
                table.add_row(*map(literal, cells))
    return table


def _course(part: CorruptionWeights) -> str:
    """``0.512→0.430 falls``."""
    ends = (part.curve[0].score.value, part.curve[-1].score.value)
    return f"{share(ends[0])}→{share(ends[1])} {part.trend}"


def _broken(text: str) -> str:
    """A value above its interval."""
    return text.replace(" [", "\n[")
