"""Shared by all tests: one thread, no network, and small data of our own."""

from __future__ import annotations

import os

# Before torch or OpenBLAS start: parallel tests on few cores must not spin against each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import tempfile
from pathlib import Path

import counted
import pytest


def pytest_configure(config: pytest.Config) -> None:
    """One file for the counts of all processes of this test run: what was tried is printed at its end."""
    if counted.WHERE not in os.environ:
        handle, path = tempfile.mkstemp(prefix="dmsbench-counts-")
        os.close(handle)
        os.environ[counted.WHERE] = path
        config.add_cleanup(lambda: _forget(path))


def _forget(path: str) -> None:
    os.environ.pop(counted.WHERE, None)
    Path(path).unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tried = counted.counts(Path(os.environ[counted.WHERE]))
    if tried:
        terminalreporter.section("what was tried")
        for what, number in sorted(tried.items()):
            terminalreporter.write_line(f"{number:>8,} {what}")
