"""A bucket of the store that only puts, as tests see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
