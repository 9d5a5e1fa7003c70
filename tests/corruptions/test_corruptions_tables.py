"""No severity table and no protected word changes without the version of what it changes."""

from __future__ import annotations

import json
from dataclasses import replace

from corruption_tables import PATH, digest, tables

from corruptions import get


def test_what_decides_an_output_changes_with_its_version() -> None:
    found, golden = tables(), json.loads(PATH.read_text(encoding="utf-8"))
    assert found.keys() == golden.keys()
    stale = [
        name
        for name, entry in found.items()
        if entry != golden[name] and entry["version"] <= golden[name]["version"]
    ]
    assert not stale, f"raise the version of {', '.join(stale)}, then run corruption_tables.py"
    assert found == golden, "run corruption_tables.py"


def test_a_digest_sees_the_last_decimal() -> None:
    entry = get("gaussian_blur")
    table = entry.parameters["calibrated224"]
    changed = {**entry.parameters, "calibrated224": (*table[:-1], 6.001)}
    assert digest(replace(entry, parameters=changed)) != digest(entry)
