"""The action: its inputs reach its steps, and it passes and fails as the gate does."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from composite import EXPRESSION, ROOT, action, call, environment

SMOKE = ROOT / "results" / "reference" / "smoke" / "baseline.parquet"
STEPS = action()["runs"]["steps"]


def named(kind: str, text: str) -> set[str]:
    return set(re.findall(rf"\b{kind}\.([\w-]+)", text))


def test_every_input_is_used_and_every_one_that_is_used_is_there() -> None:
    loaded = action()
    conditions = " ".join(step.get("if", "") for step in STEPS)
    said = " ".join(EXPRESSION.findall(str(STEPS)))
    assert named("inputs", f"{conditions} {said}") == set(loaded["inputs"])
    for name, one in loaded["inputs"].items():
        assert one["description"] and isinstance(one["default"], str), name


def test_outputs_are_those_that_steps_write() -> None:
    scripts = {step["id"]: step["run"] for step in STEPS if "id" in step}
    for name, one in action()["outputs"].items():
        step, written = re.fullmatch(r"\$\{\{ steps\.(\w+)\.outputs\.(\w+) \}\}", one["value"]).groups()  # type: ignore[union-attr]
        assert written == name and f"{written}=" in scripts[step]


def test_no_script_holds_an_expression_and_every_variable_is_set() -> None:
    """What a pull request can choose must not become text of a shell."""
    for step in STEPS:
        if "run" in step:
            assert step["shell"] == "bash"
            assert "${{" not in step["run"]
            used = set(re.findall(r"\$\{?([A-Z_]+)", step["run"])) - {"GITHUB_OUTPUT"}
            assert used == set(step.get("env", {}))
            assert not re.search(r"(?<![\"=/])\$[A-Z]", step["run"]), "unquoted"


def test_actions_are_pinned_to_those_of_the_workflow() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert len(used) == 3
    for one in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", one)
        assert one in workflow or one.startswith("actions/cache@")


def test_an_unchanged_model_passes(tmp_path: Path) -> None:
    inputs = {"suite": "smoke", "model": "tiny-llava-easy-vqa", "reference": str(SMOKE), "device": "cpu"}
    done = call(tmp_path, inputs, environment(tmp_path))
    assert done.passed, done.log
    assert done.outputs | {"message": ""} == {
        "verdict": "passed",
        "failures": "0",
        "message": "",
        "junit": "robustness-gate/gate.xml",
        "reference": "robustness-gate/candidate.parquet",
    }
    assert done.outputs["message"].startswith("The gate passed: none of 10 checks fails 'candidate'")
    assert done.summary.startswith("## Robustness gate: passed")
    assert done.ran[0].startswith("actions/setup-python@") and done.ran[-1].startswith("actions/upload-art")
    pip = (tmp_path / "pip").read_text().splitlines()
    assert pip == ["cache dir", f"install -c {ROOT}/constraints.txt -- {ROOT}"]
    report = tmp_path / "robustness-gate"
    kept = {"candidate.json", "candidate.parquet", "gate.json", "gate.md", "gate.svg", "gate.xml"}
    assert {path.name for path in report.iterdir()} == kept

    # What it left is a reference to hold, and records that are judged without a model to run.
    again = {"reference": f"{report}/candidate.parquet", "install": "none", "python-version": ""}
    done = call(
        tmp_path, {**again, "artifact": "", "gate-args": "--flips 3  --seed 1"}, environment_of(tmp_path)
    )
    assert done.passed, done.log
    assert done.ran == ["gate"]
    assert done.outputs["failures"] == "0"


def environment_of(folder: Path) -> dict[str, str]:
    (folder / "again").mkdir()
    return environment(folder / "again")


def test_a_worse_model_fails_with_the_reviewer_s_message(tmp_path: Path) -> None:
    """It no longer looks at the picture."""
    (tmp_path / "gate.toml").write_text('checks = ["overall", "clean"]\n')
    model = "tiny-llava-easy-vqa,fusion=text"
    inputs = {
        "suite": "smoke",
        "model": model,
        "candidate": "blind",
        "reference": str(SMOKE),
        "report": "out",
    }
    done = call(tmp_path, {**inputs, "tolerance": "0.01"}, environment(tmp_path))
    assert not done.passed
    assert (done.outputs["verdict"], done.outputs["failures"]) == ("failed", "2")
    assert re.search(r"'blind' fails 2 of 4 checks against the reference 'baseline': clean -\d", done.log)
    assert f"::error title=Robustness gate::{done.outputs['message']}" in done.log.splitlines()
    assert "more than the tolerance of 0.01, and noise does not explain it" in done.log
    assert "### What failed" in done.summary
    (suite,) = ElementTree.parse(tmp_path / done.outputs["junit"]).getroot()  # noqa: S314 - our own
    assert suite.attrib["failures"] == "2"
    assert done.ran[-1].startswith("actions/upload-artifact@"), "what failed is uploaded too"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"reference": "none.parquet"}, "none.parquet: cannot be read"),
        ({"reference": "$(touch owned)`touch owned`;touch owned"}, "no runs here"),
        ({"reference": str(SMOKE), "candidate": '"; touch owned #'}, "no runs of suite 'smoke' here"),
        ({"reference": str(SMOKE), "gate-args": "--nothing $(touch owned) *"}, "No such option"),
    ],
)
def test_what_cannot_be_gated_is_an_error_and_no_input_is_a_command(
    tmp_path: Path, inputs: dict[str, str], message: str
) -> None:
    done = call(tmp_path, inputs, environment(tmp_path))
    assert not done.passed
    assert done.outputs["verdict"] == "error"
    assert message in done.log and "Traceback" not in done.log
    assert not (tmp_path / "owned").exists()
