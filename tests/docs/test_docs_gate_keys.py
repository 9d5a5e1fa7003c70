"""docs/gate-in-ci.md has every key of a gate's configuration with its default, and invents none."""

from __future__ import annotations

import re

import pytest
import yaml
from docs_pages import DOCS, blocks
from pydantic import BaseModel

from dmsbench.gate.config import CheckSettings, GateConfig, Limits, ScoreSettings

TEXT = (DOCS / "gate-in-ci.md").read_text(encoding="utf-8")
BLOCKS: dict[str, type[BaseModel]] = {
    "Top level": GateConfig,
    "A check": CheckSettings,
    "A score": ScoreSettings,
    "Limits": Limits,
}


def rows(heading: str) -> dict[str, str]:
    """The table under a heading: key → the cell of its default."""
    body = re.split(rf"^### {re.escape(heading)}$", TEXT, flags=re.MULTILINE)[1].split("\n##")[0]
    found = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", body, flags=re.MULTILINE)
    assert len(dict(found)) == len(found), heading
    return dict(found)


@pytest.mark.parametrize("heading", BLOCKS)
def test_keys_and_defaults_are_the_schemas(heading: str) -> None:
    fields = BLOCKS[heading].model_fields
    assert set(rows(heading)) == set(fields)
    for key, shown in rows(heading).items():
        default = fields[key].get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            assert default == type(default)()
            default = {}
        plain = list(default) if isinstance(default, tuple) else default
        assert yaml.safe_load(shown.split("`")[1]) == plain, key


def test_every_key_has_an_example() -> None:
    (example,) = (block.text for block in blocks("gate-in-ci.md") if block.language == "toml")
    for block in BLOCKS.values():
        for key in block.model_fields:
            assert re.search(rf"\b{key}\b", example), key
