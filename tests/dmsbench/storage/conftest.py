"""A bucket that all processes of a test see, behind a protocol of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from put_bucket import Bucket

HERE = Path(__file__).parent


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
    fsspec = pytest.importorskip("fsspec")
    fsspec.register_implementation("putstore", "put_store.PutStore", clobber=True)
    monkeypatch.syspath_prepend(str(HERE))
    return Bucket("putstore://bucket/results", root)
