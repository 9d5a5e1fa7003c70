"""Tasks of the developers: ``nox -l`` lists them, ``nox -s lint types`` runs two, ``nox`` the quick ones.

Each session has an environment of its own under .nox, with the versions of constraints.txt; ``--no-venv``
takes the environment that is active as it is, which saves the installation. What stands behind ``--`` goes to
the command.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "fast"]
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
CONSTRAINTS = ("-c", "constraints.txt")
#: Most of the code in a few minutes. Left out: faults, adapters of large models, whole runs, training.
FAST = (
    *("tests/corruptions", "tests/dmsbench/data", "tests/dmsbench/scores", "tests/dmsbench/tasks"),
    *(
        "tests/dmsbench/fusion",
        "tests/dmsbench/gate/test_gate.py",
        "tests/dmsbench/test_suite.py",
        "tests/release",
    ),
)
#: Slow under coverage, and tests/faults kills processes, which then write down nothing.
UNCOVERED = ("tests/faults", "tests/badinput", "tests/load", "tests/test_style.py")


def _ready(session: nox.Session, *packages: str) -> None:
    """Installs what a session needs, unless it runs in an environment that is there."""
    if session.venv_backend != "none":
        session.install(*CONSTRAINTS, *packages)


@nox.session
def lint(session: nox.Session) -> None:
    """Linter and formatter; ``-- --fix`` mends what can be mended."""
    _ready(session, "ruff")
    session.run("python", "-m", "ruff", "check", *session.posargs, ".")
    session.run("python", "-m", "ruff", "format", *([] if "--fix" in session.posargs else ["--check"]), ".")


@nox.session
def types(session: nox.Session) -> None:
    """Type checker, strict, over dmsbench and corruptions."""
    _ready(session, "-e", ".[dev]")
    session.run("python", "-m", "mypy", *session.posargs)


@nox.session
def fast(session: nox.Session) -> None:
    """The tests that take a few minutes."""
    _ready(session, "-e", ".[dev]")
    session.run("python", "-m", "pytest", "-n", "auto", *FAST, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests."""
    _ready(session, "-e", ".[dev]")
    session.run("python", "-m", "pytest", "-n", "auto", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Runs what the pages tell readers to type; there is nothing to build, the pages are Markdown."""
    _ready(session, "-e", ".[dev]")
    session.run("python", "-m", "pytest", "-n", "auto", "tests/docs", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and source distribution in dist/, checked."""
    _ready(session, "-e", ".[dev]", "twine")
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    isolated = ["--no-isolation"] if session.venv_backend == "none" else []
    session.run("python", "-m", "build", *isolated, "--outdir", str(dist), ".")
    made = sorted(map(str, dist.iterdir()))
    session.run("python", "-m", "twine", "check", "--strict", *made)
    session.run("python", "-m", "pytest", "tests/release", env={"DMSBENCH_DIST": str(dist)})


@nox.session
def coverage(session: nox.Session) -> None:
    """What the tests run of the code: docs/coverage.json, docs/pictures/coverage.svg and a table; long.

    ``-- tests/corruptions`` measures some tests only, and writes nothing to docs/.
    """
    _ready(session, "-e", ".[dev]", "coverage")
    tests = session.posargs or ["tests", *(f"--ignore={path}" for path in UNCOVERED)]
    session.run("python", "-m", "coverage", "erase")
    session.run(
        "python",
        "-m",
        "coverage",
        "run",
        "-m",
        "pytest",
        *tests,
        env={"OMP_NUM_THREADS": "1"},
        success_codes=[0, 1],
    )
    session.run("python", "-m", "coverage", "combine", "--quiet")
    session.run("python", "-m", "coverage", "report", "--skip-covered", "--sort=cover")
    if not session.posargs:
        session.run("python", ".ci/coverage_summary", "--out", "docs")


@nox.session
def audit(session: nox.Session) -> None:
    """Pins against known vulnerabilities; exit code 3 where no index answers."""
    session.run("python", ".ci/audit", *session.posargs)


@nox.session
def reference(session: nox.Session) -> None:
    """Makes results/reference anew; ``-- OUT --suite vqa-corrupt --limit 20`` tries it out elsewhere."""
    _ready(session, "-e", ".")
    session.run("python", "-m", "benchmarks.reference", *(session.posargs or ["results/reference"]))


@nox.session
def bench(session: nox.Session) -> None:
    """A benchmark by name, by default throughput: ``-- corruptions --help``."""
    _ready(session, "-e", ".[dev]")
    name, *more = session.posargs or ["throughput"]
    session.run("python", "-m", f"benchmarks.{name}", *more)
