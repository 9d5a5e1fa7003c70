"""Text files that people write: read whole, but only what is a file, of a sensible size, and text."""

from __future__ import annotations

import stat
from pathlib import Path


def why_no_file(path: Path, most_bytes: int) -> str | None:
    """Why a path should not be opened, in words; None for an ordinary file of at most so many bytes.

    A pipe or a device never ends, or waits for ever. Raises OSError where nothing is there.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        return f"is {_kind(found.st_mode)}, no file"
    if found.st_size > most_bytes:
        return f"has {found.st_size:,} bytes, more than {most_bytes:,}"
    return None


def read_text(path: Path, most_bytes: int) -> str:
    """The text of a file; raises ValueError, saying why, where it is not an ordinary one of UTF-8."""
    try:
        unfit = why_no_file(path, most_bytes)
        if unfit is None:
            return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        unfit = "not UTF-8 text"
    except OSError as error:
        unfit = error.strerror or str(error)
    except ValueError:  # of names with a zero byte
        unfit = "no file name"
    raise ValueError(unfit)


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return name
    return "a device"
