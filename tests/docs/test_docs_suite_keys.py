"""docs/suite-keys.md has every key of a suite file with its default, and invents none."""

from __future__ import annotations

import re

import pytest
import yaml
from docs_pages import DOCS
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from dmsbench.corruption_settings import CorruptionSettings
from dmsbench.score_names import SCORES
from dmsbench.suite import Suite
from dmsbench.suite_blocks import DatasetConfig, Grid, Joint, RetrievalConfig

TEXT = (DOCS / "suite-keys.md").read_text(encoding="utf-8")
BLOCKS: dict[str, type[BaseModel]] = {
    "The suite": Suite,
    "`dataset`": DatasetConfig,
    "`grid`": Grid,
    "`grid.joint`": Joint,
    "`retrieval`": RetrievalConfig,
    "`settings`": CorruptionSettings,
}
#: Defaults that a validator puts in, which the schema does not show.
PUT_IN = {("The suite", "score")}


def rows(heading: str) -> dict[str, str]:
    """The table under a heading: key → the cell of its default."""
    body = re.split(rf"^## {re.escape(heading)}$", TEXT, flags=re.MULTILINE)[1].split("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", body, flags=re.MULTILINE)
    assert len(dict(found)) == len(found), heading
    return dict(found)


def test_every_block_is_there_and_no_other() -> None:
    assert set(re.findall(r"^## (.+)$", TEXT, flags=re.MULTILINE)) == {*BLOCKS, "All of it"}


@pytest.mark.parametrize("heading", BLOCKS)
def test_keys_are_the_schemas(heading: str) -> None:
    assert list(rows(heading)) == list(BLOCKS[heading].model_fields)


@pytest.mark.parametrize("heading", BLOCKS)
def test_defaults_are_the_schemas(heading: str) -> None:
    for key, shown in rows(heading).items():
        field = BLOCKS[heading].model_fields[key]
        if (heading, key) in PUT_IN:
            continue
        if field.is_required():
            assert shown == "required", key
            continue
        default = field.get_default(call_default_factory=True)
        assert default is not PydanticUndefined
        plain = list(default) if isinstance(default, tuple) else default
        assert shown.startswith("`"), key
        assert yaml.safe_load(shown.split("`")[1]) == plain, key


def test_default_scores_are_the_tasks() -> None:
    shown = rows("The suite")["score"]
    assert re.findall(r"`(\w+)`", shown) == [scores[0] for scores in SCORES.values()]


def test_every_key_has_an_example() -> None:
    examples = "\n".join(re.findall(r"^```yaml.*?^```$", TEXT, flags=re.MULTILINE | re.DOTALL))
    for block in BLOCKS.values():
        for key in block.model_fields:
            assert re.search(rf"\b{key}:", examples), key
