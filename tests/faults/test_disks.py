"""Full disks and folders that cannot be written: one line, and the same command continues."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import ended, start
from counted import count
from faulty_run import leftovers, parts, ready, run, stamps, write_suite


def mounted(*options: str, at: Path) -> bool:
    """Whether a file system in memory could be mounted (again, with these options)."""
    command = ["mount", "-t", "tmpfs", *options, "none", str(at)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not mounted("-o", "size=200k", at=folder):
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_and_a_larger_one(small: Path, tmp_path: Path) -> None:
    code, said = ended(start(small))
    assert code == 2
    assert "No space left on device; nothing finished is lost: the same command continues" in said
    assert len([line for line in said.splitlines() if line.startswith("dmsbench: ")]) == 1
    assert "Traceback" not in said
    assert leftovers(small) == []
    finished = stamps(small)
    assert finished
    assert mounted("-o", "remount,size=64m", at=small)
    code, said = ended(start(small))
    assert code == 0, said
    assert finished.items() <= stamps(small).items()
    code, said = ended(start(tmp_path / "other"))
    assert code == 0, said
    assert parts(small) == parts(tmp_path / "other")
    count("disks filled by a run, then continued to the same bytes")


def limited(size: int) -> Callable[[], None]:
    """In a new process: files grow to so many bytes and no further, and that is an error, not the end."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("size", [1, 1000, 5_000, 8_000])
def test_where_no_more_can_be_written(tmp_path: Path, size: int) -> None:
    # A quota, as it were; where mounting is not allowed this is what shows it.
    script = """
import sys
from pathlib import Path
from faulty_run import ready, run
folder = Path(sys.argv[1])
try:
    run(ready(folder / "faulty.yaml", folder / "out"))
except OSError as error:
    sys.exit(f"{type(error).__name__} {error.filename}")
"""
    write_suite(tmp_path)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    failed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        preexec_fn=limited(size),
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert failed.returncode == 1
    assert failed.stderr.startswith("OSError"), failed.stderr
    assert leftovers(tmp_path) == []
    finished = stamps(tmp_path)
    job = ready(tmp_path / "faulty.yaml", tmp_path / "out")
    run(job)
    assert finished.items() <= stamps(tmp_path).items()
    other = ready(tmp_path / "faulty.yaml", tmp_path / "other")
    run(other)
    assert parts(job.folder.path) == parts(other.folder.path)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    check_read_only(tmp_path)
    tmp_path.chmod(0o700)


def test_a_read_only_file_system(small: Path) -> None:
    assert mounted("-o", "remount,ro", at=small)
    check_read_only(small)


def check_read_only(folder: Path) -> None:
    code, said = ended(start(folder))
    assert code == 2
    last = said.splitlines()[-1]
    assert last.startswith(f"dmsbench: {folder}") and "use another --out" in last
    assert "Traceback" not in said
