"""Names from suites, command lines and manifests become paths: none leads out of its folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from counted import count
from hypothesis import example, given
from hypothesis import strategies as st

from dmsbench.errors import DmsbenchError, SuiteError
from dmsbench.models.spec import parse
from dmsbench.runner.store import RunFolder
from dmsbench.safe_names import LONGEST, is_key, why_unsafe
from dmsbench.suite import load_suite

BAD = (
    "", ".", "..", "...", "../x", "../../../escaped", "a/b", "a\\b", "/etc/passwd", "C:x", "C:\\x", "a..b",
    ".hidden", "x.", "x ", " x", "a\0b", "a\nb", "a\x1b[31mb", "a\u202eb", "a\u2028b", "con", "NUL",
    "nul.txt", "Com1", "lpt9.parquet", "aux .x", "n" * (LONGEST + 1), "é" * LONGEST, "a*", "a?",
    "a|b", "<a>", 'a"b',
    "a\ud800",
)  # fmt: skip
GOOD = ("baseline", "dms-scenes", "my model", "v1.2_final", "größer", "模型", "console", "com", "n" * LONGEST)
MANIFEST: dict[str, Any] = {"format": 1, "fingerprint": "f", "chance": None, "dataset": {}, "identity": {}}


@pytest.mark.parametrize("name", BAD)
def test_bad_names_are_refused_wherever_they_come_from(tmp_path: Path, name: str) -> None:
    assert why_unsafe(name) is not None
    suite = tmp_path / "s.yaml"
    suite.write_text(f"name: {json.dumps(name)}\ndataset: {{name: easy_vqa}}\ngrid: {{image: [fog]}}\n")
    with pytest.raises(SuiteError) as error:
        load_suite(str(suite))
    assert str(error.value).isprintable()
    with pytest.raises(DmsbenchError):
        RunFolder(tmp_path).part(name, "0123456789abcdef")
    with pytest.raises(DmsbenchError):
        RunFolder(tmp_path).part("model", name)
    with pytest.raises(DmsbenchError):
        RunFolder(tmp_path).drop_parts(name)
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST | {"models": {name: {"parts": []}}}))
    with pytest.raises(DmsbenchError, match="cannot name a model") as error:
        RunFolder(tmp_path).manifest()
    assert str(error.value).isprintable()
    count("bad names refused")


@pytest.mark.parametrize("name", [name for name in BAD if name and "=" not in name])
def test_bad_names_of_models_are_refused_on_the_command_line(name: str) -> None:
    with pytest.raises(DmsbenchError):
        parse(f"{name}=baseline")


@pytest.mark.parametrize("name", GOOD)
def test_good_names_stay(tmp_path: Path, name: str) -> None:
    assert why_unsafe(name) is None
    assert parse(f"{name}=baseline").name == name
    path = RunFolder(tmp_path).part(name, "0123456789abcdef")
    assert path.resolve().is_relative_to(tmp_path.resolve())
    path.parent.mkdir(parents=True)
    path.touch()


@given(st.text(max_size=30) | st.text(alphabet="./\\: aCON0", max_size=12))
@example("..")
@example("a/../../b")
def test_a_name_that_passes_is_one_folder_on_every_system(name: str) -> None:
    count("names tried")
    if why_unsafe(name) is None:
        for kind in (PurePosixPath, PureWindowsPath):
            path = kind("base") / name
            assert path.parent == kind("base") and path.name == name and not path.is_absolute()


@pytest.mark.parametrize(
    "key",
    ["../../escaped", "", None, 7, ["0123456789ab"], "0123456789AB", "0123456789ab\n", "0123", "k" * 12],
)
def test_keys_are_hex(tmp_path: Path, key: Any) -> None:
    assert not is_key(key)
    for part in ({"key": key}, key):
        manifest = MANIFEST | {"models": {"m": {"parts": [part]}}}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(DmsbenchError, match="keys are hex digits"):
            RunFolder(tmp_path).manifest()


def test_manifests_too_deep_to_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[" * 200_000)
    with pytest.raises(DmsbenchError, match="cannot be read"):
        RunFolder(tmp_path).manifest()


def test_no_command_writes_where_a_manifest_leads(
    tmp_path: Path, tiny_run: Path, command: Callable[..., Any]
) -> None:
    out = tmp_path / "results"
    run = out / "suite" / tiny_run.name
    shutil.copytree(tiny_run, run)
    manifest = json.loads((run / "manifest.json").read_text())
    (name,) = manifest["models"]
    manifest["models"]["../../../escaped"] = manifest["models"].pop(name)
    shutil.copytree(run / "parts" / name, out / "escaped")  # what it would read is there
    (run / "manifest.json").write_text(json.dumps(manifest))
    before = sorted(tmp_path.rglob("*"))
    for words in (
        ("rescore", run, "--score", "vqa_v2_official"),
        ("report", run),
        ("compare", f"{run}:../../../escaped", f"{run}:../../../escaped"),
        ("leaderboard", run),
    ):
        done = command(*words)
        assert done.returncode == 2, done.stderr
        assert "cannot name a model" in done.stderr and done.stderr.count("\n") == 1
        count("commands on an escaping manifest")
    assert sorted(tmp_path.rglob("*")) == before
