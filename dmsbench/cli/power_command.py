"""``dmsbench power``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import Format, Out, Quiet, TableFormat
from dmsbench.errors import DmsbenchError

if TYPE_CHECKING:
    from dmsbench.gate.planning import Basis
    from dmsbench.places import Place


class GateRule(str, Enum):
    """When a check fails."""

    REGRESSION = "regression"
    NON_INFERIORITY = "non-inferiority"


def power(
    drop: Annotated[
        float, typer.Option("--drop", help="The drop to be seen, as a score: 0.02 is two points.")
    ],
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite",
            autocompletion=completion.suites,
            help="A suite by name, or a suite file; not needed beside --reference.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", help="Plan from this model's records: as dmsbench gate takes a reference."
        ),
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option("--candidate", help="Plan from the changes between the reference and this model."),
    ] = None,
    power_: Annotated[
        float, typer.Option("--power", help="With which probability the drop is to be seen.")
    ] = 0.9,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="The gate's tolerance: a drop up to it never fails.")
    ] = 0.0,
    rule: Annotated[GateRule, typer.Option("--rule", help="The gate's rule.")] = GateRule.REGRESSION,
    correlation: Annotated[
        float | None,
        typer.Option(
            "--correlation",
            help="Without a reference: how far answers about one image correlate, 0.05 by default.",
        ),
    ] = None,
    out: Out = Path("results"),
    format_: Format = None,
    quiet: Quiet = False,
) -> None:
    """Says how many samples and images a gate needs to see a drop, check by check.

    From two runs, from a reference's records alone, or from an assumption; the last lines say which. The
    table goes over drops and over churn, the share of answers that change sides though nothing is lost.
    Examples:

      dmsbench power --suite vqa-corrupt --drop 0.02

      dmsbench power --reference baseline --candidate dms --drop 0.04 --tolerance 0.02
    """
    from dmsbench.cli.output import emit, tables, tell
    from dmsbench.gate import Rule
    from dmsbench.gate.planning import plan_power
    from dmsbench.report.gate.plan import plan_dict, plan_lines, plan_sheet, plan_table

    if candidate is not None and reference is None:
        raise DmsbenchError("--candidate belongs to --reference")
    if correlation is not None and reference is not None:
        raise DmsbenchError("--correlation is for plans without --reference, whose records say it")
    try:
        if reference is None:
            name, basis = _of_suite(suite, correlation)
        else:
            name, basis = _of_records(reference, candidate, suite, out)
        plan = plan_power(basis, drop, rule=Rule(rule.value), tolerance=tolerance, power=power_)
    except ValueError as error:
        raise DmsbenchError(str(error)) from None
    if format_ in (None, TableFormat.TABLE):
        console = tables(quiet=quiet and format_ is None)
        console.print(plan_table(plan, name))
        tell(console, *plan_lines(plan))
        return
    emit(
        format_,
        lambda: plan_dict(plan, name),
        lambda: plan_sheet(plan),
        () if quiet else plan_lines(plan),
    )


def _of_suite(suite: str | None, correlation: float | None) -> tuple[str, Basis]:
    from dmsbench.gate.planning import CORRELATION, from_assumption
    from dmsbench.runner.job import prepare
    from dmsbench.suite import load_suite

    if suite is None:
        raise DmsbenchError("give --suite, --reference or both")
    # The folder of its records is named by it, not made.
    job = prepare(load_suite(suite), Path())
    groups = {sample.group for block in job.plan.blocks for sample in block.samples}
    known = CORRELATION if correlation is None else correlation
    basis = from_assumption(job.suite.conditions, job.plan.samples, len(groups), known)
    return job.suite.name, basis


def _of_records(reference: str, candidate: str | None, suite: str | None, out: Place) -> tuple[str, Basis]:
    from dmsbench.gate.planning import from_pair, from_reference
    from dmsbench.gate.sides import one_side, sides
    from dmsbench.runner.find import check_identities
    from dmsbench.scores.rows import COLUMNS, read_rows
    from dmsbench.suite import load_suite

    first, second = (
        (one_side(reference, out), None) if candidate is None else sides(reference, candidate, out)
    )
    name = str(first.manifest["identity"]["suite"])
    if suite is not None and load_suite(suite).name != name:
        raise DmsbenchError(f"--suite {suite}: the reference {first.label} is of suite '{name}'")
    rows = read_rows(first.records(COLUMNS))
    if second is None:
        return name, from_reference(rows)
    check_identities(first.manifest["identity"], second.manifest["identity"], (first.label, second.label))
    return name, from_pair(rows, read_rows(second.records(COLUMNS)))
