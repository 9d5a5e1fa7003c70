"""Finding runs and refusing to compare what differs."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest

from dmsbench.errors import DmsbenchError, NotComparableError, UnknownNameError
from dmsbench.runner.find import check_comparable, entrant, pair, runs
from dmsbench.runner.store import MANIFEST_FORMAT, RunFolder

IDENTITY = {
    "suite": "little",
    "task": "vqa",
    "score": "exact_match|v1",
    "dataset": {"name": "local", "split": "all", "fingerprint": "f", "samples": "s" * 24},
    "seed": 0,
    "profile": "auto",
    "conditions": ["clean", "fog@1"],
    "corruptions": {"fog": 1},
}


def make(out: Path, name: str, models: list[str], age: int = 0, **changes: Any) -> RunFolder:
    identity = copy.deepcopy(IDENTITY) | changes
    folder = RunFolder(out / identity["suite"] / name)
    rest = {"format": MANIFEST_FORMAT, "fingerprint": "f", "chance": None, "dataset": {}}
    held = {model: {"parts": []} for model in models}
    folder.write_manifest({**rest, "identity": identity, "models": held})
    os.utime(folder.path / "manifest.json", (1_000_000 - age, 1_000_000 - age))
    return folder


def test_the_newest_run_that_holds_both(tmp_path: Path) -> None:
    make(tmp_path, "old", ["a", "b"], age=9)
    both = make(tmp_path, "new", ["a", "b"], age=5)
    make(tmp_path, "newest", ["a"], age=1)
    assert [folder.path.name for folder in runs(tmp_path)] == ["newest", "new", "old"]
    first, second = pair("a", "b", tmp_path)
    assert first.folder == second.folder == both
    assert [entry.model for entry in pair("b", "a", tmp_path)] == ["b", "a"]


def test_models_of_different_runs_are_found_and_judged(tmp_path: Path) -> None:
    make(tmp_path, "one", ["a"])
    make(tmp_path, "two", ["b"], seed=1)
    first, second = pair("a", "b", tmp_path)
    with pytest.raises(NotComparableError, match=r"differ in seed \(0 and 1\)"):
        check_comparable(first, second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suite": "other"}, r"differ in suite \(little and other\)"),
        ({"dataset": IDENTITY["dataset"] | {"fingerprint": "g"}}, "differ in data set"),
        ({"score": "exact_match|v2"}, "differ in score"),
        ({"profile": "tiny64"}, "differ in severity profile"),
        ({"corruptions": {"fog": 2}}, "corruption 'fog' is version 1 in .* and 2 in"),
        (
            {"settings": {"fog": {"backend": "p 1.1"}}},
            "settings of corruption 'fog' are nothing set in .* and backend p 1.1 in",
        ),
    ],
)
def test_differences_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    one, two = make(tmp_path, "one", ["a"]), make(tmp_path, "two", ["a"], **change)
    with pytest.raises(NotComparableError, match=message):
        check_comparable(entrant(one.path), entrant(two.path))


def test_folders_and_names_together(tmp_path: Path) -> None:
    one = make(tmp_path, "one", ["a", "b"])
    make(tmp_path, "two", ["c"])
    first, second = pair(f"{one.path}:b", "c", tmp_path)
    assert (first.model, second.model) == ("b", "c")
    with pytest.raises(DmsbenchError, match="holds a, b: say which"):
        entrant(one.path)
    with pytest.raises(UnknownNameError, match="did you mean 'b'"):
        entrant(f"{one.path}:bb")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DmsbenchError, match="no runs here; start with: dmsbench run"):
        pair("a", "b", tmp_path / "none")
    make(tmp_path, "one", ["baseline"])
    with pytest.raises(UnknownNameError, match="did you mean 'baseline'"):
        pair("baselin", "baseline", tmp_path)
    with pytest.raises(DmsbenchError, match="no run here"):
        entrant(tmp_path)
