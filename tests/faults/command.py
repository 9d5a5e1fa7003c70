"""The real command in a process of its own, to be disturbed from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

#: Short, and long enough to be met in mid-run.
RUN = ("run", "--suite", "smoke", "--model", "dms=tiny-llava-easy-vqa", "--limit", "48", "--batch-size", "16")


def start(out: Path, *options: str) -> subprocess.Popen[str]:
    """``dmsbench run`` into a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "dmsbench", *RUN, "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        # As from a terminal of its own: signals to it reach nobody else.
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code, and what was said on stderr."""
    _, said = process.communicate(timeout=240)
    return process.returncode, said


def wait_for_parts(out: Path, number: int, process: subprocess.Popen[str]) -> None:
    """Until so many parts are finished."""
    until = time.monotonic() + 120
    while len([path for path in out.rglob("*.parquet") if not path.name.startswith(".")]) < number:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.02)
