"""docs/command-line.md, from the command line itself. Running this file renews it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from docs_needs import command_tree, inner
from docs_pages import DOCS

PATH = DOCS / "command-line.md"
_HEAD = """\
# Command line

After this page you can look up every command with its arguments, options and defaults.

This page is written by `python tests/docs/docs_command_line.py` from the command line itself; `--help` of
each command says the same. Errors are one line on standard error.

| exit code | |
| --: | :-- |
| 0 | fine |
| 1 | a regression: `dmsbench gate` alone |
| 2 | usage or configuration: a name, a file, an option, data or a checkpoint that cannot be used |
| 3 | runs that may not be compared, or that are not finished |
| 4 | a run that finished with more failed samples than its suite allows (`max_error_rate`) |
| 130 | interrupted; the same command continues |
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_lines(command_tree(), "dmsbench")]).rstrip("\n") + "\n"


def _lines(command: Any, path: str) -> Iterator[str]:
    yield f"## `{path}`\n"
    if path != "dmsbench":
        yield f"{_paragraphs(command.help or '')}\n"
    hints = get_type_hints(inspect.unwrap(command.callback))
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    if arguments:
        yield "| argument | | |\n| :-- | :-- | :-- |"
        for one in arguments:
            need = "required" if one.required else "optional"
            yield f"| `{one.name}`{_values(hints.get(one.name))} | {need} | {_cell(one.help or '')} |"
        yield ""
    yield "| option | default | |\n| :-- | :-- | :-- |"
    for one in options:
        names = " ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
        yield f"| {names}{_values(hints.get(one.name))} | {_default(one)} | {_cell(one.help or '')} |"
    yield "| `--help` | | Show the command's help and stop. |\n"
    for name, one in inner(command).items():
        yield from _lines(one, f"{path} {name}")


_WORDS = {str: " text", int: " whole number", float: " number", Path: " path"}


def _values(hint: Any) -> str:
    """What an argument or option takes, from its annotation; nothing for a switch."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    if get_origin(hint) is list:
        return f"{_WORDS[kinds[0]]}, several"
    if len(kinds) != 1:
        return ""
    if get_origin(kinds[0]) is list:
        return f"{_WORDS[get_args(kinds[0])[0]]}, repeatable"
    if isinstance(kinds[0], type) and issubclass(kinds[0], Enum):
        return " " + ", ".join(f"`{one.value}`" for one in kinds[0])
    return _WORDS.get(kinds[0], "")


def _default(option: Any) -> str:
    if option.required:
        return "required"
    value = option.default
    return "" if value is None or isinstance(value, bool) else f"`{getattr(value, 'value', value)}`"


def _paragraphs(text: str) -> str:
    """Help as Markdown: lines of a paragraph joined, commands as code."""
    found = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        joined = " ".join(paragraph.split())
        lead, colon, command = joined.partition(": dmsbench ")
        if joined.startswith("dmsbench "):
            found.append(f"- `{joined}`")
        elif colon:
            found += [f"{lead}:", f"- `dmsbench {command}`"]
        else:
            found.append(_escaped(joined))
    return "\n\n".join(found)


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", r"\|")


def _escaped(text: str) -> str:
    # Help is plain text with ``code``; Markdown would take its other signs for its own.
    return text.replace("``", "`").replace("<", r"\<").replace("*", r"\*")


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
