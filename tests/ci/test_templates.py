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


def test_our_own_workflow_gives_the_action_inputs_and_files_that_are_there() -> None:
    jobs = loaded(ROOT / ".github" / "workflows" / "ci.yml")["jobs"].values()
    (own,) = [step["with"] for job in jobs for step in job["steps"] if step.get("uses") == "./"]
    assert set(own) <= set(action()["inputs"])
    assert (ROOT / own["reference"]).is_file() and (ROOT / own["config"]).is_file()
    assert (ROOT / "suites" / f"{own['suite']}.yaml").is_file()


def test_our_own_script_gates_against_files_that_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    suites = re.findall(r"^gate_own ([\w-]+) ", script, re.MULTILINE)
    assert suites == ["vqa-corrupt", "smoke"]
    body = re.search(r"^gate_own\(\) \{.*?^}", script, re.MULTILINE | re.DOTALL)
    models = re.search(r"for model in (.+); do", body[0] if body else "")
    assert body and models
    (tmp_path / "run" / ".venv" / "bin").mkdir(parents=True)
    told = tmp_path / "told"
    shim = tmp_path / "run" / ".venv" / "bin" / "dmsbench"
    shim.write_text(f'#!/bin/sh\nprintf "dmsbench %s\\n" "$*" >> {told}\n')
    shim.chmod(0o755)
    calls = "\n".join(f"gate_own {suite} out" for suite in suites)
    subprocess.run(
        ["bash", "-euc", f"{body[0]}\n{calls}"], check=True, env={"work": str(tmp_path), "PATH": "/bin"}
    )
    monkeypatch.chdir(ROOT)
    found = list(commands(told.read_text()))
    assert len(found) == len(suites) * len(models[1].split())
    for words in found:
        check_command(words)
        named = dict(zip(words[1::2], words[2::2], strict=True))
        assert Path(named["--config"]).is_file() and Path(named["--reference"]).is_file()


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
