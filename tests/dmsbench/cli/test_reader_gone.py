"""A pipe whose reader is gone ends a command quietly."""

from __future__ import annotations

import subprocess
import sys


def test_head_ends_a_long_list_without_a_word() -> None:
    command = f"'{sys.executable}' -m dmsbench list corruptions --json | head -c 20; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout.strip().endswith("141")
