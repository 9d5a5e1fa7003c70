"""Whether what a block needs is there: a command, an option of it, or a file that reports write."""

from __future__ import annotations

from functools import cache
from typing import Any

import typer
import typer.main
from docs_pages import ROOT

from dmsbench.cli.main import app

#: What a command raises that is called wrongly. Typer brings a click of its own or uses the installed one.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


@cache
def command_tree() -> Any:
    """The command line as click has it, of whichever click."""
    return typer.main.get_command(app)


def inner(command: Any) -> dict[str, Any]:
    """The commands of a group by name; none of anything else."""
    found: dict[str, Any] = getattr(command, "commands", {})
    return found


def is_there(need: str) -> bool:
    """``leaderboard``, ``report --figures``, ``report.html``: whether this checkout has it."""
    if "." in need:
        quoted = (f'"{need}"', f"'{need}'")
        sources = (path.read_text(encoding="utf-8") for path in (ROOT / "dmsbench").rglob("*.py"))
        return any(name in source for source in sources for name in quoted)
    command = command_tree()
    for word in need.split():
        if command is None:
            return False
        if word.startswith("-"):
            return any(word in parameter.opts for parameter in command.params)
        command = inner(command).get(word)
    return command is not None
