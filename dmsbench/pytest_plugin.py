"""The gate in pytest: a test for every check, and a fixture for tests of one's own.

    pytest --dmsbench-gate gate.toml --dmsbench-reference reference.parquet --dmsbench-candidate mine

Loaded by pytest in every run of every project that has dmsbench installed. So nothing is imported here until
it is needed, and without the options or the fixture nothing is done. It has no asserts: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from typing import Any

    from dmsbench.gate import GateCheck, Gated

#: The mark of the tests that are checks: ``-m dmsbench_gate`` picks them.
MARK = "dmsbench_gate"
_OPTIONS = ("gate", "reference", "candidate", "out")
_COLLECTED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; see docs/gate-in-ci.md."""
    group = parser.getgroup("dmsbench", "robustness gate of vision-language models")
    group.addoption(
        "--dmsbench-gate",
        metavar="CONFIG",
        help="Collect a test for every check of this gate: a gate.toml, or a pyproject.toml with "
        "[tool.dmsbench.gate].",
    )
    group.addoption(
        "--dmsbench-reference",
        metavar="RUN",
        help="The run to hold: FOLDER, FOLDER:MODEL, a model's name or a saved reference.",
    )
    group.addoption(
        "--dmsbench-candidate",
        metavar="RUN",
        help="The run to judge, named alike; by default the newest of --dmsbench-out.",
    )
    group.addoption(
        "--dmsbench-out", metavar="DIR", help="Where names of models are looked up; by default results."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Raises UsageError for half of the options."""
    given = {name: config.getoption(f"dmsbench_{name}") for name in _OPTIONS}
    if given["gate"] is None:
        for name in _OPTIONS[1:]:
            if given[name] is not None:
                raise pytest.UsageError(f"--dmsbench-{name} needs --dmsbench-gate CONFIG")
        return
    if given["reference"] is None:
        raise pytest.UsageError("--dmsbench-gate needs --dmsbench-reference RUN: the run to hold")
    if not _config_file(config).is_file():
        raise pytest.UsageError(f"--dmsbench-gate {given['gate']}: no file is there; an empty one is enough")
    config.addinivalue_line("markers", f"{MARK}: a check of the robustness gate (dmsbench)")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The gate, where its configuration is among what is collected; nothing for any other file."""
    if parent.config.getoption("dmsbench_gate") is None or file_path.resolve() != _config_file(parent.config):
        return None
    return GateFile.from_parent(parent, path=file_path)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Adds the gate where its configuration was not among what was collected."""
    if config.getoption("dmsbench_gate") is None or config.stash.get(_COLLECTED, False):
        return
    gate = GateFile.from_parent(session, path=_config_file(config))
    report = config.hook.pytest_make_collect_report(collector=gate)
    config.hook.pytest_collectreport(report=report)
    if report.passed:
        items.extend(report.result)


def _config_file(config: pytest.Config) -> Path:
    return config.invocation_params.dir.joinpath(config.getoption("dmsbench_gate")).resolve()


class GateFile(pytest.File):
    """A configuration, whose checks are its tests."""

    def collect(self) -> Iterator[pytest.Item]:
        """Gates, and gives an item a check; raises CollectError, one line, where that cannot be."""
        from dmsbench.errors import DmsbenchError
        from dmsbench.gate import gate_runs, load_config

        self.config.stash[_COLLECTED] = True
        options = self.config.option
        try:
            gated = gate_runs(
                options.dmsbench_reference,
                options.dmsbench_candidate,
                out=Path(options.dmsbench_out or "results"),
                config=load_config(self.path),
            )
        except DmsbenchError as error:
            raise self.CollectError(f"dmsbench: {error}") from None
        for check in gated.result.checks:
            yield GateItem.from_parent(self, name=gated.result.title(check), gated=gated, check=check)


class GateItem(pytest.Item):
    """A check."""

    def __init__(self, *, gated: Gated, check: GateCheck, **rest: Any) -> None:
        super().__init__(**rest)
        self.gated, self.check = gated, check
        self.add_marker(MARK)

    def runtest(self) -> None:
        """Fails where the check did."""
        if not self.check.passed:
            from dmsbench.report.gate.assertion import check_text

            pytest.fail(check_text(self.gated, self.check), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands, and the heading of its failure."""
        return self.path, None, f"robustness gate: {self.name}"


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """What the fixture gives back."""

    gated: Gated
    """The result with both sides: ``gated.result.checks`` and so on (``dmsbench.gate``)."""

    @property
    def passed(self) -> bool:
        return self.gated.result.passed

    @property
    def failures(self) -> tuple[GateCheck, ...]:
        """The checks that failed."""
        return self.gated.result.failures

    @property
    def message(self) -> str:
        """The verdict, every failure with its numbers, and what the gate could have seen."""
        from dmsbench.report.gate.assertion import gate_text

        return gate_text(self.gated)

    def assert_passed(self) -> None:
        """Raises AssertionError with the message where a check failed."""
        __tracebackhide__ = True
        if not self.passed:
            raise AssertionError(self.message)


class GateFunction(Protocol):
    """What the fixture is."""

    def __call__(
        self,
        reference: str | Path,
        candidate: str | Path | None = None,
        *,
        tolerance: float | None = None,
        config: str | Path | None = None,
        out: str | Path = "results",
        seed: int = 0,
    ) -> GateOutcome:
        """Gates a run against another, named as on the command line."""


@pytest.fixture(scope="session")
def dmsbench_gate() -> GateFunction:
    """Gates a run against a reference: dmsbench_gate(reference=…, candidate=…, tolerance=…).assert_passed()

    As the command ``dmsbench gate`` does, with the gate.toml of the working directory where there is one.
    What cannot be gated (no such run, not comparable) fails the test with one line.
    """

    def gate(
        reference: str | Path,
        candidate: str | Path | None = None,
        *,
        tolerance: float | None = None,
        config: str | Path | None = None,
        out: str | Path = "results",
        seed: int = 0,
    ) -> GateOutcome:
        from dmsbench.errors import DmsbenchError
        from dmsbench.gate import gate_runs, load_config

        try:
            gated = gate_runs(
                str(reference),
                None if candidate is None else str(candidate),
                out=Path(out),
                config=load_config(None if config is None else Path(config)),
                tolerance=tolerance,
                seed=seed,
            )
        except DmsbenchError as error:
            line = f"dmsbench: {error}"
        else:
            return GateOutcome(gated)
        # Outside of the handler, so that it has no context.
        pytest.fail(line, pytrace=False)

    return gate
