"""What is there to be copied into other projects' CI: it parses, and its commands and inputs are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from composite import ROOT, action

sys.path.insert(0, str(ROOT / "tests" / "docs"))
from docs_shell import check_command, commands

GITHUB = ROOT / "docs" / "github" / "robustness.yml"
GITLAB = ROOT / "docs" / "gitlab" / "dmsbench-gate.gitlab-ci.yml"


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def test_the_workflow_gives_the_action_inputs_that_it_has() -> None:
    (job,) = loaded(GITHUB)["jobs"].values()
    assert job["runs-on"] and job["timeout-minutes"]
    checkout, gate = job["steps"]
    assert checkout["uses"] in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.fullmatch(r"OWNER/dmsbench@[0-9a-f]{40}", gate["uses"])
    assert set(gate["with"]) <= set(action()["inputs"])
    assert all(isinstance(value, str) for value in gate["with"].values())
    assert {"suite", "model", "reference"} <= set(gate["with"])


def test_the_gitlab_job_runs_commands_that_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    job = loaded(GITLAB)[".dmsbench-gate"]
    script = "\n".join([*job["before_script"], *job["script"]])
    subprocess.run(["bash", "-n", "-c", script], check=True)
    used = set(re.findall(r"\$(\w+)", script))
    assert used == {name for name in job["variables"] if name.startswith("DMSBENCH_")}
    assert not re.search(r'(?<!["=])\$', script), "unquoted"
    for name in used:
        script = script.replace(f"${name}", job["variables"][name])
    monkeypatch.chdir(tmp_path)
    found = list(commands(script))
    assert [words[0] for words in found] == ["run", "reference", "gate"]
    for words in found:
        check_command(words)


def test_the_gitlab_job_shows_what_the_gate_writes() -> None:
    job = loaded(GITLAB)[".dmsbench-gate"]
    junit = job["artifacts"]["reports"]["junit"]
    assert job["artifacts"]["when"] == "always", "what failed is shown too"
    assert f"--junit {junit} " in job["script"][-1]
    assert junit.startswith(f"{job['artifacts']['paths'][0]}/")


def test_what_the_gitlab_file_says_of_itself_is_a_job_that_extends_it() -> None:
    said = [line.removeprefix("#").removeprefix(" ") for line in GITLAB.read_text().splitlines()]
    example = yaml.safe_load("\n".join(line for line in said[:8] if line.startswith(("rob", " "))))
    (job,) = example.values()
    template = loaded(GITLAB)
    assert job["extends"] in template
    assert set(job["variables"]) <= set(template[job["extends"]]["variables"])
