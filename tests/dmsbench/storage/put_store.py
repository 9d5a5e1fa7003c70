"""An object store in a folder: objects are put whole and read whole by key; no rename, no lock, no append.

It is registered with fsspec by a distribution on PYTHONPATH, so that every process knows it. Listings are
kept as those of real stores are, and empty folders do not exist. Files in its root tell it to fail:
``.quota`` holds the bytes that it takes, ``.deny`` a text that keys must not contain to be read.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

ROOT = "PUT_STORE_ROOT"


class PutStore(AbstractFileSystem):
    protocol = "putstore"
    root_marker = ""

    @property
    def _root(self) -> Path:
        return Path(os.environ[ROOT])

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        target = self._root / self._strip_protocol(path)
        if not (self._root / target.relative_to(self._root).parts[0]).is_dir():
            raise FileNotFoundError("no such bucket")
        quota = self._root / ".quota"
        if quota.exists() and self._used() + len(value) > int(quota.read_text()):
            raise StoreError("QuotaExceeded:\nthe bucket is full")
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._root, prefix=".upload-")
        with os.fdopen(handle, "wb") as file:
            file.write(value)
        Path(name).replace(target)
        self.invalidate_cache()

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        deny = self._root / ".deny"
        if deny.exists() and deny.read_text() in path:
            raise PermissionError("AccessDenied")
        return (self._root / self._strip_protocol(path)).read_bytes()[start:end]

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        if path not in self.dircache:
            here = self._root / path
            if not here.is_dir() or not any(one.is_file() for one in here.rglob("*")):
                raise FileNotFoundError(path)
            self.dircache[path] = [
                self._entry(one)
                for one in sorted(here.iterdir())
                if one.is_file() or any(below.is_file() for below in one.rglob("*"))
            ]
        found = self.dircache[path]
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        kept = self._ls_from_cache(path)
        if kept:
            for entry in kept:
                if entry["name"] == path:
                    return entry
        here = self._root / path
        if here.is_file() or (here.is_dir() and any(one.is_file() for one in here.rglob("*"))):
            return self._entry(here)
        raise FileNotFoundError(path)

    def rm_file(self, path: str) -> None:
        (self._root / self._strip_protocol(path)).unlink()
        self.invalidate_cache()

    def rm(self, path: Any, recursive: bool = False, maxdepth: Any = None) -> None:
        for one in self.find(path):
            self.rm_file(one)

    def invalidate_cache(self, path: Any = None) -> None:
        self.dircache.clear()

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        raise StoreError("this store has no folders to make")

    makedirs = mkdir

    def _open(self, *_: Any, **__: Any) -> Any:
        raise StoreError("objects are put and read whole")

    def _used(self) -> int:
        return sum(one.stat().st_size for one in self._root.rglob("*") if one.is_file())

    def _entry(self, path: Path) -> dict[str, Any]:
        found = path.stat()
        name = path.relative_to(self._root).as_posix()
        if path.is_dir():
            return {"name": name, "type": "directory", "size": 0}
        return {"name": name, "type": "file", "size": found.st_size, "LastModified": found.st_mtime}


class StoreError(Exception):
    """Of this store alone, and no OSError, as those of many stores are."""
