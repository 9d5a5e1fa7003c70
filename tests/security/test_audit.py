"""The check of pins against known vulnerabilities, on an index of our own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from counted import count

AUDIT = Path(__file__).parents[2] / ".ci" / "audit"
OPEN = {"id": "PYSEC-1\x1b[31m", "fixed_in": ["1.1"], "withdrawn": None}
WITHDRAWN = {"id": "PYSEC-2", "fixed_in": [], "withdrawn": "2020-01-01"}
PINS = "fine==1.0\nbad==1.0 ; python_version >= '3.10'  # why\nold==2.0\n\nfine==1.0\n"
ANSWERS: dict[str, Any] = {
    "/pypi/fine/1.0/json": {"vulnerabilities": []},
    "/pypi/bad/1.0/json": {"vulnerabilities": [OPEN, WITHDRAWN]},
    "/pypi/old/2.0/json": {"vulnerabilities": [WITHDRAWN]},
    "/pypi/list/1/json": [],
    "/pypi/silent/1/json": {"info": {}},
}


class Index:
    """A server with its address, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                known = self.path in ANSWERS
                body = json.dumps(ANSWERS[self.path]).encode() if known else b"no such thing"
                self.send_response(200 if known else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def audit(tmp_path: Path, pins: str, url: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "pins.txt"
    file.write_text(pins)
    count("audits")
    command = [sys.executable, str(AUDIT), str(file), "--index", url]
    # Whatever proxy this machine has is not asked.
    return subprocess.run(command, capture_output=True, text=True, env={"NO_PROXY": "*"}, timeout=60)


def test_vulnerable_pins_are_named(tmp_path: Path, index: Index) -> None:
    done = audit(tmp_path, PINS, index.url)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "vulnerable: bad==1.0: PYSEC-1 [31m, fixed in 1.1",
        "3 pins checked, 1 known vulnerabilities",
    ]
    assert len(index.asked) == 3


def test_nothing_known_is_fine(tmp_path: Path, index: Index) -> None:
    done = audit(tmp_path, "fine==1.0\nold==2.0\n", f"{index.url}/")
    assert (done.returncode, done.stdout) == (0, "2 pins checked, 0 known vulnerabilities\n")


def test_what_was_not_answered_is_said_to_be_unchecked(tmp_path: Path, index: Index) -> None:
    done = audit(tmp_path, "fine==1.0\nlist==1\nsilent==1\nold==2.0\nmissing==1\n", index.url)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        "not checked: list==1 (the answer says nothing of vulnerabilities)",
        "not checked: silent==1 (the answer says nothing of vulnerabilities)",
        "not checked: missing==1 (HTTP 404)",
        "2 pins checked, 0 known vulnerabilities",
    ]


def test_it_gives_up_after_three_failures(tmp_path: Path, index: Index) -> None:
    pins = "".join(f"missing{i}==1\n" for i in range(9))
    done = audit(tmp_path, pins, index.url)
    assert (done.returncode, len(index.asked)) == (3, 3)
    assert done.stdout == "not checked: no registry answered (HTTP 404; 9 pins)\n"


def test_no_index_is_said_honestly(tmp_path: Path, index: Index) -> None:
    closed = index.url
    index.server.socket.close()
    done = audit(tmp_path, PINS, closed)
    assert done.returncode == 3 and done.stdout.startswith("not checked: no registry answered (")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("pins", "url"), [("a>=1\n", "https://x"), ("a==1\n", "file:///etc")])
def test_bad_input_is_usage(tmp_path: Path, pins: str, url: str) -> None:
    done = audit(tmp_path, pins, url)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_the_pins_of_this_project_can_be_read(tmp_path: Path, index: Index) -> None:
    text = (AUDIT.parents[1] / "constraints.txt").read_text()
    done = audit(tmp_path, text, index.url)
    assert done.returncode == 3 and len(index.asked) == 3
    pinned = len({line.partition(" ")[0] for line in text.splitlines() if "==" in line.partition(";")[0]})
    assert f"{pinned} pins" in done.stdout
