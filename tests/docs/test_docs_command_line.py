"""docs/command-line.md has every command and every option, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docs_command_line import PATH, page
from docs_needs import command_tree, inner

TEXT = PATH.read_text(encoding="utf-8")


def tree(command: Any, path: str = "dmsbench") -> Iterator[tuple[str, set[str]]]:
    names = {name for one in command.params if one.param_type_name == "option" for name in one.opts}
    yield path, names | {"--help"}
    for name, one in inner(command).items():
        yield from tree(one, f"{path} {name}")


def test_the_page_is_what_the_command_line_says() -> None:
    assert page() == TEXT, "renew it: python tests/docs/docs_command_line.py"


def test_every_command_and_option_is_there_and_nothing_else() -> None:
    sections = re.split(r"^## `([^`]+)`$", TEXT, flags=re.MULTILINE)[1:]
    shown = {
        name: {
            option
            for row in re.findall(r"^\| (`-.*?) \|", body, flags=re.MULTILINE)
            for option in re.findall(r"`(-[^`]+)`", row)
        }
        for name, body in zip(sections[::2], sections[1::2], strict=True)
    }
    assert shown == dict(tree(command_tree()))


def test_exit_codes_are_those_of_the_errors() -> None:
    from dmsbench.cli.main import main
    from dmsbench.errors import DmsbenchError, NotComparableError, StoppedRunError

    codes = set(map(int, re.findall(r"^\| (\d+) \|", TEXT, flags=re.MULTILINE)))
    raised = {one.exit_code for one in (DmsbenchError, NotComparableError, StoppedRunError)}
    told = set(map(int, re.findall(r"\b(\d+) [a-z]", main.__doc__ or "")))
    assert raised <= codes == told
