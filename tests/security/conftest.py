"""Shared by the tests of what dmsbench promises about files and names from others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_suite import SUITE

from dmsbench.models.spec import checkpoint_folder

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    """The folder of a small checkpoint that ships with dmsbench; not to be changed."""
    return checkpoint_folder("tiny-llava-easy-vqa")


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Runs ``dmsbench`` as a program of its own in the test's folder."""

    def call(
        *arguments: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dmsbench", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )

    return call


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of one model; not to be changed."""
    from dmsbench.runner.run import execute, load_arms, prepare
    from dmsbench.suite import load_suite

    folder = tmp_path_factory.mktemp("tiny-run")
    (folder / "tiny.yaml").write_text(SUITE)
    job = prepare(load_suite(str(folder / "tiny.yaml")), folder / "results")
    arms, entries = load_arms(job, device="cpu")
    execute(job, arms, entries, batch_size=64)
    return job.folder.path


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


@pytest.fixture
def dmsbench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Calls ``dmsbench`` in this process, which takes less time than a program of its own."""
    from dmsbench.cli import main as command_line

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["dmsbench", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "160")
        code = 0
        try:
            command_line.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call
