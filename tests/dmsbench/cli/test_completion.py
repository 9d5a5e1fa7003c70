"""Shell completion through the shell's own protocol, and help that shows how."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import corruptions
from dmsbench.models.spec import BUILTIN
from dmsbench.suite import builtin_suites

COMMANDS = (
    "run", "compare", "gate", "power", "reference save", "reference show", "report", "rescore", "fit",
    "preview", "list", "doctor", "suite check",
)  # fmt: skip


def call(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dmsbench", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def offered(line: str) -> list[str]:
    return call(
        _DMSBENCH_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(line.split(" ")) - 1)
    ).split()


def test_a_script_for_the_shell() -> None:
    # Which shell is running is not asked: a test has none.
    script = call("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_DMSBENCH_COMPLETE=complete_bash" in script
    assert "complete -o default -F" in script


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("dmsbench run --suite ", set(builtin_suites())),
        ("dmsbench run --suite v", {"vqa-corrupt", "vqa-joint", "vqav2-corrupt"}),
        ("dmsbench run --data vq", {"vqav2"}),
        ("dmsbench run --model ", set(BUILTIN)),
        ("dmsbench run --model mine=tiny-c", {"mine=tiny-clip-scenes"}),
        ("dmsbench run --corruption ", {"clean", *corruptions.names()}),
        ("dmsbench list ", {"suites", "models", "datasets", "tasks", "corruptions", "scores"}),
        ("dmsbench rescore --score chr", {"chrf"}),
        ("dmsbench suite check smo", {"smoke"}),
        ("dmsbench report --format ", {"table", "json", "csv", "markdown"}),
    ],
)
def test_what_is_offered(line: str, names: set[str]) -> None:
    assert set(offered(line)) == names


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str, dmsbench: Callable[..., Any]) -> None:
    done = dmsbench(*command.split(), "--help")
    assert done.code == 0
    assert "Example" in done.out
    assert f"dmsbench {command}" in done.out
