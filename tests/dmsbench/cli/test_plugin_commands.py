"""A package that brings something of every kind, from the command line, and what is left when it is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packages_offered import EXAMPLES, install_example, with_path

from dmsbench.runner.find import runs

SUITE = str(EXAMPLES / "dmsbench-extras" / "counting.yaml")
Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extras")
    install_example(folder / "site", "dmsbench-extras")
    install_example(folder / "newer", "dmsbench-extras", version="1.1")
    return folder


@pytest.fixture(scope="module")
def call(work: Path) -> Call:
    """Runs a command where the package is installed, or the one in ``site``, or none."""

    def called(*words: str, site: str | None = "site") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
        if site is not None:
            environment["PYTHONPATH"] = with_path(work / site)
        return subprocess.run(
            [sys.executable, "-m", "dmsbench", *words],
            capture_output=True,
            text=True,
            env=environment,
            cwd=work,
            check=False,
        )

    return called


@pytest.fixture(scope="module")
def done(work: Path, call: Call) -> Path:
    """A run of the example's suite, its pictures made by a worker process."""
    ended = call("run", "--suite", SUITE, "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    (run,) = runs(work / "results")
    return run.path


def test_everything_is_listed_with_its_package(call: Call) -> None:
    for topic, name in (
        ("datasets", "dots"),
        ("tasks", "counting"),
        ("scores", "nearly"),
        ("corruptions", "row_jitter"),
    ):
        listed = {one["name"]: one for one in json.loads(call("list", topic, "--json").stdout)}
        assert listed[name]["plugin"] == "dmsbench-extras 1.0"
    assert "row_jitter" in call("list", "corruptions").stdout
    assert "counting" not in call("list", "tasks", "--json", site=None).stdout
    loaded = json.loads(call("list", "corruptions", "--load", "--json").stdout)
    (jitter,) = [one for one in loaded if one["name"] == "row_jitter"]
    assert (jitter["kind"], jitter["family"], jitter["falsifies"]) == ("image", "sensor", ["position"])
    assert jitter["parameters"]["default"] == [0.01, 0.03, 0.06, 0.1, 0.2]


def test_the_suite_runs_with_a_worker_and_is_compared(done: Path, call: Call) -> None:
    manifest = json.loads((done / "manifest.json").read_text())
    assert manifest["identity"]["task_version"] == "counting|v1|dmsbench-extras 1.0"
    assert manifest["identity"]["score"].endswith("|dmsbench-extras 1.0|counting|v1|dmsbench-extras 1.0")
    assert manifest["identity"]["corruptions"]["row_jitter"] == "1 of dmsbench-extras 1.0"
    assert set(manifest["plugins"]) == {
        "dmsbench.datasets:dots",
        "dmsbench.tasks:counting",
        "dmsbench.scores:nearly",
        "dmsbench.corruptions:row_jitter",
        "dmsbench.corruptions:vowel_drop",
    }
    records = runs(done.parents[1])[0].records("counter")
    assert set(records["status"]) == {"ok"}
    clean = records[(records["image_corruption"] == "clean") & (records["text_corruption"] == "clean")]
    assert (
        clean["score"].mean() == 1.0
    )  # it counts what is drawn, and the task reads the number in a sentence
    assert clean["prediction"].str.fullmatch(r"There are \d dots\.").all()
    hard = records[(records["image_corruption"] == "row_jitter") & (records["image_severity"] == 5)]
    assert hard["score"].mean() < 0.9
    vowels = records[(records["text_corruption"] == "vowel_drop") & (records["text_severity"] == 5)]
    assert set(vowels["question"]) == {"Hw mny dts r thr?"}
    compared = call("compare", "counter", "careful", "--format", "json")
    assert compared.returncode == 0, compared.stderr
    assert json.loads(compared.stdout)["overall"]["verdict"] == "A better"
    assert "image:sensor" in call("compare", "counter", "careful").stdout


def test_without_workers_the_records_are_the_same(done: Path, work: Path, call: Call) -> None:
    ended = call(
        "run", "--suite", SUITE, "--model", "counter=dot-counter", "--workers", "0", "--out", "alone"
    )
    assert ended.returncode == 0, ended.stderr
    first, second = (runs(out)[0].records("counter") for out in (done.parents[1], work / "alone"))
    assert first.equals(second)


def test_a_run_is_scored_anew_by_another_score_of_the_task(done: Path, call: Call) -> None:
    ended = call("rescore", str(done), "--score", "off_by_one", "--format", "json", "--quiet")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["rescored"]["changed"] > 0
    newer = call("rescore", str(done), "--score", "exact_match", site="newer")
    assert newer.returncode == 2
    assert "was counting|v1|dmsbench-extras 1.0 in this run" in newer.stderr


def test_a_report_needs_no_package(done: Path, call: Call) -> None:
    ended = call("report", str(done), site=None)
    assert ended.returncode == 0, ended.stderr
    assert call("compare", f"{done}:counter", f"{done}:careful", site=None).returncode == 0


def test_another_version_is_another_run_that_is_not_compared(done: Path, work: Path, call: Call) -> None:
    few = ("--limit", "4", "--corruption", "clean", "--out", "other", "--model", "counter=dot-counter")
    # Builtin models take a package's task too: static, and by the rule that needs no fit.
    tiny = ("--model", "static=tiny-llava-scenes", "--model", "rule=tiny-llava-scenes,fusion=dms,alpha=2")
    ended = call("run", "--suite", SUITE, *few, *tiny, site="newer")
    assert ended.returncode == 0, ended.stderr
    (other,) = runs(work / "other")
    for model in ("counter", "static", "rule"):
        assert set(other.records(model)["status"]) == {"ok"}
    compared = call("compare", f"{done}:counter", f"{other.path}:counter")
    assert compared.returncode == 3
    assert "differ in version of the task" in compared.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fit", "baseline", "--suite", SUITE, "--out", "x"), "task 'counting' of another package"),
        (("preview", "--corruption", "row_jiter", "--out", "x.png"), "did you mean 'row_jitter'"),
        (("run", "--suite", SUITE, "--score", "nearby"), "did you mean 'nearly'"),
        (("list", "models", "--load"), "--load is of datasets, tasks, corruptions, scores, not of models"),
    ],
)
def test_what_cannot_be_is_one_line(call: Call, words: tuple[str, ...], said: str) -> None:
    failed = call(*words)
    assert failed.returncode == 2
    assert said in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1


def test_where_the_package_is_not_a_suite_says_what_it_lacks(call: Call) -> None:
    failed = call("run", "--suite", SUITE, site=None)
    assert failed.returncode == 2
    assert "unknown corruption 'row_jitter'" in failed.stderr
    assert "Traceback" not in failed.stderr
