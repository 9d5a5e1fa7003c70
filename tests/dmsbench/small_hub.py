"""A hub on this machine: what ``huggingface_hub`` and ``datasets`` ask of one for data sets, and no more."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.split("/") if part]
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size) if size else b""
        self.server.asked.append(f"{self.command} {unquote(url.path)}")
        if parts[:2] == ["api", "datasets"]:
            repo, rest = "/".join(parts[2:4]), parts[4:]
        elif parts[:1] == ["datasets"]:
            repo, rest = "/".join(parts[1:3]), parts[3:]
        else:
            self._send(404, b"", {})
            return
        if repo in self.server.gated:
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "ask for access"})
            return
        folder = self.server.repositories.get(repo)
        if folder is None:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        if len(rest) > 1 and rest[1] not in ("main", COMMIT):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        if rest[:1] == ["resolve"]:
            self._file(folder, "/".join(rest[2:]), files)
        elif rest[:1] == ["tree"]:
            below = "/".join(rest[2:])
            deep = parse_qs(url.query).get("recursive", ["false"])[0].lower() == "true"
            self._json(self._tree(folder, files, below, deep))
        elif rest[:1] == ["paths-info"]:
            asked = parse_qs(body.decode()).get("paths") if not body.startswith(b"{") else None
            paths = asked or json.loads(body)["paths"]
            everything = self._tree(folder, files, "", True)
            self._json([entry for entry in everything if entry["path"] in paths])
        else:
            siblings = [{"rfilename": name} for name in files]
            self._json({"id": repo, "sha": COMMIT, "private": False, "gated": False, "siblings": siblings})

    def _tree(self, folder: Path, files: list[str], below: str, deep: bool) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for name in files:
            if below and not name.startswith(f"{below}/"):
                continue
            for parent in Path(name).parents:
                place = parent.as_posix()
                if place != "." and place.startswith(below) and place != below:
                    found[place] = {"type": "directory", "path": place, "oid": "0" * 40}
            content = (folder / name).read_bytes()
            oid = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            found[name] = {"type": "file", "path": name, "size": len(content), "oid": oid}
        depth = below.count("/") + 1 if below else 0
        return [entry for name, entry in sorted(found.items()) if deep or name.count("/") == depth]

    def _file(self, folder: Path, name: str, files: list[str]) -> None:
        if name not in files:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            return
        content = (folder / name).read_bytes()
        tag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        status = 200
        if self.headers.get("Range"):
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            end = min(int(last or len(content) - 1), len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{end}/{len(content)}"
            content, status = content[int(first) : end + 1], 206
        self.server.sent[name] = self.server.sent.get(name, 0) + (
            len(content) if self.command == "GET" else 0
        )
        self._send(status, content, headers)

    def _json(self, found: object) -> None:
        self._send(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """``repositories`` has folders by ``owner/name``; ``asked`` what was asked, ``sent`` bytes by file."""

    daemon_threads = True

    def __init__(self, repositories: dict[str, Path], gated: tuple[str, ...] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Hub)
        self.repositories, self.gated = repositories, gated
        self.asked: list[str] = []
        self.sent: dict[str, int] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def small_hub(repositories: dict[str, Path], gated: tuple[str, ...] = ()) -> Iterator[Server]:
    """A hub that serves these folders while the block runs."""
    server = Server(repositories, gated)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
