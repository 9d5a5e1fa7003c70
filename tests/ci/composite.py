"""A composite action's ``run:`` steps, run as GitHub runs them: what it says in expressions reaches a script
as environment, and what scripts say to each other goes through files.

Of the language of expressions that is the part which action.yml uses; anything else raises ValueError.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
_COMPARED = re.compile(r"inputs\.([\w-]+) != '([\w-]*)'")


def action() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    return loaded


@dataclass
class Done:
    """What a run of the action left."""

    passed: bool = True
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""
    ran: list[str] = field(default_factory=list)
    """What every step that was reached uses, or the first words of its script."""


def call(folder: Path, inputs: Mapping[str, str], environment: Mapping[str, str]) -> Done:
    """Calls the action in a working directory. Steps with ``uses`` are named and nothing else."""
    loaded, done = action(), Done()
    unknown = set(inputs) - set(loaded["inputs"])
    if unknown:
        raise ValueError(f"no such inputs: {unknown}")
    given = {name: inputs.get(name, one["default"]) for name, one in loaded["inputs"].items()}
    said: dict[str, dict[str, str]] = {}

    def value(text: str) -> str:
        return EXPRESSION.sub(lambda match: _value(match[1], given, said), text)

    summary, outputs = folder / "summary.md", folder / "outputs"
    for step in loaded["runs"]["steps"]:
        if not _holds(step.get("if", ""), given, done.passed):
            continue
        if "uses" in step:
            done.ran.append(step["uses"])
            for text in step["with"].values():
                value(text)
            continue
        done.ran.append(step.get("id", "install"))
        outputs.write_text("")
        script = folder / "step.sh"
        script.write_text(step["run"])
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=folder,
            env={
                **environment,
                "GITHUB_STEP_SUMMARY": str(summary),
                "GITHUB_OUTPUT": str(outputs),
                **{name: value(text) for name, text in step.get("env", {}).items()},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        done.log += ran.stdout
        done.passed = done.passed and ran.returncode == 0
        lines = [line.split("=", 1) for line in outputs.read_text().splitlines()]
        said[step.get("id", "")] = dict(lines)
    done.outputs = {name: value(one["value"]) for name, one in loaded["outputs"].items()}
    done.summary = summary.read_text() if summary.exists() else ""
    return done


def environment(folder: Path) -> dict[str, str]:
    """One in which ``python`` is this one with this checkout, and only writes down what pip is to do."""
    shim = folder / "bin" / "python"
    shim.parent.mkdir()
    asked = quote(str(folder / "pip"))
    shim.write_text(
        "#!/bin/sh\n"
        f'if [ "$1 $2" = "-m pip" ]; then shift 2; printf "%s\\n" "$*" >> {asked}; exit; fi\n'
        f'exec {quote(sys.executable)} "$@"\n'
    )
    shim.chmod(0o755)
    return {
        "PATH": f"{shim.parent}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _holds(condition: str, given: Mapping[str, str], passed: bool) -> bool:
    """Whether a step is reached; without ``always()`` only after steps that passed."""
    parts = [part.strip() for part in condition.split("&&") if part.strip()]
    always = "always()" in parts
    for part in parts:
        match = _COMPARED.fullmatch(part)
        if match is None and part != "always()":
            raise ValueError(f"if: {part}")
        if match is not None and given[match[1]] == match[2]:
            return False
    return passed or always


def _value(expression: str, given: Mapping[str, str], said: Mapping[str, Mapping[str, str]]) -> str:
    if expression == "github.action_path":
        return str(ROOT)
    if expression in ("runner.os", "runner.arch"):
        return "made-up"
    kind, _, name = expression.partition(".")
    if kind == "inputs":
        return given[name]
    step, _, output = name.partition(".outputs.")
    if kind != "steps" or not output:
        raise ValueError(expression)
    return said.get(step, {}).get(output, "")
