"""A real Ray cluster of several processes on this machine, and the real command."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from counted import count

pytest.importorskip("ray")

SMOKE = ("--suite", "smoke", "--model", "baseline", "--limit", "700", "--threads", "1", "--quiet")
SEARCH = (
    *("--suite", "retrieval-corrupt", "--model", "clip=clip-retrieval", "--limit", "60", "--threads", "1"),
    *("--corruption", "contrast", "--corruption", "fog", "--severity", "3", "--quiet"),
)

# One cluster for all of them: pytest-xdist keeps a group in one process.
pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.skipif(os.name != "posix", reason="kills processes"),
]
#: Ray lets in only who knows the cluster's token.
ENVIRONMENT = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster whose processes are not the tests' own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    head = subprocess.Popen(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"),
            *("--node-ip-address=127.0.0.1", "--num-cpus=4", "--include-dashboard=false"),
            *("--disable-usage-stats", f"--object-store-memory={100 * 2**20}"),
            f"--temp-dir={tmp_path_factory.mktemp('ray')}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    until = time.monotonic() + 90
    while True:
        assert head.poll() is None and time.monotonic() < until, "the cluster did not start"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.2)
    yield f"127.0.0.1:{port}"
    os.killpg(head.pid, signal.SIGTERM)
    try:
        head.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()


def start(out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dmsbench", "run", "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )


def done(process: subprocess.Popen[str]) -> str:
    said, complaint = process.communicate(timeout=240)
    assert process.returncode == 0, f"{process.returncode}: {said}{complaint}"
    return complaint


def parts(out: Path) -> dict[str, bytes]:
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in out.rglob("*.parquet")
        if path.parent.parent.name == "parts"
    }


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run by this machine's own engine."""
    out = tmp_path_factory.mktemp("local")
    done(start(out, *SMOKE))
    return out


def workers() -> list[int]:
    """Processes that hold models at present; Ray names them after the method that they are in."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(b"ray::Worker.work"):
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers in /proc")
def test_a_worker_killed_in_mid_run_costs_nothing_but_time(cluster: str, local: Path, tmp_path: Path) -> None:
    run = start(tmp_path, *SMOKE, "--engine", "ray", "--address", cluster, "--actors", "2")
    until = time.monotonic() + 120
    while not (at_work := workers()) or len(parts(tmp_path)) < 3:
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.01)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("parts/*/*.parquet")}
    os.kill(at_work[0], signal.SIGKILL)
    assert "a worker was lost" in done(run)
    expected = parts(local)
    assert parts(tmp_path) == expected and len(expected) == 13
    assert all(path.stat().st_mtime_ns == written for path, written in before.items())
    assert not list(tmp_path.rglob(".*.tmp"))
    count("workers of a Ray cluster killed in mid-run, then the same bytes")


def test_what_one_engine_began_the_other_ends(cluster: str, local: Path, tmp_path: Path) -> None:
    shutil.copytree(local, tmp_path, dirs_exist_ok=True)
    written = sorted(tmp_path.rglob("parts/*/*.parquet"))
    for path in written[::2]:
        path.unlink()
    loud = [option for option in SMOKE if option != "--quiet"]
    said = done(start(tmp_path, *loud, "--engine", "ray", "--address", cluster, "--actors", "2"))
    assert parts(tmp_path) == parts(local)
    assert "2 workers of a Ray cluster" in said and "13,300 of 13,300 rows (100%)" in said
    assert "from an earlier run" in said


def test_searches_are_done_by_image_view_and_are_the_same_bytes(cluster: str, tmp_path: Path) -> None:
    done(start(tmp_path / "ray", *SEARCH, "--engine", "ray", "--address", cluster, "--actors", "2"))
    done(start(tmp_path / "local", *SEARCH))
    found = parts(tmp_path / "ray")
    assert found == parts(tmp_path / "local") and len(found) >= 2
