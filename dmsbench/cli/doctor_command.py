"""``dmsbench doctor``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from dmsbench.cli.options import Format, Out, TableFormat


def doctor(out: Out = Path("results"), format_: Format = None) -> None:
    """Says what is installed, what runs on what, what is missing, and the command that mends it.

    Nothing is loaded from a network. Exit code 2 where something that is needed is broken; missing extras
    are no fault. JSON is ``{fit, checks: [{name, state, found, mend}]}``. Examples:

      dmsbench doctor

      dmsbench doctor --format json
    """
    from dmsbench.cli.output import emit, tables
    from dmsbench.doctor import examine, is_fit
    from dmsbench.report.sheets import sheet_of

    checks = examine(out)
    entries = [{**asdict(check), "state": str(check.state)} for check in checks]
    if format_ in (None, TableFormat.TABLE):
        from dmsbench.report.tables import blank_table, literal

        table = blank_table("dmsbench doctor", "missing: not needed; broken: needed")
        for title in ("check", "state", "found", "what mends it"):
            table.add_column(literal(title), overflow="fold", no_wrap=title == "state")
        for entry in entries:
            style = "" if entry["state"] == "ok" else "bold"
            cells = (entry["name"], entry["state"], entry["found"], entry["mend"] or "")
            table.add_row(*(literal(str(cell), style=style) for cell in cells))
        tables().print(table)
    else:
        emit(format_, lambda: {"fit": is_fit(checks), "checks": entries}, lambda: sheet_of(entries))
    raise typer.Exit(0 if is_fit(checks) else 2)
