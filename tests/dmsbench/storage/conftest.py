"""A bucket that all processes of a test see, behind a protocol of its own."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("upath", reason="needs dmsbench[storage]")

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Bucket:
    """A bucket by its URL, and the folder behind it."""

    url: str
    root: Path

    def objects(self) -> dict[str, bytes]:
        """All that was put, by key."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.parent != self.root
        }

    def deny(self, text: str) -> None:
        """Refuses to read keys that hold this text."""
        (self.root / ".deny").write_text(text)

    def fill(self, room: int) -> None:
        """Takes so many more bytes and no more."""
        used = sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())
        (self.root / ".quota").write_text(str(used + room))


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket of a protocol that a distribution on PYTHONPATH brings."""
    installed = tmp_path / "installed"
    about = installed / "put_store-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: put-store\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[fsspec.specs]\nputstore = put_store:PutStore\n")
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(installed), str(HERE), path])))
    root = tmp_path / "store"
    (root / "bucket").mkdir(parents=True)
    monkeypatch.setenv("PUT_STORE_ROOT", str(root))
    fsspec = importlib.import_module("fsspec")
    fsspec.register_implementation("putstore", "put_store.PutStore", clobber=True)
    monkeypatch.syspath_prepend(str(HERE))
    assert "put_store" not in sys.modules or hasattr(sys.modules["put_store"], "PutStore")
    return Bucket("putstore://bucket/results", root)
