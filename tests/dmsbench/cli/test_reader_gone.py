"""A pipe whose reader is gone ends a command quietly."""

from __future__ import annotations

import subprocess
import sys


def test_a_reader_who_left_is_no_regression() -> None:
    command = [sys.executable, "-m", "dmsbench", "list", "corruptions", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()  # before a word is written
        said = process.stderr.read()
        code = process.wait(timeout=120)
    assert (code, said) == (141, b"")
