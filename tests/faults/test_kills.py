"""A run that is killed at any moment and continued ends with the records of an undisturbed one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from counted import count
from faulty_run import leftovers, parts, ready, stamps, write_suite

from dmsbench.runner.store import RunFolder

KILLS = 1000 if os.environ.get("DMSBENCH_DEEP") else 60
FINISHED, KILLED = 0, -9


class Runs:
    """Runs in a forked process each."""

    def __init__(self, file: Path) -> None:
        here = Path(__file__).parent
        self._process = subprocess.Popen(
            [sys.executable, str(here / "killed_runs.py"), str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *filter(None, sys.path)])},
        )
        assert self._process.stdout is not None and self._process.stdin is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        assert self._out.readline() == "ready\n"

    def go(self, out: Path, seconds: float = 0.0) -> tuple[int, str]:
        """Runs in a folder, killed after so many seconds; returns exit status and phase."""
        print(out, seconds, file=self._in, flush=True)
        status, phase = self._out.readline().strip().split(maxsplit=1)
        return int(status), phase

    def close(self) -> None:
        self._in.close()
        self._out.close()
        self._process.wait()


def test_killed_at_random_moments_and_continued(tmp_path: Path) -> None:
    file, rng = write_suite(tmp_path / "suite"), np.random.default_rng(11)
    runs, phases, kills, series = Runs(file), Counter[str](), 0, 0
    try:
        began = time.monotonic()
        assert runs.go(tmp_path / "whole") == (FINISHED, "between")
        whole = time.monotonic() - began
        expected = parts(tmp_path / "whole")
        assert len(expected) > 40
        while kills < KILLS:
            out = tmp_path / f"killed-{series}"
            finished: dict[str, tuple[int, int]] = {}
            status = KILLED
            while status == KILLED:
                status, phase = runs.go(out, rng.uniform(0.0, 0.5) * whole if kills < KILLS else 0.0)
                assert status in (KILLED, FINISHED), status
                if status == KILLED:
                    kills += 1
                    phases[phase] += 1
                now = stamps(out)
                # What was finished is there, and was not computed again.
                assert finished.items() <= now.items()
                finished = now
            series += 1
            assert parts(out) == expected
            assert leftovers(out) == []
            folder = RunFolder(next(out.glob("faulty/*")))
            for model in ("one", "two"):
                records = folder.records(model)
                assert len(records) == 36 * len(ready(file, tmp_path).suite.conditions)
                keys = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]
                assert not records.duplicated(keys).any()
    finally:
        runs.close()
    assert kills >= 50
    count("kills at random moments, then continued to the same bytes", kills)
    for phase, number in phases.items():
        count(f"of these kills while {phase}", number)
    assert {"answering", "writing a part"} <= set(phases)
