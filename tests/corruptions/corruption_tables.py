"""What decides a corruption's output beside its code: severity tables and the words that texts spare.

Records are kept by each entry's `version`, so a number changed without it would serve answers to other
pictures as today's. Running this file renews what was last looked at; raise the versions first.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from corruptions import PROTECTED, Corruption, catalogue

PATH = Path(__file__).with_name("corruption_tables.json")


def tables() -> dict[str, dict[str, int | str]]:
    """Version and digest of every entry."""
    return {entry.name: {"version": entry.version, "digest": digest(entry)} for entry in catalogue()}


def digest(entry: Corruption) -> str:
    """16 hex digits of an entry's parameters, with the protected words where it is one of texts."""
    spared = sorted(PROTECTED) if entry.kind == "text" else []
    content = json.dumps([entry.to_dict()["parameters"], entry.nested, spared])
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


if __name__ == "__main__":
    PATH.write_text(json.dumps(tables(), indent=1) + "\n", encoding="utf-8")
