"""``dmsbench doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from dmsbench.cli.options import Format, Out, TableFormat


def doctor(
    out: Out = Path("results"),
    format_: Format = None,
) -> None:
    """Looks whether all that dmsbench needs is here, and says what mends it.

    Exit code 2 where something needed is broken; an extra that is missing is no fault. JSON: {ok, findings:
    [{group, name, state, found, mend, needed}]}; state is ok, missing or broken. Examples:

      dmsbench doctor

      dmsbench doctor --format json
    """
    from dmsbench.cli.output import emit, tables, tell
    from dmsbench.doctor import State, examine
    from dmsbench.report.sheets import sheet_of

    found = examine(out)
    faults = [finding for finding in found if finding.fails]
    if format_ not in (None, TableFormat.TABLE):
        entries = [_entry(finding) for finding in found]
        emit(format_, lambda: {"ok": not faults, "findings": entries}, lambda: sheet_of(entries, _COLUMNS))
        raise typer.Exit(2 if faults else 0)

    from dmsbench.report.tables import literal

    console = tables()
    group = None
    for finding in found:
        if finding.group != group:
            group = finding.group
            tell(console, group, style="bold")
        mark = literal(f"  {finding.state.value:7} ", style="" if finding.state is State.OK else "bold")
        console.print(mark + literal(f"{finding.name}: {finding.found}"), soft_wrap=True, highlight=False)
        if finding.mend:
            tell(console, f"          mend: {finding.mend}")
    verdict = "all that is needed is here"
    if faults:
        verdict = f"broken: {', '.join(finding.name for finding in faults)}"
    tell(console, verdict, style="bold")
    raise typer.Exit(2 if faults else 0)


_COLUMNS = ("group", "name", "state", "found", "mend", "needed")


def _entry(finding: Any) -> dict[str, Any]:
    return {
        name: str(value) if name == "state" else value
        for name in _COLUMNS
        for value in [getattr(finding, name)]
    }
