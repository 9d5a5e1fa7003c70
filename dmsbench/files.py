"""Files that are never half written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from dmsbench.places import Place, Remote


def write_atomically(path: Place, content: bytes) -> None:
    """Writes a file so that a reader sees the old one or the whole new one.

    Behind a URL that is the storage's own doing: an object store shows an object once it is whole.
    """
    if isinstance(path, Remote):
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two machines on one shared folder may have processes of one number.
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _settle(path.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _settle(folder: Path) -> None:
    """Makes a new name in a folder outlast a power cut; where it cannot, the file is whole all the same."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)
