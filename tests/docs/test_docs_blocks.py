"""What the pages tell readers to type does what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from docs_needs import UsageError, is_there
from docs_pages import ROOT, Block, all_blocks, blocks, pages
from docs_shell import check_command, check_output, commands, make_folders, run

from dmsbench.errors import DmsbenchError
from dmsbench.gate import GateConfig
from dmsbench.gate.config_file import tomllib
from dmsbench.suite import Suite, load_suite

LANGUAGES = ("sh", "python", "yaml", "json", "jsonl", "text", "toml")
SHELL = [block for block in all_blocks() if block.language == "sh"]
PARSED = [block for block in SHELL if block.kind == "no-run"]
MARKED = [block for block in all_blocks() if block.needs]


def where(block: Block) -> str:
    return block.where


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    for block in all_blocks():
        assert block.language in LANGUAGES, f"{block.where}: language '{block.language}'"
        known = ("", "no-run") if block.language == "sh" else ("", "fragment", "workflow", "action", "gitlab")
        assert block.kind in known or block.file, f"{block.where}: '{block.kind}'"


def test_toml_is_of_an_example_or_a_gate_s() -> None:
    examples = [path.read_text(encoding="utf-8") for path in ROOT.glob("examples/*/pyproject.toml")]
    for block in all_blocks():
        if block.language == "toml" and block.file == "gate.toml":
            GateConfig.model_validate(tomllib.loads(block.text))
        else:
            assert block.language != "toml" or any(block.text in text for text in examples), block.where


@pytest.mark.parametrize("page", pages())
def test_the_page_runs(page: str, shell: dict[str, str], tmp_path: Path) -> None:
    output: str | None = None
    for block in blocks(page):
        if block.needs and not is_there(block.needs):
            output = None
            continue
        if block.file:
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "text" and output is not None:
            check_output(block, output)
        elif block.language == "python" or (block.language == "sh" and block.kind == ""):
            output = run(block, tmp_path, shell)
            continue
        output = None


@pytest.mark.parametrize("block", PARSED, ids=where)
def test_what_is_not_run_parses(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if block.needs and not is_there(block.needs):
        pytest.skip(f"no {block.needs} yet")
    monkeypatch.chdir(tmp_path)
    make_folders(block.text, tmp_path)
    subprocess.run(["bash", "-n", "-c", block.text], check=True)
    for arguments in commands(block.text):
        check_command(arguments)


@pytest.mark.parametrize(
    "wrong",
    [
        "dmsbench run --suite smoke --no-such-option",
        "dmsbench nothing",
        "dmsbench gate --candidate baseline",
        "dmsbench preview --seed many",
        "dmsbench run --suite smoke --model mine=owner/name,fusoin=dms",
    ],
)
def test_a_wrong_command_does_not_parse(wrong: str) -> None:
    (arguments,) = commands(wrong)
    with pytest.raises((UsageError, DmsbenchError)):
        check_command(arguments)


def test_commands_are_found_wherever_they_stand() -> None:
    text = "cd x && .venv/bin/dmsbench list \\\n    models | head  # dmsbench no\ndmsbench report > out.txt\n"
    assert list(commands(text)) == [["list", "models"], ["report", "out.txt"]]


@pytest.mark.parametrize("block", [b for b in all_blocks() if b.language == "yaml"], ids=where)
def test_yaml_loads(block: Block, tmp_path: Path) -> None:
    if block.kind == "workflow":
        steps = [step for job in yaml.safe_load(block.text)["jobs"].values() for step in job["steps"]]
        found = [arguments for step in steps for arguments in commands(step.get("run", ""))]
        assert found, f"{block.where}: no command in it"
        for arguments in found:
            check_command(arguments)
    elif block.kind == "action":
        inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
        for step in yaml.safe_load(block.text):
            assert step["uses"].startswith("OWNER/dmsbench@") and set(step["with"]) <= set(inputs)
    elif block.kind == "gitlab":
        (template,) = (ROOT / "docs" / "gitlab").glob("*.yml")
        jobs = yaml.safe_load(template.read_text(encoding="utf-8"))
        for name, job in yaml.safe_load(block.text).items():
            if name != "include":
                assert set(job["variables"]) <= set(jobs[job["extends"]]["variables"])
    elif block.kind == "fragment":
        fragment = yaml.safe_load(block.text)
        base = {"name": "whole", "dataset": {"name": "scenes"}, "grid": {"image": ["fog"]}}
        Suite.model_validate(base | fragment)
    else:
        path = tmp_path / "suite.yaml"
        path.write_text(block.text, encoding="utf-8")
        load_suite(str(path))


@pytest.mark.parametrize("block", [b for b in all_blocks() if b.language in ("json", "jsonl")], ids=where)
def test_json_loads(block: Block) -> None:
    texts = [block.text] if block.language == "json" else block.text.splitlines()
    for text in texts:
        json.loads(text)


@pytest.mark.parametrize("need", sorted({block.needs for block in MARKED if block.needs}))
def test_only_what_is_not_there_is_skipped(need: str, shell: dict[str, str], tmp_path: Path) -> None:
    """Asked of the command line itself: a block whose command exists must not be passed over."""
    if "." in need:
        script = "dmsbench run --suite smoke --limit 5 --model baseline -q; ls results/*/*/"
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=shell, capture_output=True, text=True, check=True
        )
        found = need in done.stdout.split()
    else:
        words = [word for word in need.split() if not word.startswith("-")]
        options = [word for word in need.split() if word.startswith("-")]
        done = subprocess.run(
            [sys.executable, "-m", "dmsbench", *words, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        found = done.returncode == 0 and all(option in done.stdout.split() for option in options)
    assert is_there(need) == found
