"""A power plan as JSON, as a table and as sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dmsbench.report.formats import percent, points
from dmsbench.report.sheets import Cell, Sheet
from dmsbench.report.tables import blank_table, literal

if TYPE_CHECKING:
    from rich.table import Table

    from dmsbench.gate.planning import Need, PowerPlan

#: Of the sentences, where none was seen.
_USUAL = 0.1
_COLUMNS = ("check", "drop", "churn", "observed", "samples", "images", "enough")


def plan_dict(plan: PowerPlan, suite: str) -> dict[str, Any]:
    """The stable JSON of ``power``.

    ``{suite, rule, tolerance, power, drop, samples, images, basis, checks: [{check, conditions,
    design_effect, share_of_error, churn}], needs: [{check, drop, churn, observed, samples, images, enough}],
    smallest: [{check, churn, drop}]}``; null where no number of samples shows it.
    """
    return {
        "suite": suite,
        "rule": str(plan.rule),
        "tolerance": plan.tolerance,
        "power": plan.power,
        "drop": plan.drop,
        "samples": plan.basis.samples,
        "images": plan.basis.images,
        "basis": plan.basis.says,
        "checks": [
            {
                "check": kind.name,
                "conditions": kind.conditions,
                "design_effect": kind.effect,
                "share_of_error": kind.weight,
                "churn": kind.churn,
            }
            for kind in plan.basis.kinds
        ],
        "needs": [_need(need) for need in plan.needs],
        "smallest": [
            {"check": check, "churn": churn, "drop": _finite(drop)}
            for (check, churn), drop in plan.smallest.items()
        ],
    }


def plan_sheet(plan: PowerPlan) -> Sheet:
    """A row a check, drop and churn."""
    rows: list[tuple[Cell, ...]] = [tuple(_need(need)[name] for name in _COLUMNS) for need in plan.needs]
    return Sheet(_COLUMNS, tuple(rows))


def plan_table(plan: PowerPlan, suite: str) -> Table:
    """Checks and drops downwards, churns across: samples, and of how many images."""
    from dmsbench.gate import Rule

    shows = "show that no more was lost" if plan.rule is Rule.NON_INFERIORITY else "fail such a drop"
    table = blank_table(
        f"{suite}: samples (of images) that {shows} with {percent(plan.power)}, at a tolerance of "
        f"{points(plan.tolerance)} points",
        f"churn: share of answers that change sides though nothing is lost; * as many as there are: "
        f"{plan.basis.samples:,} samples of {plan.basis.images:,} images",
    )
    table.add_column(literal("check"), no_wrap=True)
    table.add_column(literal("drop"), justify="right", no_wrap=True)
    # Of kinds between whose runs not one answer differs there is no churn to be seen.
    columns: list[float | None] = [None] if any(need.observed for need in plan.needs) else []
    columns += dict.fromkeys(need.churn for need in plan.needs if not need.observed)
    for churn in columns:
        title = "churn seen" if churn is None else f"churn {points(churn)}"
        table.add_column(literal(title), justify="right", no_wrap=True)
    for kind in plan.basis.kinds:
        drops = list(dict.fromkeys(need.drop for need in plan.needs if need.check == kind.name))
        for drop in drops:
            by_churn = {
                None if need.observed else need.churn: _cell(need) for need in _of(plan, kind.name, drop)
            }
            cells = [by_churn.get(churn, "") for churn in columns]
            table.add_row(
                literal(kind.name),
                literal(points(drop) if drop >= 0.001 else f"{100.0 * drop:.2g}"),
                *(literal(cell) for cell in cells),
                end_section=drop == drops[-1],
            )
    return table


def plan_lines(plan: PowerPlan) -> list[str]:
    """What was asked, answered in a line a check; then what it rests on."""
    from dmsbench.gate import Rule

    lines = []
    for kind in plan.basis.kinds:
        needs = _of(plan, kind.name, plan.drop)
        need = min(needs, key=lambda one: (not one.observed, one.churn != _USUAL))
        least = plan.smallest[kind.name, need.churn]
        has = f"the data at hand show {'none' if math.isinf(least) else f'{points(least)} points'}"
        churn = f"a churn of {percent(round(need.churn, 4))}{' as seen' if need.observed else ''}"
        if math.isinf(need.samples):
            lines.append(f"{kind.name}: a drop within the tolerance never fails; {has} at {churn}")
        else:
            lines.append(
                f"{kind.name}: {need.samples:,.0f} samples ({need.images:,} images) for {points(need.drop)} "
                f"points at {churn}; {has}"
            )
    effects = ", ".join(f"{kind.name} {kind.effect:.1f}" for kind in plan.basis.kinds)
    lines.append(f"design effects: {effects}; {plan.basis.says}")
    if plan.rule is Rule.REGRESSION:
        lines.append(
            "a drop adds as much churn of its own; every check is counted at its first step in Holm's order"
        )
    return lines


def _of(plan: PowerPlan, check: str, drop: float) -> list[Need]:
    return [need for need in plan.needs if need.check == check and need.drop == drop]


def _cell(need: Need) -> str:
    if math.isinf(need.samples):
        return "never"
    return f"{need.samples:,.0f} ({need.images:,}){'*' if need.enough else ' '}"


def _need(need: Need) -> dict[str, Any]:
    found = {name: getattr(need, name) for name in _COLUMNS}
    return found | {"samples": _whole(need.samples), "images": _whole(need.images)}


def _whole(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
