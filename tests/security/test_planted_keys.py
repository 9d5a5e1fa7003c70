"""Keys in the environment stay there: no file and no output of any command has them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from counted import count
from small_suite import SUITE

KEYS = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AZURE_OPENAI_KEY",
    "GITHUB_TOKEN",
    "WANDB_API_KEY",
)
#: A command a line; those that fail do so on purpose, with their reasons read as well.
COMMANDS = (
    ("run", "--suite", "tiny.yaml", "--verbose"),
    ("run", "--suite", "tiny.yaml", "--dry-run", "--format", "json"),
    ("run", "--suite", "tiny.yaml", "--model", "b=baseline,fusion=dms", "--format", "json", "--fresh"),
    ("run", "--suite", "tiny.yaml", "--model", "nobody/nothing-of-this-name"),
    ("--debug", "run", "--suite", "tiny.yaml", "--model", "./not-there"),
    ("report",),
    ("compare", "baseline", "b", "--verbose"),
    ("compare", "baseline", "b", "--format", "json"),
    ("gate", "--reference", "baseline", "--candidate", "b", "--junit", "gate.xml", "--badge", "gate.svg"),
    ("gate", "--reference", "baseline", "--candidate", "b", "--markdown", "gate.md", "--flips", "flips.json"),
    ("reference", "save", "baseline", "--to", "reference.parquet", "--with-predictions"),
    ("reference", "show", "reference.parquet"),
    ("power", "--reference", "baseline", "--candidate", "b", "--drop", "0.1"),
    ("leaderboard", "--suite", "tiny", "--format", "html", "--output", "board.html"),
    ("leaderboard", "--suite", "tiny", "--format", "json", "--output", "board.json"),
    ("rescore", "--score", "vqa_v2_official"),
    ("doctor",),
    ("doctor", "--format", "json"),
    ("list", "models"),
    ("list", "suites", "--json"),
    ("suite", "check", "tiny.yaml"),
)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = {name: f"planted{secrets.token_hex(16)}" for name in KEYS}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def test_no_file_and_no_output_has_a_key(
    tmp_path: Path,
    planted: dict[str, str],
    dmsbench: Callable[..., Any],
    command: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "tiny.yaml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    outputs = []
    codes = []
    for words in COMMANDS:
        done = dmsbench(*words)
        outputs.append(done.out + done.err)
        codes.append((words[0], done.code))
        count("commands run with planted keys")
    # One as a program of its own: nothing that this process had read before.
    whole = command("run", "--suite", "tiny.yaml", "--out", "other", "--verbose")
    outputs.append(whole.stdout + whole.stderr)
    assert whole.returncode == 0
    failed = [words for words, code in codes if code]
    assert failed == ["run", "--debug"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"manifest.json", "report.html", "board.html"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        for name, value in planted.items():
            assert value.encode() not in content, f"{name} in {path}"
        count("files searched for planted keys")
    for name, value in planted.items():
        assert not any(value in text for text in outputs), f"{name} in an output"


def test_packed_parts_of_files_have_no_key_either(
    tmp_path: Path, planted: dict[str, str], dmsbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's data are compressed and Parquet's too: a search of the bytes would not see into them."""
    import base64
    import gzip
    import re

    import pyarrow.parquet as pq

    (tmp_path / "tiny.yaml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    assert dmsbench("run", "--suite", "tiny.yaml").code == 0
    texts = []
    for page in tmp_path.rglob("report.html"):
        packed = re.findall(r'type="application/octet-stream" id="data">([^<]+)<', page.read_text())
        texts += [gzip.decompress(base64.b64decode(one)).decode() for one in packed]
    assert texts
    for part in tmp_path.rglob("*.parquet"):
        table = pq.read_table(part, partitioning=None)
        texts.append(f"{table.schema.metadata}{table.to_pylist()}")
    assert len(texts) >= 3
    for value in planted.values():
        assert not any(value in text for text in texts)
