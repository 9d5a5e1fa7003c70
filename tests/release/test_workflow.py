"""The workflow, the hooks and the guide for contributors name what exists."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packages import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]


def sessions() -> dict[str, str]:
    """The sessions of noxfile.py and what each says of itself; nox itself is not needed."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    return {
        node.name: ast.get_docstring(node) or ""
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(mark).startswith("nox.session") for mark in node.decorator_list)
    }


def strings(name: str) -> list[str]:
    """The texts of a constant of noxfile.py."""
    for node in ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
    raise AssertionError(f"noxfile.py: no {name}")


def named_sessions(text: str) -> list[str]:
    """What stands behind ``nox … -s``, up to the next option."""
    found = []
    for line in re.findall(r"\bnox\b[^`\n]*", text):
        words = line.split()
        if "-s" in words:
            for word in words[words.index("-s") + 1 :]:
                if not re.fullmatch(r"[a-z]+", word):
                    break
                found.append(word)
    return found


def workflow(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def steps() -> Iterator[dict[str, Any]]:
    for path in WORKFLOWS:
        for job in workflow(path)["jobs"].values():
            yield from job["steps"]


def test_the_sessions_are_those_of_a_project() -> None:
    wanted = {
        *("tests", "fast", "lint", "types", "docs", "build", "coverage", "audit", "reference", "bench"),
    }
    assert set(sessions()) == wanted
    assert all(sessions().values())


@pytest.mark.parametrize("constant", ["FAST", "UNCOVERED"])
def test_folders_that_the_sessions_name_are_there(constant: str) -> None:
    assert strings(constant)
    for path in strings(constant):
        assert (ROOT / path).exists(), path


def test_the_sessions_run_modules_and_scripts_that_are_there() -> None:
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    scripts = re.findall(r'"(\.ci/\w+)"', text)
    modules = re.findall(r'"(benchmarks\.\w+)"', text)
    assert scripts and modules
    assert all((ROOT / script).is_file() for script in scripts)
    assert all((ROOT / f"{module.replace('.', '/')}.py").is_file() for module in modules)


def test_the_workflow_has_jobs_that_run() -> None:
    assert WORKFLOWS
    for path in WORKFLOWS:
        loaded = workflow(path)
        # YAML 1.1 reads the key "on" as true.
        assert loaded["name"] and loaded.get("on", loaded.get(True))
        for name, job in loaded["jobs"].items():
            assert job["runs-on"] and job["timeout-minutes"], name
            for step in job["steps"]:
                assert ("run" in step) != ("uses" in step), step


def test_actions_are_pinned_to_a_commit() -> None:
    used = [step["uses"] for step in steps() if "uses" in step and step["uses"] != "./"]
    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action


def test_the_matrix_begins_with_the_oldest_python_that_is_supported() -> None:
    versions = workflow(WORKFLOWS[0])["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert all(isinstance(version, str) for version in versions), "unquoted, 3.10 is the number 3.1"
    assert versions == sorted(versions, key=lambda version: int(version.partition(".")[2]))
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={versions[0]}"' in text


def test_the_workflow_runs_sessions_and_extras_that_are_there() -> None:
    text = "\n".join(step.get("run", "") for step in steps())
    assert set(named_sessions(text)) and set(named_sessions(text)) <= set(sessions())
    assert "'.[dev]'" in text and re.search(r"^dev = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert (ROOT / "constraints.txt").is_file() and (ROOT / "suites" / "smoke.yaml").is_file()
    for step in steps():
        subprocess.run(["bash", "-n", "-c", step.get("run", "")], check=True)


def test_hooks_are_of_this_environment_and_run_what_is_there() -> None:
    assert [repo["repo"] for repo in HOOKS] == ["local"]
    for hook in HOOKS[0]["hooks"]:
        assert hook["language"] == "system", hook["id"]
        program, *arguments = shlex.split(hook["entry"])
        assert program == "python"
        if arguments[0] == "-m":
            subprocess.run([sys.executable, "-m", arguments[1], "--version"], check=True, capture_output=True)
        else:
            assert (ROOT / arguments[0]).is_file(), hook["id"]


def test_the_guide_names_sessions_and_paths_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(sessions()) == set(named_sessions(text)), "the guide names every session"
    for path in re.findall(r"`python -m pytest (\S+?)`", text):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"`python -m (benchmarks\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
