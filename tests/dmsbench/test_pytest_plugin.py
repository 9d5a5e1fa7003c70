"""The gate as tests of pytest, run by pytest itself in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parent / "gate"))
from gate_made_up import answers, make_run, worse

from dmsbench.gate.config_file import tomllib
from dmsbench.gate.saved import save
from dmsbench.runner.find import entrant

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
NAMES = ["clean", "overall", "fog", "gaussian_blur", "keyboard", "error rate", "conditions"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved reference, its own run, and runs of a worse model and of another suite."""
    folder, before = tmp_path_factory.mktemp("runs"), answers()
    good = make_run(folder / "results", {"good": before, "bad": worse(before, [3, 4], 0.4)})
    save(entrant(good.path, "good"), folder / "ref.parquet")
    make_run(folder / "foreign", {"good": before}, suite="else", name="1" * 12)
    return folder


@pytest.fixture
def inner(pytester: pytest.Pytester, runs: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose pytest has this plug-in and, as strict as it can be, no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error\n")
    (pytester.path / "gate.toml").write_text("")
    for name in ("results", "ref.parquet", "foreign"):
        (pytester.path / name).symlink_to(runs / name)
    pytester.makepyfile(test_own="def test_own(): pass\n")
    return pytester


def run(inner: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return inner.runpytest_inprocess("-p", "dmsbench.pytest_plugin", *arguments)


def gate(inner: pytest.Pytester, candidate: str, *arguments: str) -> pytest.RunResult:
    options = ("--dmsbench-gate", "gate.toml", "--dmsbench-reference", "ref.parquet")
    return run(inner, *options, "--dmsbench-candidate", candidate, *arguments)


def lacks(printed: pytest.LineMatcher, *patterns: str) -> None:
    for pattern in patterns:
        printed.no_fnmatch_line(pattern)


def test_every_check_is_a_test_beside_the_project_s_own(inner: pytest.Pytester) -> None:
    done = gate(inner, "good", "-v")
    assert done.ret == 0
    done.assert_outcomes(passed=8)
    for name in NAMES:
        done.stdout.fnmatch_lines([f"gate.toml::{name} PASSED*"])
    done.stdout.fnmatch_lines(["test_own.py::test_own PASSED*"])


def test_a_check_fails_with_numbers_interval_and_tolerance_and_no_traceback(inner: pytest.Pytester) -> None:
    done = gate(inner, "bad", "--junitxml", "own.xml")
    assert done.ret == 1
    done.assert_outcomes(failed=2, passed=6)
    done.stdout.fnmatch_lines(
        [
            "*robustness gate: overall*",
            "overall: dropped by 0.*, more than the tolerance of 0.02, and noise does not explain it",
            "reference *, candidate *, change -*, 95 % interval [[]-*, -*[]], allowed -2, sees *(points)",
            "candidate bad (results/made-up/*) against reference good (ref.parquet), suite made-up",
            "*robustness gate: fog*",
        ]
    )
    lacks(done.stdout, "*Traceback*", "*Error*", "*pytest_plugin.py*", "*fail(*")
    cases = ElementTree.parse(inner.path / "own.xml").iter("testcase")  # noqa: S314 - our own
    failed = {case.attrib["name"] for case in cases if case.find("failure") is not None}
    assert failed == {"overall", "fog"}


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        (["test_own.py"], 8),
        (["gate.toml"], 7),
        (["gate.toml::overall"], 1),
        (["-m", "dmsbench_gate"], 7),
        (["-k", "overall or own"], 2),
        ([".", "gate.toml"], 8),
    ],
)
def test_checks_are_chosen_as_tests_are(inner: pytest.Pytester, arguments: list[str], passed: int) -> None:
    assert gate(inner, "good", *arguments).parseoutcomes()["passed"] == passed


def test_the_configuration_counts_and_may_stand_in_pyproject_toml(inner: pytest.Pytester) -> None:
    (inner.path / "gate.toml").write_text("tolerance = 0.9\n[corruption.fog]\nfloor = 0.99\n")
    done = gate(inner, "bad", "gate.toml", "-v")
    done.assert_outcomes(failed=1, passed=7)
    done.stdout.fnmatch_lines(["gate.toml::fog floor FAILED*", "fog floor: 0.* lies below the floor of 0.99"])
    (inner.path / "pyproject.toml").write_text("[tool.dmsbench.gate]\nchecks = ['overall']\n")
    done = run(
        inner, "--dmsbench-gate", "pyproject.toml", "--dmsbench-reference", "good",
        "--dmsbench-candidate", "bad", "--dmsbench-out", "results", "-m", "dmsbench_gate",
    )  # fmt: skip
    done.assert_outcomes(failed=1, passed=2, deselected=1)


@pytest.mark.parametrize(
    ("candidate", "line"),
    [
        ("goood", "dmsbench: unknown model 'goood': did you mean 'good'?"),
        (
            "foreign/else/111111111111:good",
            "dmsbench: not comparable: good (ref.parquet) and good (*) differ*",
        ),
    ],
)
def test_what_cannot_be_gated_is_an_error_of_one_line(
    inner: pytest.Pytester, candidate: str, line: str
) -> None:
    done = gate(inner, candidate)
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*ERROR collecting gate.toml*", line])
    lacks(done.stdout, "*Traceback*", "*DmsbenchError*", "*pytest_plugin.py*")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dmsbench-gate", "gate.toml"], "--dmsbench-gate needs --dmsbench-reference RUN: the run to hold"),
        (["--dmsbench-candidate", "mine"], "--dmsbench-candidate needs --dmsbench-gate CONFIG"),
        (
            ["--dmsbench-gate", "none.toml", "--dmsbench-reference", "good"],
            "--dmsbench-gate none.toml: no file is there; an empty one is enough",
        ),
    ],
)
def test_half_of_the_options_is_a_usage_error(
    inner: pytest.Pytester, arguments: list[str], message: str
) -> None:
    done = run(inner, *arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: {message}"])
    lacks(done.stderr, "*Traceback*")


def test_a_bad_configuration_names_file_and_key(inner: pytest.Pytester) -> None:
    (inner.path / "gate.toml").write_text("tolerrance = 1\n")
    done = gate(inner, "good")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["dmsbench: *gate.toml: tolerrance: unknown key*did you mean 'tolerance'?"])


def test_workers_of_xdist_collect_alike(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    arguments = ("--dmsbench-gate", "gate.toml", "--dmsbench-reference", "ref.parquet")
    done = inner.runpytest_subprocess(
        "-p", "xdist", "-p", "dmsbench.pytest_plugin", *arguments, "--dmsbench-candidate", "bad", "-n", "2"
    )
    done.assert_outcomes(failed=2, passed=6)


def test_the_fixture_gates_and_asserts(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import pytest

        def test_good(dmsbench_gate):
            outcome = dmsbench_gate(reference="ref.parquet", candidate="good", tolerance=0.01)
            outcome.assert_passed()
            assert outcome.passed and not outcome.failures
            assert outcome.gated.result.tolerance == 0.01

        def test_bad(dmsbench_gate):
            dmsbench_gate(reference="ref.parquet", candidate="bad").assert_passed()

        def test_caught(dmsbench_gate):
            with pytest.raises(AssertionError, match="The gate failed: 'bad' fails 2 of 7 checks"):
                dmsbench_gate("good", "bad").assert_passed()

        def test_absent(dmsbench_gate):
            dmsbench_gate(reference="goood")
        """
    )
    done = run(inner, "test_the_fixture_gates_and_asserts.py")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(
        [
            '>*dmsbench_gate(reference="ref.parquet", candidate="bad").assert_passed()',
            "E *AssertionError: The gate failed: 'bad' fails 2 of 7 checks against the reference 'good'*",
            "E *overall: dropped by 0.*, more than the tolerance of 0.02*",
            "E *Smallest drops that would fail nine times in ten (points)*",
            "*test_absent*",
            "dmsbench: unknown model 'goood': did you mean 'good'?",
        ]
    )
    lacks(done.stdout, "*pytest_plugin.py*", "*UnknownNameError*")


def test_unused_it_imports_nothing_and_adds_nothing(inner: pytest.Pytester) -> None:
    script = (
        "import pytest, sys; before = set(sys.modules); import dmsbench.pytest_plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['dmsbench', 'dmsbench.pytest_plugin']"
    # Its own configuration is nobody's test without the option.
    plain, with_it = inner.runpytest_inprocess("-v"), run(inner, "-v")
    for told in (plain, with_it):
        told.assert_outcomes(passed=1)
    assert [line for line in plain.outlines if "::" in line] == [x for x in with_it.outlines if "::" in x]
    assert run(inner, "--markers").outlines == inner.runpytest_inprocess("--markers").outlines


def test_pytest_finds_it_by_its_entry_point(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed, also where dmsbench was imported before pytest and where warnings are errors."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((name, module),) = project["entry-points"]["pytest11"].items()
    info = inner.path / "site" / "dmsbench-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dmsbench\nVersion: 9.9\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")
    (info / "RECORD").write_text("dmsbench/__init__.py,,\ncorruptions/__init__.py,,\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(info.parent), str(ROOT)]))
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    script = "import corruptions, dmsbench, pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    for arguments in ((), ("-p", module)):
        done = inner.run(sys.executable, "-c", script, "-W", "error", *arguments)
        assert done.ret == 0
        done.stdout.fnmatch_lines(["plugins: *dmsbench-9.9*", "*1 passed*"])
    done = inner.run(sys.executable, "-c", script, "--help", "-p", f"no:{name}")
    lacks(done.stdout, "*--dmsbench*")
